//! Messages are stored with the change they tell of, once.
use super::receiver::Receiver;
use super::world::{COMPLETED, LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_server::random;
use reckoner_server::store::webhook_messages::{self, NewMessage};
use reckoner_server::store::{Db, webhook_status};
use reckoner_server::webhooks::moment;
use tokio::task::JoinSet;

on_both!(the_same_completion_is_told_once);
async fn the_same_completion_is_told_once(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    assert!(world.tell_of(LIVE, COMPLETED, "a").await.is_some());
    assert_eq!(world.tell_of(LIVE, COMPLETED, "a").await, None);
    assert!(world.tell_of(TEST, COMPLETED, "a").await.is_some(), "another project's is another");
    assert_eq!(world.deliveries(&made.endpoint.id, LIVE).await.len(), 1);
}

on_both!(of_many_at_once_one_is_stored);
async fn of_many_at_once_one_is_stored(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (db, at) = (world.db.clone(), moment(&world.clock, LIVE));
        tasks.spawn(async move {
            let bits = random::id_bits(at.real).expect("bits");
            let (event_type, dedupe_key, payload) = (COMPLETED, "one", "{}");
            let message =
                NewMessage { bits, project: LIVE, event_type, subject: None, dedupe_key, payload, at };
            let mut tx = db.begin().await.expect("begins");
            let stored = webhook_messages::enqueue(&mut tx, message).await.expect("stored or not");
            tx.commit().await.expect("committed");
            stored.is_some()
        });
    }
    let stored = tasks.join_all().await.into_iter().filter(|stored| *stored).count();
    assert_eq!((stored, world.deliveries(&made.endpoint.id, LIVE).await.len()), (1, 1));
}

on_both!(a_change_taken_back_tells_nothing);
async fn a_change_taken_back_tells_nothing(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let message = NewMessage {
        bits: random::id_bits(world.clock.real()).expect("bits"),
        project: LIVE,
        event_type: COMPLETED,
        subject: Some("a"),
        dedupe_key: "a",
        payload: "{}",
        at: moment(&world.clock, LIVE),
    };
    let mut tx = world.db.begin().await.expect("begins");
    webhook_messages::enqueue(&mut tx, message).await.expect("stored");
    tx.rollback().await.expect("taken back");
    assert!(world.deliveries(&made.endpoint.id, LIVE).await.is_empty());
}

on_both!(the_status_of_many_subjects_is_read_at_once);
async fn the_status_of_many_subjects_is_read_at_once(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    world.endpoint(&receiver).await;
    let mut running = world.dispatch();
    let subjects: Vec<String> = (0..40).map(|number| format!("customer_{number}_daily")).collect();
    for subject in &subjects {
        world.tell(LIVE, subject).await;
    }
    receiver.take(40).await;
    running.recorded(40).await;
    let mut asked: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let others: Vec<String> = (0..2_500).map(|number| format!("other_{number}")).collect();
    asked.extend(others.iter().map(String::as_str));
    let status = webhook_status::of_subjects(&world.db, LIVE, COMPLETED, &asked).await.expect("read");
    assert_eq!(status.len(), 40);
    assert!(status.values().all(|one| one.delivered && one.attempts == 1 && one.delivered_at.is_some()));
    let none = webhook_status::of_subjects(&world.db, LIVE, COMPLETED, &[]).await.expect("read");
    assert!(none.is_empty());
    running.dispatcher.stop().await;
}
