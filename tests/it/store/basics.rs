//! The database itself: statements, transactions, migrations, files.
use super::{at, customer_id};
use crate::support::database::{Database, on_both};
use reckoner_server::store::projects::{self, LIVE};
use reckoner_server::store::settings;
use reckoner_server::store::{
    Db, Engine, Exec, Query, STATEMENTS, SqliteSettings, Statement, StoreError, customers,
};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::task::JoinSet;

/// Not registered: PostgreSQL knows no such thing.
static JOURNAL_MODE: Statement =
    Statement { sqlite: "select journal_mode from pragma_journal_mode", postgres: "" };

/// Statements in the store's sources, counted by their macro.
fn written_statements() -> usize {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut directories = vec![std::path::PathBuf::from(root)];
    let mut count = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("a source file");
                count += text.matches(" sql!(").count() + text.matches("(sql!(").count();
            }
        }
    }
    count
}

on_both!(every_statement_is_understood);
async fn every_statement_is_understood(db: Db) {
    assert!(STATEMENTS.len() >= written_statements(), "each statement is registered");
    let mut wrong = Vec::new();
    for statement in STATEMENTS.iter().filter(|statement| !is_open(statement.text(db.engine()))) {
        if let Err(error) = db.prepare(statement).await {
            wrong.push(format!("{}: {error}", statement.text(db.engine())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a statement is whole only with the list or the rows that are appended; those run in
/// the tests of their functions.
fn is_open(text: &str) -> bool {
    text.ends_with(" in ") || text.ends_with(" values ")
}

on_both!(a_failed_transaction_leaves_nothing);
async fn a_failed_transaction_leaves_nothing(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let customer = |external_id: &str| customers::Customer {
        id: customer_id(),
        project: LIVE,
        external_id: external_id.into(),
        details: customers::Details::default(),
        created_at: at(0),
        version: 1,
    };
    let mut tx = db.begin().await.expect("begins");
    customers::create(&mut tx, &customer("a")).await.expect("made");
    customers::create(&mut tx, &customer("b")).await.expect("made");
    let twice = customers::create(&mut tx, &customer("a")).await;
    assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
    drop(tx);
    assert_eq!(customers::count(&db, LIVE).await.expect("counted"), 0);

    let mut tx = db.begin().await.expect("begins");
    customers::create(&mut tx, &customer("a")).await.expect("made");
    assert_eq!(customers::count(&db, LIVE).await.expect("counted"), 0, "not visible before its end");
    tx.commit().await.expect("committed");
    assert_eq!(customers::count(&db, LIVE).await.expect("counted"), 1);
}

on_both!(references_are_checked);
async fn references_are_checked(db: Db) {
    let made = customers::ensure_many(&db, LIVE, &["a"], at(0), customer_id).await;
    assert!(matches!(made, Err(StoreError::Internal(_))), "no project, no customer: {made:?}");
}

on_both!(texts_are_ordered_by_bytes);
async fn texts_are_ordered_by_bytes(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let names = ["b", "B", "a_c", "a-b", "ab", "Ä", "é", "z"];
    customers::ensure_many(&db, LIVE, &names, at(0), customer_id).await.expect("made");
    let query = reckoner_server::sql!("select external_id from customers order by external_id");
    let rows: Vec<(String,)> = (&db).all(query).await.expect("listed");
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    assert_eq!(rows.into_iter().map(|(name,)| name).collect::<Vec<_>>(), sorted);
}

on_both!(connections_are_counted);
async fn connections_are_counted(db: Db) {
    let state = db.pool_state();
    assert!(state.open >= 1 && state.open <= state.max && state.idle <= state.open, "{state:?}");
    db.close().await;
    let closed = projects::list(&db).await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sqlite_file_is_its_owners_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = SqliteSettings::new(directory.path().join("control.db"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    projects::ensure(&db, at(0)).await.expect("made");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).expect("a directory") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        names.push(entry.file_name());
    }
    assert!(names.len() >= 2, "the write-ahead log lies beside the file: {names:?}");
    let mode: (String,) = (&db).one(Query::new(&JOURNAL_MODE, vec![])).await.expect("a mode");
    assert_eq!(mode.0, "wal");
    db.close().await;
    let again = Db::open_sqlite(&settings).await.expect("opens again");
    assert_eq!(projects::list(&again).await.expect("listed").len(), 2);
    assert_eq!(again.engine(), Engine::Sqlite);
    again.close().await;
}

/// Adds one to a number under the transaction's lock, a hundred times.
async fn count_up(db: Db) {
    for _ in 0..100 {
        let mut tx = db.begin().await.expect("begins");
        let number = settings::get(&mut tx, "number").await.expect("read").expect("there");
        let next = number.parse::<u32>().expect("a number") + 1;
        settings::set(&mut tx, "number", &next.to_string()).await.expect("written");
        tx.commit().await.expect("committed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_take_turns_on_a_sqlite_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = SqliteSettings {
        busy_timeout: Duration::from_mins(1),
        acquire_timeout: Duration::from_mins(1),
        ..SqliteSettings::new(directory.path().join("control.db"))
    };
    let db = Db::open_sqlite(&file).await.expect("opens");
    settings::set(&db, "number", "0").await.expect("written");
    // A second set of connections stands for a second process.
    let other = Db::open_sqlite(&file).await.expect("opens");
    JoinSet::from_iter([count_up(db.clone()), count_up(other)]).join_all().await;
    assert_eq!(settings::get(&db, "number").await.expect("read").as_deref(), Some("200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_starts_at_once_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = SqliteSettings::new(directory.path().join("control.db"));
    let mut starts = JoinSet::new();
    for _ in 0..8 {
        let settings = settings.clone();
        starts.spawn(async move {
            let db = Db::open_sqlite(&settings).await.expect("opens");
            projects::ensure(&db, at(0)).await.expect("made")
        });
    }
    let made = starts.join_all().await.into_iter().filter(|made| *made).count();
    assert_eq!(made, 1, "one of them made the projects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_starts_at_once_on_postgres() {
    let Some(database) = Database::create().await else { return };
    let mut starts = JoinSet::new();
    for _ in 0..8 {
        let settings = database.settings();
        starts.spawn(async move {
            let db = Db::open_postgres(&settings).await.expect("connects");
            let made = projects::ensure(&db, at(0)).await.expect("made");
            db.close().await;
            made
        });
    }
    let made = starts.join_all().await.into_iter().filter(|made| *made).count();
    database.drop().await;
    assert_eq!(made, 1, "one of them made the projects");
}
