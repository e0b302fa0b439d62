//! Endpoints of the operator's file, as it is at a start.
use crate::support::server::{Server, Setup};
use crate::webhooks::receiver::Receiver;
use reckoner_domain::time::Timestamp;
use reckoner_server::random;
use reckoner_server::store::projects::TEST;
use reckoner_server::store::webhook_endpoints::Moment;
use reckoner_server::store::webhook_messages::{self, NewMessage};
use reckoner_server::store::{Db, SqliteSettings};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hook(receiver: &Receiver, enabled: bool) -> Value {
    json!({"url": receiver.url, "secret": SECRET, "enabled": enabled, "project": "test"})
}

fn system(webhooks: &[Value]) -> Value {
    json!({"periods": ["hourly"], "events": {"api.calls": {"op": "sum"}}, "webhooks": webhooks})
}

fn write(server: &Server, webhooks: &[Value]) {
    std::fs::write(server.dir().join("system.json"), system(webhooks).to_string()).expect("written");
}

/// Stores a message for every enabled endpoint of project `test`, while no server runs.
async fn tell(server: &Server) {
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let now = Timestamp::parse("2026-01-14T09:30:00Z").expect("a time");
    let message = NewMessage {
        bits: random::id_bits(now).expect("bits"),
        project: TEST,
        event_type: "aggregation.completed",
        subject: None,
        dedupe_key: "of this test",
        payload: "{}",
        at: Moment { real: now, project: now },
    };
    let mut tx = db.begin().await.expect("begins");
    webhook_messages::enqueue(&mut tx, message).await.expect("stored").expect("new");
    tx.commit().await.expect("committed");
    db.close().await;
}

/// The state and the attempts of each delivery, by its endpoint's URL.
async fn deliveries(server: &Server, url: &str) -> Vec<(String, u64)> {
    let endpoints = server.get("/v1/webhook-endpoints").await.json();
    let of_url = |one: &&Value| one["url"] == url;
    let endpoint = endpoints["data"].as_array().expect("a list").iter().find(of_url).expect("there");
    let path = format!("/v1/webhook-deliveries?endpoint={}", endpoint["id"].as_str().expect("an id"));
    let listed = server.get(&path).await.json();
    let row = |one: &Value| {
        (one["state"].as_str().expect("a state").to_owned(), one["attempts"].as_u64().expect("a number"))
    };
    listed["data"].as_array().expect("a list").iter().map(row).collect()
}

#[tokio::test]
async fn what_left_the_file_before_a_start_gets_nothing_at_it() {
    let (removed, disabled) = (Receiver::start().await, Receiver::start().await);
    let mut kept = Receiver::start().await;
    let all = [hook(&removed, true), hook(&disabled, true), hook(&kept, true)];
    let mut server = Setup::default().system(system(&all)).start();
    assert!(server.terminate().success());
    tell(&server).await;
    write(&server, &[hook(&disabled, false), hook(&kept, true)]);
    server.restart();
    kept.hit().await;
    assert!(!removed.has_more() && !disabled.has_more());
    assert_eq!(deliveries(&server, &removed.url).await, [("canceled".to_owned(), 0)]);
    assert_eq!(deliveries(&server, &disabled.url).await, [("pending".to_owned(), 0)]);
}

#[tokio::test]
async fn a_start_without_the_files_leaves_everything_as_it_is() {
    let mut receiver = Receiver::start().await;
    let mut server = Setup::default().system(system(&[hook(&receiver, true)])).start();
    assert!(server.terminate().success());
    tell(&server).await;
    server.without_files();
    server.restart();
    receiver.hit().await;
    server.logged("webhook endpoints of an earlier file stay in force");
    assert_eq!(server.get("/v1/meters/api.calls").await.status, 200);
    // A file that says that there are none is another thing.
    std::fs::write(server.dir().join("reckoner.toml"), "webhook_endpoints = []\n").expect("written");
    server.with_toml();
    assert!(server.terminate().success());
    server.restart();
    let listed = server.get("/v1/webhook-endpoints").await.json();
    assert_eq!(listed["data"][0]["disabled_reason"], "removed", "{listed}");
    assert_eq!(server.get("/v1/meters/api.calls").await.status, 404);
}

// The receiver answers while the program runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_sends_nothing() {
    let mut receiver = Receiver::start().await;
    let mut server = Setup::default().system(system(&[hook(&receiver, true)])).start();
    assert!(server.terminate().success());
    tell(&server).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let data = server.data_dir().display().to_string();
    let line = ["serve", "--data-dir", &data, "--listen", &address];
    let ended = crate::support::command::reckoner(&line, &[]);
    assert!(ended.code == 1 && ended.err.contains("cannot listen"), "{ended:?}");
    assert!(!receiver.has_more());
    server.restart();
    receiver.hit().await;
}
