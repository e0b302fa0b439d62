//! Keys of the first start, and dry runs.
use crate::support::command::reckoner;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reckoner_server::store::projects::{LIVE, TEST};
use reckoner_server::store::{Db, Limit, SqliteSettings, api_keys};
use reqwest::Method;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

async fn status(server: &Server, key: &str, path: &str) -> u16 {
    Answer::of(server.request(Method::GET, path, key).send().await).await.status.as_u16()
}

#[tokio::test]
async fn the_first_start_shows_keys_that_work_and_the_next_shows_none() {
    let mut server = Setup::default().keyless().start();
    let said = server.said(2);
    let key = |project: &str| {
        let begin = format!("API key of project {project} (shown once, keep it): ");
        said.iter().find_map(|line| line.strip_prefix(&begin)).expect("a key").to_owned()
    };
    let (live, test) = (key("live"), key("test"));
    assert!(live.starts_with("rk_live_") && test.starts_with("rk_test_"), "{said:?}");
    for (key, clock) in [(&live, 404), (&test, 200)] {
        assert_eq!(status(&server, key, "/v1/api-keys").await, 200);
        assert_eq!(status(&server, key, "/v1/test-clock").await, clock);
    }
    let mine: serde_json::Value = server
        .request(Method::GET, "/v1/api-keys", &test)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(mine["data"][0]["scopes"], json!(["ingest", "read", "admin", "backfill"]));
    assert!(!server.log().contains(&live), "keys are shown, not logged");
    assert!(server.terminate().success());
    server.restart();
    assert_eq!(status(&server, &live, "/v1/meters").await, 200);
    assert!(server.terminate().success());
    assert_eq!(server.said(2), said, "the second start says nothing new");
}

#[tokio::test]
async fn a_first_start_that_fails_leaves_the_keys_to_the_next() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let line = ["serve", "--data-dir", &data, "--listen", &address];
    let ended = reckoner(&line, &[]);
    assert!(ended.code == 1 && ended.err.contains("cannot listen"), "{ended:?}");
    // What is put in force last fails: a database that refuses a meter.
    let refuse = "create trigger refuse before insert on meters begin select raise(abort, 'no'); end";
    alter(&data, refuse).await;
    let toml = dir.path().join("reckoner.toml");
    std::fs::write(&toml, "[[meters]]\nkey = \"m\"\naggregation = \"sum\"\n").expect("written");
    let toml = toml.display().to_string();
    let line = ["serve", "--data-dir", &data, "--listen", "127.0.0.1:0", "--config", &toml];
    let ended = reckoner(&line, &[]);
    assert!(ended.code == 1 && ended.err.contains("meters"), "{ended:?}");
    alter(&data, "drop trigger refuse").await;
    let db =
        Db::open_sqlite(&SqliteSettings::new(dir.path().join("data/control.sqlite"))).await.expect("opens");
    for project in [LIVE, TEST] {
        let keys = api_keys::list(&db, project, None, Limit::default()).await.expect("listed");
        assert!(keys.items.is_empty(), "made and never shown: {keys:?}");
    }
}

/// Runs a statement on the control plane of a data directory.
async fn alter(data: &str, statement: &'static str) {
    let path = std::path::Path::new(data).join("control.sqlite");
    let db = Db::open_sqlite(&SqliteSettings::new(path)).await.expect("opens");
    let Db::Sqlite { writer, .. } = &db else { panic!("SQLite") };
    sqlx::query(statement).execute(writer).await.expect("obeyed");
    db.close().await;
}

#[tokio::test]
async fn the_same_bootstrap_keys_again_are_no_change() {
    let mut server = Server::start();
    let before = server.get("/v1/api-keys").await.json();
    assert_eq!(before["data"].as_array().map(Vec::len), Some(1));
    server.crash_and_restart();
    let after = server.get("/v1/api-keys").await.json();
    assert_eq!(
        (after["data"].as_array().map(Vec::len), &after["data"][0]["id"]),
        (Some(1), &before["data"][0]["id"])
    );
    assert_eq!(server.said(0), Vec::<String>::new());
    assert_eq!(status(&server, LIVE_KEY, "/v1/meters").await, 200);
}

#[tokio::test]
async fn a_revoked_bootstrap_key_stays_revoked_and_stops_no_start() {
    let mut server = Server::start();
    let listed = server.get("/v1/api-keys").await.json();
    let path = format!("/v1/api-keys/{}", listed["data"][0]["id"].as_str().expect("an id"));
    assert_eq!(server.delete(&path).await.status, 200);
    assert!(server.terminate().success());
    server.restart();
    server.logged("the bootstrap key was revoked and stays so");
    assert_eq!(status(&server, TEST_KEY, "/v1/meters").await, 401);
    assert_eq!(status(&server, LIVE_KEY, "/v1/meters").await, 200);
}

#[tokio::test]
async fn the_longest_bootstrap_key_works_and_a_longer_one_is_refused() {
    let key = "0123456789abcdef".repeat(64);
    let server = Setup::default().keyless().env("RECKONER_BOOTSTRAP_API_KEY", &key).start();
    assert_eq!(status(&server, &key, "/v1/meters").await, 200);
    let ended = reckoner(&["config", "check"], &[("RECKONER_BOOTSTRAP_API_KEY", &format!("{key}0"))]);
    assert!(ended.code == 1 && ended.err.contains("bootstrap_api_key: must have at most 1024"), "{ended:?}");
}

#[tokio::test]
async fn a_bootstrap_key_of_the_other_project_stops_the_start() {
    let mut server = Server::start();
    assert!(server.terminate().success());
    let data = server.data_dir().display().to_string();
    let line = ["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"];
    let swapped = [("RECKONER_BOOTSTRAP_API_KEY", TEST_KEY), ("RECKONER_BOOTSTRAP_TEST_API_KEY", LIVE_KEY)];
    let ended = reckoner(&line, &swapped);
    assert!(ended.code == 1 && ended.err.contains("belongs to another project"), "{ended:?}");
    let same = [("RECKONER_BOOTSTRAP_API_KEY", TEST_KEY), ("RECKONER_BOOTSTRAP_TEST_API_KEY", TEST_KEY)];
    let ended = reckoner(&line, &same);
    assert!(ended.code == 2 && ended.err.contains("must differ"), "{ended:?}");
    assert!(!ended.err.contains(TEST_KEY));
}

#[tokio::test]
async fn a_dry_run_records_deliveries_and_sends_nothing() {
    // Nobody listens there: a delivery that was sent would fail.
    let hook = json!([{"url": "http://127.0.0.1:9/hook", "secret": "whsec_0123456789", "project": "test"}]);
    let system = json!({"periods": ["hourly"], "events": {"api.calls": {"op": "sum"}}, "webhooks": hook});
    for name in ["DRY_RUN", "RECKONER_DRY_RUN"] {
        let server = Setup::default().system(system.clone()).env(name, "1").start();
        server.freeze("2026-01-14T09:30:00Z").await;
        server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
        server.advance("2026-01-14T10:15:00Z").await;
        let delivery = loop {
            let listed = server.get("/v1/webhook-deliveries?state=delivered").await.json();
            if let Some(first) = listed["data"].as_array().and_then(|data| data.first()) {
                break first.clone();
            }
        };
        assert_eq!(
            (&delivery["dry_run"], &delivery["last_status"]),
            (&json!(true), &json!(null)),
            "{delivery}"
        );
        let aggregation = server.get("/aggregations").await.json();
        assert_eq!(aggregation[0]["webhookStatus"]["dryRun"], true, "{aggregation}");
        server.logged("dry run");
    }
}

#[tokio::test]
async fn what_is_made_is_its_owners_and_a_wider_directory_is_warned_of() {
    let mut server = Server::start();
    assert_eq!(server.post("/v1/events", json!({"customer": "a", "meter": "api.calls"})).await.status, 201);
    let made = modes(&server.data_dir());
    assert!(made.len() > 4, "{made:?}");
    for (path, mode, is_dir) in made {
        assert_eq!(mode, if is_dir { 0o700 } else { 0o600 }, "{}: {mode:o}", path.display());
    }
    assert!(server.terminate().success());
    let warning = "other users have access to the data directory";
    assert!(!server.log().contains(warning));
    let wider = std::fs::Permissions::from_mode(0o750);
    std::fs::set_permissions(server.data_dir(), wider).expect("changed");
    server.restart();
    server.logged(warning);
    let mode = std::fs::metadata(server.data_dir()).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o750, "it is left as it is");
}

/// A directory and all that is in it, with the modes.
fn modes(path: &Path) -> Vec<(PathBuf, u32, bool)> {
    let metadata = std::fs::metadata(path).expect("a file");
    let mut found = vec![(path.to_owned(), metadata.permissions().mode() & 0o777, metadata.is_dir())];
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            found.extend(modes(&entry.expect("an entry").path()));
        }
    }
    found
}
