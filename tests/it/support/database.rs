//! A database for each test, on both engines.
use reckoner_server::store::{Db, PostgresSettings, SqliteSettings};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::future::Future;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the tests find a PostgreSQL in which they may make databases.
pub const POSTGRES_URL: &str = "RECKONER_TEST_POSTGRES_URL";

/// Runs a test, an `async fn(db: Db)`, on a fresh SQLite file and on a fresh PostgreSQL database.
/// The PostgreSQL half passes and says so when there is none.
macro_rules! on_both {
    ($test:ident) => {
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                $crate::support::database::on_sqlite(super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                $crate::support::database::on_postgres(super::$test).await;
            }
        }
    };
}
pub(crate) use on_both;

/// Runs a test on SQLite, in a directory of its own.
pub async fn on_sqlite<F>(test: impl FnOnce(Db) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let directory = tempfile::tempdir().expect("a directory");
    let settings = SqliteSettings::new(directory.path().join("control.db"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    finish(db.clone(), test(db)).await;
}

/// Runs a test on PostgreSQL, in a database of its own.
pub async fn on_postgres<F>(test: impl FnOnce(Db) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(database) = Database::create().await else { return };
    let db = Db::open_postgres(&database.settings()).await.expect("connects");
    let outcome = tokio::spawn(test(db.clone())).await;
    db.close().await;
    database.drop().await;
    outcome.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
}

async fn finish(db: Db, test: impl Future<Output = ()> + Send + 'static) {
    let outcome = tokio::spawn(test).await;
    db.close().await;
    outcome.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
}

/// A database of PostgreSQL that only one test uses.
pub struct Database {
    server: PgConnectOptions,
    base_url: String,
    name: String,
}

impl Database {
    /// Makes one; `None`, with a line that says so, where no PostgreSQL is given.
    pub async fn create() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are told by the environment where PostgreSQL is"
        )]
        let Ok(url) = std::env::var(POSTGRES_URL) else {
            println!("skipped on PostgreSQL: {POSTGRES_URL} is not set");
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("reckoner_test_{}_{number}", std::process::id());
        let server = PgConnectOptions::from_str(&url).expect("an address of PostgreSQL");
        let database = Self { server, base_url: url, name };
        database.drop().await;
        database.on_server(format!("create database {} template template0", database.name)).await;
        Some(database)
    }

    /// How to connect to it.
    pub fn settings(&self) -> PostgresSettings {
        let (server, query) = match self.base_url.split_once('?') {
            Some((server, query)) => (server, format!("?{query}")),
            None => (self.base_url.as_str(), String::new()),
        };
        let server = server.rsplit_once('/').expect("an address with a database").0;
        let url = format!("{server}/{}{query}", self.name);
        // Two cores run every test at once.
        let patience = Duration::from_mins(1);
        PostgresSettings { acquire_timeout: patience, lock_timeout: patience, ..PostgresSettings::new(url) }
    }

    /// Drops it.
    pub async fn drop(&self) {
        self.on_server(format!("drop database if exists {} with (force)", self.name)).await;
    }

    async fn on_server(&self, statement: String) {
        let mut connection = PgConnection::connect_with(&self.server).await.expect("PostgreSQL answers");
        connection.execute(AssertSqlSafe(statement)).await.expect("PostgreSQL obeys");
        connection.close().await.expect("PostgreSQL lets go");
    }
}

/// Questions after which nobody is expected to wait any more.
const QUESTIONS_MAX: u32 = 100_000;

/// Waits until this many connections of the database wait for another's lock. On SQLite, where
/// transactions queue for the one connection that writes, there is nothing to wait for.
pub async fn lock_waiters(db: &Db, number: i64) {
    let Db::Postgres(pool) = db else { return };
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    for _ in 0..QUESTIONS_MAX {
        let waiters: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.expect("counted");
        if waiters >= number {
            return;
        }
    }
    panic!("nobody waits");
}
