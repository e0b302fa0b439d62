//! Stops, crashes and workers that vanish: everything arrives at least once.
use super::receiver::{Receiver, Reply};
use super::world::{COMPLETED, LIVE, World};
use crate::support::database::on_both;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::webhook_queue::{self, Claimant};
use reckoner_server::store::{Db, webhook_status};
use reckoner_server::webhooks::dispatcher::{LEASE_MICROS, PER_ENDPOINT_MAX, Settings};
use reckoner_server::webhooks::guard::EndpointUrl;
use reckoner_server::webhooks::headers::{Secrets, headers};
use reckoner_server::webhooks::moment;
use reckoner_server::webhooks::sender::{Request, Sender};
use std::time::Duration;

on_both!(a_crash_between_sending_and_recording_sends_again);
async fn a_crash_between_sending_and_recording_sends_again(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let message = world.tell(LIVE, "a").await;

    // A worker that claims and sends, and is never heard of again.
    let at = moment(&world.clock, LIVE);
    let until = at.real.plus_micros(LEASE_MICROS);
    let claimant = Claimant { worker: "the dead", until, per_endpoint_max: PER_ENDPOINT_MAX };
    let claimed = webhook_queue::claim(&world.db, &made.endpoint.id, at, claimant, 8).await;
    let (_, claimed) = claimed.expect("claimed").expect("one is due");
    let secrets = Secrets { current: made.secret.clone(), previous: None };
    let body = claimed[0].payload.clone();
    let request = Request {
        url: EndpointUrl::parse(&receiver.url).expect("a URL"),
        trusted: false,
        headers: headers(&secrets, &message, "live", at.real, &body),
        body,
    };
    let answer = Sender::new(world.guard.clone()).expect("a client").send(request).await;
    assert_eq!((answer.status, answer.error), (Some(200), None));
    assert_eq!(receiver.hit().await.header("webhook-id"), message.as_str());

    let mut running = world.dispatch();
    world.tell(LIVE, "b").await;
    assert!(receiver.hit().await.body.contains("\"b\""), "the claim keeps the first one away");
    running.recorded(1).await;
    world.clock.move_real(LEASE_MICROS);
    let hit = receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(hit.header("webhook-id"), message.as_str());
    assert_eq!(hit.verify_v1(made.secret.expose(), world.now_s()), Ok(()));
    let status = webhook_status::of_subjects(&world.db, LIVE, COMPLETED, &["a"]).await.expect("read");
    assert!(status["a"].delivered);
    running.dispatcher.stop().await;
}

on_both!(a_stop_lets_attempts_end);
async fn a_stop_lets_attempts_end(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.always(Reply::Hold);
    let running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    let stopped = tokio::spawn(running.dispatcher.stop());
    receiver.let_go();
    stopped.await.expect("stopped");
    assert_eq!(world.delivery(&made.endpoint).await.state, State::Delivered);
}

on_both!(what_a_stop_cuts_off_is_sent_again_at_once);
async fn what_a_stop_cuts_off_is_sent_again_at_once(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Hold]);
    let running = world.dispatch_with(Settings { stop_wait: Duration::ZERO, ..Settings::default() });
    let message = world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.dispatcher.stop().await;
    assert_eq!(world.delivery(&made.endpoint).await.attempts, 0);
    let mut running = world.dispatch();
    assert_eq!(receiver.hit().await.header("webhook-id"), message.as_str());
    running.recorded(1).await;
    assert_eq!(world.delivery(&made.endpoint).await.state, State::Delivered);
    running.dispatcher.stop().await;
}

on_both!(what_was_stored_while_stopped_is_sent_after_the_start);
async fn what_was_stored_while_stopped_is_sent_after_the_start(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    world.endpoint(&receiver).await;
    for number in 0..20 {
        world.tell(LIVE, &number.to_string()).await;
    }
    let mut running = world.dispatch();
    receiver.take(20).await;
    running.recorded(20).await;
    running.dispatcher.stop().await;
    assert!(!receiver.has_more());
}

on_both!(an_attempt_that_outlives_its_lease_is_not_doubled);
async fn an_attempt_that_outlives_its_lease_is_not_doubled(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let mut other = Receiver::start().await;
    receiver.then([Reply::Hold]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    world.clock.move_real(2 * LEASE_MICROS);
    // A round has been made once this arrives.
    world.endpoint(&other).await;
    world.tell(LIVE, "b").await;
    other.hit().await;
    receiver.hit().await;
    running.recorded(2).await;
    receiver.let_go();
    running.recorded(1).await;
    assert!(!receiver.has_more());
    for delivery in world.deliveries(&made.endpoint.id, LIVE).await {
        assert_eq!((delivery.state, delivery.attempts), (State::Delivered, 1));
    }
    running.dispatcher.stop().await;
}
