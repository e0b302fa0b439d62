//! Failing and hanging receivers, with the clock moved by hand.
use super::{SECRET, close_a_day, server_for};
use crate::webhooks::receiver::{Receiver, Reply};
use serde_json::Value;

#[tokio::test]
async fn the_third_attempt_comes_when_the_clock_has_moved() {
    let mut receiver = Receiver::start().await;
    receiver.then([Reply::Status(500), Reply::Status(503)]);
    let server = server_for(&[(&receiver.url, SECRET)]);
    close_a_day(&server).await;
    let first = receiver.hit().await;
    settled(&server, 1).await;
    server.advance("2026-01-15T00:15:06Z").await;
    let second = receiver.hit().await;
    settled(&server, 2).await;
    server.advance("2026-01-15T00:21:00Z").await;
    let third = receiver.hit().await;
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, third.body);
    let status = settled(&server, 3).await;
    assert_eq!(status["delivered"], true);
    let attempts = server.get("/v1/webhook-deliveries").await.json();
    let id = attempts["data"][0]["id"].as_str().expect("an id").to_owned();
    let attempts = server.get(&format!("/v1/webhook-deliveries/{id}/attempts")).await.json();
    let statuses: Vec<i64> =
        attempts["data"].as_array().expect("attempts").iter().filter_map(|a| a["status"].as_i64()).collect();
    assert_eq!(statuses, [500, 503, 200]);
}

#[tokio::test]
async fn one_that_hangs_does_not_delay_the_other() {
    let mut hanging = Receiver::start().await;
    hanging.always(Reply::Hold);
    let mut quick = Receiver::start().await;
    let server = server_for(&[(&hanging.url, SECRET), (&quick.url, SECRET)]);
    close_a_day(&server).await;
    let hung = hanging.hit().await;
    let taken = quick.hit().await;
    assert_eq!(hung.body, taken.body);
    assert_ne!(taken.header("webhook-id"), "");
    hanging.let_go();
    assert_eq!(settled(&server, 1).await["delivered"], true);
}

/// The aggregation's webhook status once this many attempts are on record for every endpoint that
/// was tried.
async fn settled(server: &crate::support::server::Server, attempts: u64) -> Value {
    loop {
        let aggregations = server.get("/aggregations").await.json();
        let status = aggregations[0]["webhookStatus"].clone();
        let tried = status["attempts"].as_u64() >= Some(attempts);
        if tried && (status["delivered"] == true || status["lastError"].is_string()) {
            return status;
        }
        tokio::task::yield_now().await;
    }
}
