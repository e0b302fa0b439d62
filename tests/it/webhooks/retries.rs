//! Failures: when a delivery is tried again, and when no more.
use super::receiver::{Receiver, Reply};
use super::world::{COMPLETED, LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_domain::time::{DAY, HOUR, MINUTE, SECOND};
use reckoner_domain::webhook::ATTEMPTS_MAX;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::{Db, webhook_status};

on_both!(what_failed_twice_is_tried_a_third_time);
async fn what_failed_twice_is_tried_a_third_time(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Status(500), Reply::Status(503)]);
    let mut running = world.dispatch();
    let message = world.tell(LIVE, "a").await;
    for wait in [6 * SECOND, 6 * MINUTE, 0] {
        let hit = receiver.hit().await;
        running.recorded(1).await;
        assert_eq!(hit.header("webhook-id"), message.as_str());
        assert_eq!(hit.verify_v1(made.secret.expose(), world.now_s()), Ok(()));
        world.clock.move_real(wait);
    }
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.attempts, delivery.last_error), (State::Delivered, 3, None));
    let statuses: Vec<_> =
        world.attempts(LIVE, &delivery.id).await.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(500), Some(503), Some(200)]);
    running.dispatcher.stop().await;
}

on_both!(a_retry_is_due_when_the_projects_clock_has_got_there);
async fn a_retry_is_due_when_the_projects_clock_has_got_there(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let start = world.clock.real().plus_micros(-400 * DAY);
    world.clock.freeze(TEST, start);
    world.endpoint_of(TEST, &receiver.url).await;
    receiver.then([Reply::Status(500), Reply::Status(500)]);
    let mut running = world.dispatch();
    world.tell(TEST, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    world.clock.advance(TEST, start.plus_micros(6 * SECOND)).expect("forward");
    receiver.hit().await;
    running.recorded(1).await;
    // Real time gets there as well while the project's stands still.
    world.clock.move_real(6 * MINUTE);
    receiver.hit().await;
    running.recorded(1).await;
    let status = webhook_status::of_subjects(&world.db, TEST, COMPLETED, &["a"]).await.expect("read");
    assert!(status["a"].delivered);
    assert_eq!(status["a"].attempts, 3);
    running.dispatcher.stop().await;
}

on_both!(ten_failures_follow_the_schedule_and_are_the_end);
async fn ten_failures_follow_the_schedule_and_are_the_end(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.always(Reply::Status(500));
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    let delays =
        [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
    for delay in delays {
        receiver.hit().await;
        running.recorded(1).await;
        let due = world.delivery(&made.endpoint).await.due;
        let wait = due.real.micros_since(world.clock.real());
        assert!((delay..=delay + delay / 10).contains(&wait), "{wait} for {delay}");
        assert_eq!(due.project, due.real);
        world.clock.move_real(wait);
    }
    receiver.hit().await;
    running.recorded(1).await;
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.attempts), (State::Failed, ATTEMPTS_MAX));
    assert_eq!(world.attempts(LIVE, &delivery.id).await.len(), 10);
    let status = webhook_status::of_subjects(&world.db, LIVE, COMPLETED, &["a"]).await.expect("read");
    assert!(!status["a"].delivered);
    assert_eq!(status["a"].last_error.as_deref(), Some("answered 500"));
    assert!(!receiver.has_more());
    running.dispatcher.stop().await;
}

on_both!(a_receiver_is_left_alone_as_long_as_it_asks);
async fn a_receiver_is_left_alone_as_long_as_it_asks(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let asks = |text: &str| Reply::With(503, ("retry-after", text.to_owned()), String::new());
    receiver.then([asks("3600"), asks("Wed, 14 Jan 2026 15:30:00 GMT")]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    for wait in [HOUR, 5 * HOUR, 0] {
        receiver.hit().await;
        running.recorded(1).await;
        let due = world.delivery(&made.endpoint).await.due.real;
        assert_eq!(due.micros_since(world.clock.real()), wait);
        world.clock.move_real(wait);
    }
    assert_eq!(world.delivery(&made.endpoint).await.state, State::Delivered);
    running.dispatcher.stop().await;
}

on_both!(an_endpoint_that_hangs_delays_no_other);
async fn an_endpoint_that_hangs_delays_no_other(db: Db) {
    let world = World::new(db).await;
    let (mut hanging, mut quick) = (Receiver::start().await, Receiver::start().await);
    hanging.always(Reply::Hold);
    world.endpoint(&hanging).await;
    world.endpoint(&quick).await;
    let mut running = world.dispatch();
    for number in 0..30 {
        world.tell(LIVE, &format!("customer_{number}")).await;
    }
    quick.take(30).await;
    running.recorded(30).await;
    hanging.take(8).await;
    assert!(!hanging.has_more(), "at most 8 at once");
    hanging.let_go();
    hanging.take(22).await;
    running.recorded(30).await;
    running.dispatcher.stop().await;
}

on_both!(nobody_at_home_is_a_failure);
async fn nobody_at_home_is_a_failure(db: Db) {
    let world = World::new(db).await;
    let receiver = Receiver::start().await;
    let made = world.endpoint(&receiver).await;
    // Its port is free again.
    drop(receiver);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    running.recorded(1).await;
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.attempts, delivery.last_status), (State::Pending, 1, None));
    let error = delivery.last_error.expect("said");
    assert!(!error.is_empty() && !error.contains("127.0.0.1"), "{error}");
    running.dispatcher.stop().await;
}
