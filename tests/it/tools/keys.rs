//! `reckoner keys` on a store: keys that have ended, and schemas that are not this program's.
use super::KEY;
use crate::support::command::{Ended, reckoner};
use crate::support::database::Database;
use reckoner_domain::time::Timestamp;
use reckoner_server::auth::keys::to_row;
use reckoner_server::store::{Db, Place, Scopes, SqliteSettings, StoreError, api_keys, projects};
use sqlx::{Executor, SqlitePool};
use std::path::Path;

/// A store as a server leaves it.
async fn store(dir: &Path) -> Db {
    let db = Db::open_sqlite(&SqliteSettings::new(dir.join("control.sqlite"))).await.expect("opens");
    projects::ensure(&db, Timestamp::default()).await.expect("made");
    db
}

fn keys(dir: &Path, line: &[&str]) -> Ended {
    let dir = dir.display().to_string();
    reckoner(&[&["keys"], line, &["--data-dir", &dir]].concat(), &[])
}

#[tokio::test]
async fn a_key_that_has_ended_is_listed_as_such() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = store(dir.path()).await;
    let live = projects::get_by_name(&db, "live").await.expect("there");
    let at = |text| Timestamp::parse(text).expect("a time");
    for (key, end) in [(KEY, "2021-01-01T00:00:00Z"), ("another", "9000-01-01T00:00:00Z")] {
        let row = to_row(key, live.id, key, Scopes::all(), at("2020-01-01T00:00:00Z")).expect("a row");
        let row = api_keys::ApiKey { expires_at: Some(at(end)), ..row };
        api_keys::insert(&db, &row).await.expect("stored");
    }
    db.close().await;
    let table = keys(dir.path(), &["list"]);
    assert_eq!(table.code, 0, "{table:?}");
    for state in ["expired 2021-01-01T00:00:00.000000Z", "until 9000-01-01T00:00:00.000000Z"] {
        assert!(table.out.contains(state), "{state}: {table:?}");
    }
}

#[tokio::test]
async fn a_schema_of_another_program_is_left_as_it_is() {
    for change in [
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)",
        "insert into _sqlx_migrations select 9999, description, installed_on, success, checksum, execution_time
         from _sqlx_migrations where version = 1",
        "drop table _sqlx_migrations",
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        store(dir.path()).await.close().await;
        let file = dir.path().join("control.sqlite");
        let pool = SqlitePool::connect(&format!("sqlite:{}", file.display())).await.expect("opens");
        pool.execute(change).await.expect("changed");
        let applied = "select count(*) from sqlite_schema where name = '_sqlx_migrations'";
        let before: i64 = sqlx::query_scalar(applied).fetch_one(&pool).await.expect("counted");
        let refused = keys(dir.path(), &["create", "--scope", "read"]);
        assert!(refused.code == 1 && refused.err.contains("its schema has number"), "{change}: {refused:?}");
        let after: i64 = sqlx::query_scalar(applied).fetch_one(&pool).await.expect("counted");
        assert_eq!(before, after);
        let made: i64 = sqlx::query_scalar("select count(*) from api_keys").fetch_one(&pool).await.expect("counted");
        assert_eq!(made, 0);
        pool.close().await;
    }
}

#[tokio::test]
async fn a_database_without_a_schema_gets_none_by_looking() {
    let Some(database) = Database::create().await else { return };
    let db = Db::connect(&Place::Postgres(database.settings())).await.expect("connects");
    let refused = db.check_schema().await.expect_err("no schema");
    assert!(matches!(refused, StoreError::OtherSchema { found: 0, .. }), "{refused}");
    Db::open_postgres(&database.settings()).await.expect("migrates").close().await;
    db.check_schema().await.expect("is ours now");
    db.close().await;
    database.drop().await;
}
