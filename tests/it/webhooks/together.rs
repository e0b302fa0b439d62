//! Several dispatchers over one database.
use super::receiver::Receiver;
use super::world::{LIVE, World};
use crate::support::database::on_both;
use reckoner_server::store::Db;
use reckoner_server::store::webhook_deliveries::State;
use std::collections::BTreeSet;

const MESSAGES: usize = 100;

on_both!(each_delivery_is_made_once);
async fn each_delivery_is_made_once(db: Db) {
    let world = World::new(db).await;
    let (mut a, mut b) = (Receiver::start().await, Receiver::start().await);
    let (to_a, to_b) = (world.endpoint(&a).await, world.endpoint(&b).await);
    let running = [world.dispatch(), world.dispatch(), world.dispatch()];
    for number in 0..MESSAGES {
        world.tell(LIVE, &number.to_string()).await;
    }
    for receiver in [&mut a, &mut b] {
        let hits = receiver.take(MESSAGES).await;
        let ids: BTreeSet<&str> = hits.iter().map(|hit| hit.header("webhook-id")).collect();
        assert_eq!(ids.len(), MESSAGES);
    }
    for one in running {
        one.dispatcher.stop().await;
    }
    assert!(!a.has_more() && !b.has_more());
    for endpoint in [to_a.endpoint, to_b.endpoint] {
        let deliveries = world.deliveries(&endpoint.id, LIVE).await;
        assert_eq!(deliveries.len(), MESSAGES);
        assert!(deliveries.iter().all(|one| one.state == State::Delivered && one.attempts == 1));
    }
}
