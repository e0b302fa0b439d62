//! A start that is refused changes nothing.
use crate::support::command::{Ended, reckoner};
use crate::support::database::Database;
use crate::support::server::Setup;
use reckoner_domain::time::Timestamp;
use reckoner_server::store::idempotency::{self, Began, Request};
use reckoner_server::store::leases::{self, Lease};
use reckoner_server::store::projects::LIVE;
use reckoner_server::store::{Db, Place};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros_clamped(second * 1_000_000)
}

/// Starts on an empty directory with the database of another store.
fn start_on(url: &str) -> Ended {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    reckoner(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0", "--database-url", url], &[])
}

#[tokio::test]
async fn an_empty_directory_on_the_database_of_another_store_changes_nothing() {
    let Some(database) = Database::create().await else { return };
    let settings = database.settings();
    let server = Setup::default().database_url(&settings.url).start();
    let db = Db::connect(&Place::Postgres(settings.clone())).await.expect("connects");
    let lease = Lease { project: LIVE, name: "of this test", holder: "a worker" };
    assert!(leases::claim(&db, lease, at(0), at(60)).await.expect("claimed"));
    let request = Request { project: LIVE, key: "k", route: "POST /v1/meters", hash: [1; 32] };
    assert_eq!(idempotency::begin(&db, request, at(0), at(60)).await.expect("begun"), Began::New);
    let ended = start_on(&settings.url);
    assert!(ended.code == 1 && ended.err.contains("belongs to another event log"), "{ended:?}");
    assert!(leases::renew(&db, lease, at(1), at(60)).await.expect("asked"), "a running job goes on");
    assert_eq!(idempotency::begin(&db, request, at(1), at(60)).await.expect("asked"), Began::Running);
    db.close().await;
    drop(server);
    database.drop().await;
}

#[tokio::test]
async fn the_schema_of_another_store_stays_as_it_is() {
    let Some(database) = Database::create().await else { return };
    let settings = database.settings();
    let mut server = Setup::default().database_url(&settings.url).start();
    assert!(server.terminate().success());
    // As the program before this one left it.
    let mut connection = PgConnection::connect(&settings.url).await.expect("connects");
    for statement in ["drop table job_retries", "delete from _sqlx_migrations where version >= 3"] {
        sqlx::query(statement).execute(&mut connection).await.expect("obeyed");
    }
    let ended = start_on(&settings.url);
    assert!(ended.code == 1 && ended.err.contains("belongs to another event log"), "{ended:?}");
    let migrated: i64 = sqlx::query_scalar("select max(version) from _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .expect("read");
    assert_eq!(migrated, 2);
    connection.close().await.expect("closed");
    database.drop().await;
}
