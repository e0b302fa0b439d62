//! What the tests share.

pub mod command;
pub mod database;
pub mod server;

/// Runs a test, an `async fn(setup: Setup)`, against a server on SQLite and against one on a fresh
/// PostgreSQL database. The PostgreSQL half passes and says so when there is none.
macro_rules! on_both_servers {
    ($test:ident) => {
        mod $test {
            use $crate::support::database::Database;
            use $crate::support::server::Setup;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$test(Setup::default()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let Some(database) = Database::create().await else { return };
                super::$test(Setup::default().database_url(&database.settings().url)).await;
                database.drop().await;
            }
        }
    };
}
pub(crate) use on_both_servers;
