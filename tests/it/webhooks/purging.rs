//! Messages that were dealt with are kept for a while.
use super::receiver::{Receiver, Reply};
use super::world::{LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_domain::id::{MessageId, ProjectId};
use reckoner_domain::time::DAY;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::webhook_endpoints::Moment;
use reckoner_server::store::{Db, webhook_messages, webhook_purge};
use reckoner_server::webhooks::{Changes, moment};

const DAYS: i64 = 90;

/// How many messages are forgotten now.
async fn purge(world: &World, project: ProjectId) -> u64 {
    let Moment { real, project: own } = moment(&world.clock, project);
    let before = Moment { real: real.plus_micros(-DAYS * DAY), project: own.plus_micros(-DAYS * DAY) };
    webhook_purge::purge(&world.db, project, before).await.expect("purged")
}

async fn is_there(world: &World, message: &MessageId) -> bool {
    webhook_messages::get(&world.db, LIVE, message).await.is_ok()
}

on_both!(what_was_dealt_with_long_ago_is_forgotten);
async fn what_was_dealt_with_long_ago_is_forgotten(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let mut running = world.dispatch();
    let mut told = Vec::new();
    for subject in ["a", "b", "c"] {
        told.push(world.tell(LIVE, subject).await);
        receiver.hit().await;
        running.recorded(1).await;
    }
    world.clock.move_real(DAYS * DAY);
    assert_eq!(purge(&world, LIVE).await, 0, "not before its time");
    // One is sent again, to no avail for now.
    let again = world.deliveries(&made.endpoint.id, LIVE).await;
    let again = again.iter().find(|delivery| delivery.message == told[1]).expect("there");
    receiver.then([Reply::Status(500)]);
    world.webhooks.resend(LIVE, &again.id).await.expect("queued");
    receiver.hit().await;
    running.recorded(1).await;
    world.clock.move_real(1);
    assert_eq!(purge(&world, TEST).await, 0, "another project's");
    assert_eq!(purge(&world, LIVE).await, 2);
    let there = [
        is_there(&world, &told[0]).await,
        is_there(&world, &told[1]).await,
        is_there(&world, &told[2]).await,
    ];
    assert_eq!(there, [false, true, false]);
    assert_eq!(world.deliveries(&made.endpoint.id, LIVE).await.len(), 2);
    assert!(world.attempts(LIVE, &again.id).await.len() == 1, "its first delivery stays with it");
    running.dispatcher.stop().await;
}

on_both!(what_is_pending_waits_however_long);
async fn what_is_pending_waits_however_long(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    world.tell(LIVE, "a").await;
    let set = |enabled| Changes { enabled: Some(enabled), ..Changes::default() };
    world.webhooks.update(LIVE, &made.endpoint.id, set(false)).await.expect("disabled");
    world.clock.move_real(2 * DAYS * DAY);
    assert_eq!(purge(&world, LIVE).await, 0);
    world.webhooks.update(LIVE, &made.endpoint.id, set(true)).await.expect("enabled");
    let mut running = world.dispatch();
    receiver.hit().await;
    running.recorded(1).await;
    assert_eq!(purge(&world, LIVE).await, 0, "it was sent just now");
    assert_eq!(world.delivery(&made.endpoint).await.state, State::Delivered);
    world.clock.move_real(DAYS * DAY + 1);
    assert_eq!(purge(&world, LIVE).await, 1);
    running.dispatcher.stop().await;
}
