//! Endpoints that are disabled: by themselves, by time, by hand.
use super::receiver::{Receiver, Reply};
use super::world::{COMPLETED, LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_domain::time::{DAY, SECOND};
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::webhook_endpoints::Disabled;
use reckoner_server::store::{Db, webhook_status};
use reckoner_server::webhooks::Changes;

on_both!(gone_disables_and_gives_up_what_is_pending);
async fn gone_disables_and_gives_up_what_is_pending(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Status(500), Reply::Status(410)]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    world.tell(LIVE, "b").await;
    receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(world.get(&made.endpoint).await.disabled, Some(Disabled::Gone));
    let states: Vec<_> =
        world.deliveries(&made.endpoint.id, LIVE).await.into_iter().map(|one| one.state).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&State::Failed) && states.contains(&State::Canceled), "{states:?}");
    world.tell(LIVE, "c").await;
    assert_eq!(world.deliveries(&made.endpoint.id, LIVE).await.len(), 2, "it gets no more");
    running.dispatcher.stop().await;
}

on_both!(five_days_of_failures_disable);
async fn five_days_of_failures_disable(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.always(Reply::Status(500));
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    let since = world.clock.real();
    for day in 1..=5 {
        assert_eq!(world.get(&made.endpoint).await.disabled, None, "day {day}");
        assert_eq!(world.get(&made.endpoint).await.failing_since.map(|since| since.real), Some(since));
        world.clock.move_real(DAY);
        receiver.hit().await;
        running.recorded(1).await;
    }
    let endpoint = world.get(&made.endpoint).await;
    assert_eq!(endpoint.disabled, Some(Disabled::Failing));
    assert_eq!(world.delivery(&endpoint).await.state, State::Canceled);

    let enable = Changes { enabled: Some(true), ..Changes::default() };
    let endpoint = world.webhooks.update(LIVE, &endpoint.id, enable).await.expect("enabled");
    assert_eq!((endpoint.disabled, endpoint.failing_since), (None, None));
    running.dispatcher.stop().await;
}

on_both!(five_days_of_the_projects_clock_count_too);
async fn five_days_of_the_projects_clock_count_too(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let start = world.clock.real();
    world.clock.freeze(TEST, start);
    let made = world.endpoint_of(TEST, &receiver.url).await;
    receiver.always(Reply::Status(500));
    let mut running = world.dispatch();
    world.tell(TEST, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    world.clock.advance(TEST, start.plus_micros(5 * DAY)).expect("forward");
    receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(world.get(&made.endpoint).await.disabled, Some(Disabled::Failing));
    running.dispatcher.stop().await;
}

on_both!(a_success_during_an_attempt_counts);
async fn a_success_during_an_attempt_counts(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Status(500), Reply::Later(500)]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    world.clock.move_real(5 * DAY);
    receiver.hit().await;
    // While this attempt is under way, another succeeds.
    world.tell(LIVE, "b").await;
    receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(world.get(&made.endpoint).await.failing_since, None);
    receiver.let_go();
    running.recorded(1).await;
    let endpoint = world.get(&made.endpoint).await;
    assert_eq!(endpoint.disabled, None);
    assert_eq!(endpoint.failing_since.map(|since| since.real), Some(world.clock.real()));
    running.dispatcher.stop().await;
}

on_both!(what_was_enabled_during_an_attempt_stays_enabled);
async fn what_was_enabled_during_an_attempt_stays_enabled(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Later(410)]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    for enabled in [false, true] {
        let set = Changes { enabled: Some(enabled), ..Changes::default() };
        world.webhooks.update(LIVE, &made.endpoint.id, set).await.expect("set");
    }
    receiver.let_go();
    running.recorded(1).await;
    let endpoint = world.get(&made.endpoint).await;
    assert_eq!((endpoint.disabled, world.delivery(&endpoint).await.state), (None, State::Pending));
    running.dispatcher.stop().await;
}

on_both!(a_success_forgets_failures);
async fn a_success_forgets_failures(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Status(500)]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    assert!(world.get(&made.endpoint).await.failing_since.is_some());
    world.clock.move_real(6 * SECOND);
    receiver.hit().await;
    running.recorded(1).await;
    let endpoint = world.get(&made.endpoint).await;
    assert_eq!((endpoint.failing_since, endpoint.version), (None, 1));
    running.dispatcher.stop().await;
}

on_both!(disabled_by_hand_what_is_pending_waits);
async fn disabled_by_hand_what_is_pending_waits(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    world.tell(LIVE, "a").await;
    let set = |enabled| Changes { enabled: Some(enabled), ..Changes::default() };
    let id = &made.endpoint.id;
    let endpoint = world.webhooks.update(LIVE, id, set(false)).await.expect("disabled");
    assert_eq!(endpoint.disabled, Some(Disabled::Manual));
    let mut running = world.dispatch();
    assert_eq!(world.delivery(&endpoint).await.state, State::Pending);
    world.webhooks.update(LIVE, id, set(true)).await.expect("enabled");
    receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(world.delivery(&endpoint).await.state, State::Delivered);
    running.dispatcher.stop().await;
}

on_both!(an_endpoint_that_took_it_counts_without_one_that_left);
async fn an_endpoint_that_took_it_counts_without_one_that_left(db: Db) {
    let world = World::new(db).await;
    let (mut good, mut bad) = (Receiver::start().await, Receiver::start().await);
    bad.always(Reply::Status(500));
    world.endpoint(&good).await;
    let leaving = world.endpoint(&bad).await.endpoint;
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    good.hit().await;
    bad.hit().await;
    running.recorded(2).await;
    let delivered = async || {
        webhook_status::of_subjects(&world.db, LIVE, COMPLETED, &["a"]).await.expect("read")["a"].delivered
    };
    assert!(!delivered().await);
    world.webhooks.delete(LIVE, &leaving.id).await.expect("deleted");
    assert!(delivered().await);
    running.dispatcher.stop().await;
}
