//! Endpoints made by API.
use super::receiver::Receiver;
use super::world::{LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::{Db, Limit, StoreError};
use reckoner_server::webhooks::service::WebhookError;
use reckoner_server::webhooks::{Changes, Draft};

on_both!(every_problem_of_a_request_is_told_and_nothing_made);
async fn every_problem_of_a_request_is_told_and_nothing_made(db: Db) {
    let world = World::new(db).await;
    let draft = Draft {
        url: "ftp://example.com".into(),
        event_types: vec!["nonsense".into()],
        description: Some("x".repeat(501)),
        secret: Some("short".into()),
        disabled: false,
    };
    let Err(WebhookError::Invalid(problems)) = world.webhooks.create(LIVE, draft).await else {
        panic!("refused");
    };
    let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["url", "event_types", "description", "secret"]);
    assert!(world.webhooks.list(LIVE, None, Limit::default()).await.expect("listed").items.is_empty());
}

on_both!(an_endpoint_gets_the_types_it_asked_for);
async fn an_endpoint_gets_the_types_it_asked_for(db: Db) {
    let (world, mut receiver) = (World::new(db).await, Receiver::start().await);
    let draft = Draft {
        url: receiver.url.clone(),
        event_types: vec!["aggregation.updated".into(), "invoice.*".into()],
        ..Draft::default()
    };
    world.webhooks.create(LIVE, draft).await.expect("made");
    let running = world.dispatch();
    world.tell(LIVE, "a").await;
    world.tell_of(LIVE, "invoice.paid", "b").await.expect("new");
    world.tell_of(TEST, "invoice.paid", "c").await.expect("new");
    world.tell_of(LIVE, "aggregation.updated", "d").await.expect("new");
    let mut got: Vec<String> = receiver.take(2).await.into_iter().map(|hit| hit.body).collect();
    got.sort();
    assert!(got[0].contains("aggregation.updated") && got[1].contains("invoice.paid"), "{got:?}");
    running.dispatcher.stop().await;
    assert!(!receiver.has_more());
}

on_both!(changes_ask_for_the_version_they_saw);
async fn changes_ask_for_the_version_they_saw(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let id = world.endpoint(&receiver).await.endpoint.id;
    let named = |text: &str, if_version| Changes {
        description: Some(Some(text.to_owned())),
        if_version,
        ..Changes::default()
    };
    let changed = world.webhooks.update(LIVE, &id, named("a", Some(1))).await.expect("changed");
    assert_eq!((changed.version, changed.description.as_deref()), (2, Some("a")));
    let stale = world.webhooks.update(LIVE, &id, named("b", Some(1))).await;
    assert!(matches!(stale, Err(WebhookError::Store(StoreError::Stale))), "{stale:?}");
    let other = world.webhooks.update(TEST, &id, named("b", None)).await;
    assert!(matches!(other, Err(WebhookError::Store(StoreError::NotFound))), "{other:?}");
    assert_eq!(world.webhooks.get(LIVE, &id).await.expect("there"), changed);
}

on_both!(another_projects_endpoint_is_not_there);
async fn another_projects_endpoint_is_not_there(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let id = world.endpoint(&receiver).await.endpoint.id;
    let none = |result: Result<(), WebhookError>| {
        assert!(matches!(result, Err(WebhookError::Store(StoreError::NotFound))), "{result:?}");
    };
    none(world.webhooks.get(TEST, &id).await.map(drop));
    none(world.webhooks.rotate(TEST, &id, None, 24).await.map(drop));
    none(world.webhooks.ping(TEST, &id).await.map(drop));
    none(world.webhooks.delete(TEST, &id).await);
    none(world.webhooks.delete(LIVE, &id).await.and(world.webhooks.delete(LIVE, &id).await));
}

on_both!(a_ping_goes_to_one_endpoint_whatever_it_asked_for);
async fn a_ping_goes_to_one_endpoint_whatever_it_asked_for(db: Db) {
    let world = World::new(db).await;
    let (mut pinged, other) = (Receiver::start().await, Receiver::start().await);
    let draft =
        Draft { url: pinged.url.clone(), event_types: vec!["invoice.paid".into()], ..Draft::default() };
    let made = world.webhooks.create(LIVE, draft).await.expect("made");
    world.endpoint(&other).await;
    let mut running = world.dispatch();
    let message = world.webhooks.ping(LIVE, &made.endpoint.id).await.expect("sent");
    let hit = pinged.hit().await;
    running.recorded(1).await;
    assert_eq!(hit.header("webhook-id"), message.as_str());
    assert_eq!(hit.verify_v1(made.secret.expose(), world.now_s()), Ok(()));
    let (id, now) = (made.endpoint.id.as_str(), world.now_s());
    assert_eq!(
        hit.body,
        format!(r#"{{"type":"webhook.test","data":{{"endpoint":"{id}"}},"created":{now}}}"#)
    );
    assert!(!other.has_more());
    running.dispatcher.stop().await;
}

on_both!(a_deleted_endpoint_gets_nothing_more);
async fn a_deleted_endpoint_gets_nothing_more(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let endpoint = world.endpoint(&receiver).await.endpoint;
    world.tell(LIVE, "a").await;
    world.webhooks.delete(LIVE, &endpoint.id).await.expect("deleted");
    assert_eq!(world.delivery(&endpoint).await.state, State::Canceled);
    world.tell(LIVE, "b").await;
    assert_eq!(world.deliveries(&endpoint.id, LIVE).await.len(), 1);
    assert!(world.webhooks.list(LIVE, None, Limit::default()).await.expect("listed").items.is_empty());
}

on_both!(secrets_are_sealed_in_the_database);
async fn secrets_are_sealed_in_the_database(db: Db) {
    let (world, receiver) = (World::new(db).await, Receiver::start().await);
    let made = world.endpoint(&receiver).await;
    let stored = world.get(&made.endpoint).await.secret;
    assert!(!stored.contains(made.secret.expose()) && !stored.contains("whsec_"));
    assert!(!format!("{made:?}").contains(made.secret.expose()));
}
