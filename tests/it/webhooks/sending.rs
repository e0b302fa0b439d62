//! What a delivery looks like to its receiver.
use super::receiver::{Receiver, Reply};
use super::world::{COMPLETED, LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_domain::time::{HOUR, SECOND};
use reckoner_domain::webhook::VerifyError;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::{Db, webhook_status};
use reckoner_server::webhooks::dispatcher::Settings;

on_both!(carries_both_signatures);
async fn carries_both_signatures(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let mut running = world.dispatch();
    let message = world.tell(LIVE, "customer_1_daily_20260114").await;
    let hit = receiver.hit().await;
    running.recorded(1).await;

    let secret = made.secret.expose();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    assert_eq!(hit.verify_v1(secret, world.now_s()), Ok(()));
    assert_eq!(hit.verify_standard(secret, world.now_s()), Ok(()));
    assert_eq!(hit.verify_v1("another secret", world.now_s()), Err(VerifyError::Mismatch));
    assert_eq!(hit.header("webhook-id"), message.as_str());
    assert_eq!(hit.header("X-Webhook-Timestamp"), world.now_s().to_string());
    assert_eq!(hit.header("content-type"), "application/json");
    assert_eq!(hit.header("X-Reckoner-Project"), "live");
    assert_eq!(hit.header("user-agent"), concat!("Reckoner/", env!("CARGO_PKG_VERSION")));
    let body = r#"{"type":"aggregation.completed","customerId":"customer_1_daily_20260114","created":1}"#;
    assert_eq!(hit.body, body);

    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.attempts, delivery.last_status), (State::Delivered, 1, Some(200)));
    assert_eq!((delivery.delivered_at, delivery.dry_run), (Some(world.clock.real()), false));
    let attempts = world.attempts(LIVE, &delivery.id).await;
    assert_eq!((attempts.len(), attempts[0].number, attempts[0].status), (1, 1, Some(200)));
    running.dispatcher.stop().await;
}

on_both!(signs_by_real_time_in_a_frozen_project);
async fn signs_by_real_time_in_a_frozen_project(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    world.clock.freeze(TEST, world.clock.real().plus_micros(-900 * 24 * HOUR));
    let made = world.endpoint_of(TEST, &receiver.url).await;
    let running = world.dispatch();
    world.tell(TEST, "a").await;
    let hit = receiver.hit().await;
    assert_eq!(hit.verify_v1(made.secret.expose(), world.now_s()), Ok(()));
    assert_eq!(hit.header("X-Reckoner-Project"), "test");
    running.dispatcher.stop().await;
}

on_both!(a_rotated_secret_signs_beside_the_new_one_for_a_day);
async fn a_rotated_secret_signs_beside_the_new_one_for_a_day(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let first = world.endpoint(&receiver).await;
    let rotated = world.webhooks.rotate(LIVE, &first.endpoint.id, None, 24).await.expect("rotated");
    let (old, new) = (first.secret.expose(), rotated.secret.expose());
    assert_ne!(old, new);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    let hit = receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(hit.verify_standard(new, world.now_s()), Ok(()));
    assert_eq!(hit.verify_standard(old, world.now_s()), Ok(()));
    assert_eq!(hit.verify_v1(new, world.now_s()), Ok(()));

    world.clock.move_real(24 * HOUR);
    world.tell(LIVE, "b").await;
    let hit = receiver.hit().await;
    assert_eq!(hit.verify_standard(new, world.now_s()), Ok(()));
    assert_eq!(hit.verify_standard(old, world.now_s()), Err(VerifyError::Mismatch));
    running.dispatcher.stop().await;
}

on_both!(a_dry_run_sends_nothing_and_counts_as_delivered);
async fn a_dry_run_sends_nothing_and_counts_as_delivered(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let mut running = world.dispatch_with(Settings { dry_run: true, ..Settings::default() });
    world.tell(LIVE, "a").await;
    running.recorded(1).await;
    assert!(!receiver.has_more());
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.dry_run), (State::Delivered, true));
    let status = webhook_status::of_subjects(&world.db, LIVE, COMPLETED, &["a", "b"]).await.expect("read");
    assert_eq!(status.len(), 1);
    assert!(status["a"].delivered && status["a"].dry_run);
    assert_eq!((status["a"].attempts, status["a"].last_error.as_deref()), (1, None));
    running.dispatcher.stop().await;
}

on_both!(only_the_first_bytes_of_an_answer_are_kept);
async fn only_the_first_bytes_of_an_answer_are_kept(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let long = format!("\0{}", "ä".repeat(1_000_000));
    receiver.then([Reply::With(500, ("x-test", "1".into()), long)]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    let delivery = world.delivery(&made.endpoint).await;
    let attempt = world.attempts(LIVE, &delivery.id).await.remove(0);
    let head = attempt.body_head.expect("kept");
    assert!(head.starts_with("\u{fffd}ää") && head.len() <= 1_024 + 4, "{} bytes", head.len());
    assert_eq!(attempt.error.as_deref(), Some("answered 500"));
    running.dispatcher.stop().await;
}

on_both!(a_given_secret_that_is_no_base64_is_encoded_for_the_standard);
async fn a_given_secret_that_is_no_base64_is_encoded_for_the_standard(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let first = world.endpoint(&receiver).await;
    let given = Some("not base64 !".replace(' ', "_"));
    let rotated = world.webhooks.rotate(LIVE, &first.endpoint.id, given, 0).await.expect("rotated");
    assert_ne!(rotated.secret.expose(), rotated.standard_secret.expose());
    let running = world.dispatch();
    world.tell(LIVE, "a").await;
    let hit = receiver.hit().await;
    assert_eq!(hit.verify_v1("not_base64_!", world.now_s()), Ok(()));
    assert_eq!(hit.verify_standard(rotated.standard_secret.expose(), world.now_s()), Ok(()));
    assert_eq!(hit.verify_standard(first.secret.expose(), world.now_s()), Err(VerifyError::Mismatch));
    world.clock.move_real(SECOND);
    running.dispatcher.stop().await;
}
