//! Sending again, by hand.
use super::receiver::{Receiver, Reply};
use super::world::{LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_domain::time::MINUTE;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::{Db, Limit, StoreError};
use reckoner_server::webhooks::service::WebhookError;

on_both!(a_delivered_message_is_sent_anew);
async fn a_delivered_message_is_sent_anew(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let mut running = world.dispatch();
    let message = world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    let first = world.delivery(&made.endpoint).await;
    let other = world.webhooks.resend(TEST, &first.id).await;
    assert!(matches!(other, Err(WebhookError::Store(StoreError::NotFound))), "{other:?}");
    let again = world.webhooks.resend(LIVE, &first.id).await.expect("resent");
    assert_eq!((again.state, again.attempts), (State::Pending, 0));
    assert_ne!(again.id, first.id);
    assert_eq!(receiver.hit().await.header("webhook-id"), message.as_str());
    running.recorded(1).await;
    assert_eq!(world.deliveries(&made.endpoint.id, LIVE).await.len(), 2);
    running.dispatcher.stop().await;
}

on_both!(a_pending_delivery_is_tried_at_once);
async fn a_pending_delivery_is_tried_at_once(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    receiver.then([Reply::Status(500)]);
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    receiver.hit().await;
    running.recorded(1).await;
    let pending = world.delivery(&made.endpoint).await;
    let again = world.webhooks.resend(LIVE, &pending.id).await.expect("resent");
    assert_eq!(again.id, pending.id);
    receiver.hit().await;
    running.recorded(1).await;
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.attempts), (State::Delivered, 2));
    running.dispatcher.stop().await;
}

on_both!(a_range_is_replayed_page_by_page);
async fn a_range_is_replayed_page_by_page(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let start = world.clock.real();
    for number in 0..5 {
        world.tell(LIVE, &format!("early_{number}")).await;
    }
    world.clock.move_real(MINUTE);
    let to = world.clock.real();
    world.tell(LIVE, "late").await;
    let endpoint = world.endpoint(&receiver).await.endpoint;
    let limit = Limit::new(2).expect("in range");
    let (mut after, mut queued) = (None, Vec::new());
    loop {
        let page = world.webhooks.replay(LIVE, &endpoint.id, (start, to), after.as_ref(), limit).await;
        let page = page.expect("replayed");
        queued.push(page.queued);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(queued, [2, 2, 1]);
    let twice = world.webhooks.replay(LIVE, &endpoint.id, (start, to), None, Limit::default()).await;
    assert_eq!(twice.expect("replayed").queued, 0, "what is pending is not queued again");
    let running = world.dispatch();
    for hit in receiver.take(5).await {
        assert!(hit.body.contains("early_"), "{}", hit.body);
    }
    running.dispatcher.stop().await;
    assert!(!receiver.has_more());
}
