//! The key that seals secrets at rest, when it is the wrong one.
use super::receiver::Receiver;
use super::world::{LIVE, World};
use crate::support::command::{Ended, reckoner};
use crate::support::database::on_both;
use crate::support::server::{Server, Setup};
use reckoner_server::store::Db;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::webhooks::vault::Vault;
use serde_json::json;

const RIGHT: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b";
const WRONG: &str = "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33";

on_both!(a_key_that_does_not_open_a_secret_is_not_the_endpoints_fault);
async fn a_key_that_does_not_open_a_secret_is_not_the_endpoints_fault(db: Db) {
    let (mut world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let right = std::mem::replace(&mut world.vault, Vault::from_text(WRONG).expect("long enough"));
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    running.recorded(1).await;
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.attempts, delivery.last_error), (State::Pending, 0, None));
    assert_eq!(world.get(&made.endpoint).await.failing_since, None);
    running.dispatcher.stop().await;
    world.vault = right;
    let running = world.dispatch();
    assert_eq!(receiver.hit().await.verify_v1(made.secret.expose(), world.now_s()), Ok(()));
    running.dispatcher.stop().await;
}

fn start_with(server: &Server, key: &str) -> Ended {
    let data = server.data_dir().display().to_string();
    reckoner(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"], &[("RECKONER_SECRET_KEY", key)])
}

#[tokio::test]
async fn a_start_with_another_key_than_the_secrets_were_stored_with_is_refused() {
    let mut server = Setup::default().env("RECKONER_SECRET_KEY", RIGHT).start();
    let hook = json!({"url": "https://example.com/hook"});
    assert_eq!(server.post("/v1/webhook-endpoints", hook).await.status, 201);
    assert!(server.terminate().success());
    let ended = start_with(&server, WRONG);
    assert!(ended.code == 1 && ended.err.contains("RECKONER_SECRET_KEY"), "{ended:?}");
    server.restart();
    assert_eq!(server.get("/v1/webhook-endpoints").await.json()["data"][0]["enabled"], true);
}

#[tokio::test]
async fn secrets_of_the_file_are_sealed_anew_under_another_key() {
    let mut receiver = Receiver::start().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let hook = json!({"url": receiver.url, "secret": secret, "project": "test"});
    let system = json!({"periods": ["hourly"], "events": {"api.calls": {"op": "sum"}}, "webhooks": [hook]});
    let mut server = Setup::default().system(system).env("RECKONER_SECRET_KEY", RIGHT).start();
    server.freeze("2026-01-14T09:30:00Z").await;
    server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
    assert!(server.terminate().success());
    server.set_env("RECKONER_SECRET_KEY", WRONG);
    server.restart();
    server.advance("2026-01-14T10:15:00Z").await;
    let hit = receiver.hit().await;
    let now = hit.header("X-Webhook-Timestamp").parse().expect("a number");
    assert_eq!(hit.verify_v1(secret, now), Ok(()));
}
