//! Requests on behalf of clients stay out of the network around the server.
use super::receiver::{Receiver, Reply};
use super::world::{Answers, LIVE, World};
use crate::support::database::on_both;
use reckoner_server::store::Db;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::webhooks::Draft;
use reckoner_server::webhooks::guard::Guard;
use reckoner_server::webhooks::service::{WebhookError, Webhooks};
use std::sync::Arc;

const REFUSED: &str = "the host is not a public address";

fn strict(answers: &[&str]) -> Guard {
    let answers = answers.iter().map(|text| text.parse().expect("an address")).collect();
    Guard::new(false, Arc::new(Answers(answers)))
}

on_both!(private_literals_are_refused_when_an_endpoint_is_made);
async fn private_literals_are_refused_when_an_endpoint_is_made(db: Db) {
    let world = World::with_guard(db, strict(&[])).await;
    for url in [
        "http://127.0.0.1:80/",
        "http://10.1.2.3/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://0x7f.1/",
    ] {
        let draft = Draft { url: url.to_owned(), ..Draft::default() };
        match world.webhooks.create(LIVE, draft).await {
            Err(WebhookError::Invalid(problems)) => {
                assert_eq!((problems[0].field, problems[0].reason.as_str()), ("url", REFUSED));
            }
            other => panic!("{url}: {other:?}"),
        }
    }
    world.endpoint_of(LIVE, "https://hooks.example.com/a").await;
}

on_both!(a_name_that_leads_to_a_private_address_is_not_called);
async fn a_name_that_leads_to_a_private_address_is_not_called(db: Db) {
    let receiver = Receiver::start().await;
    let world = World::with_guard(db, strict(&["127.0.0.1", "::1"])).await;
    let url = receiver.url.replace("127.0.0.1", "hooks.example.com");
    let made = world.endpoint_of(LIVE, &url).await;
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    running.recorded(1).await;
    let delivery = world.delivery(&made.endpoint).await;
    assert_eq!((delivery.state, delivery.last_status), (State::Pending, None));
    assert_eq!(delivery.last_error.as_deref(), Some(REFUSED));
    assert!(!receiver.has_more());
    running.dispatcher.stop().await;
}

on_both!(a_name_that_leads_there_is_called_when_that_is_allowed);
async fn a_name_that_leads_there_is_called_when_that_is_allowed(db: Db) {
    let mut receiver = Receiver::start().await;
    let guard = Guard::new(true, Arc::new(Answers(vec!["127.0.0.1".parse().expect("an address")])));
    let world = World::with_guard(db, guard).await;
    world.endpoint_of(LIVE, &receiver.url.replace("127.0.0.1", "hooks.example.com")).await;
    let running = world.dispatch();
    world.tell(LIVE, "a").await;
    assert!(receiver.hit().await.header("host").starts_with("hooks.example.com:"));
    running.dispatcher.stop().await;
}

on_both!(a_literal_from_before_the_guard_is_not_called);
async fn a_literal_from_before_the_guard_is_not_called(db: Db) {
    let receiver = Receiver::start().await;
    let world = World::with_guard(db, strict(&[])).await;
    // Made while private addresses were allowed.
    let lax = Guard::new(true, Arc::new(Answers(vec![])));
    let (clock, vault) = (world.clock.clone(), world.vault.clone());
    let webhooks = Webhooks::new(world.db.clone(), clock, vault, lax, world.waker.clone());
    let draft = Draft { url: receiver.url.clone(), ..Draft::default() };
    let made = webhooks.create(LIVE, draft).await.expect("made");
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    running.recorded(1).await;
    assert_eq!(world.delivery(&made.endpoint).await.last_error.as_deref(), Some(REFUSED));
    assert!(!receiver.has_more());
    running.dispatcher.stop().await;
}

on_both!(redirects_are_not_followed);
async fn redirects_are_not_followed(db: Db) {
    let world = World::new(db).await;
    let (mut receiver, inner) = (Receiver::start().await, Receiver::start().await);
    for code in [301, 302, 307, 308] {
        receiver.then([Reply::With(code, ("location", inner.url.clone()), String::new())]);
    }
    let made = world.endpoint(&receiver).await;
    let mut running = world.dispatch();
    for subject in ["a", "b", "c", "d"] {
        world.tell(LIVE, subject).await;
        receiver.hit().await;
        running.recorded(1).await;
    }
    for delivery in world.deliveries(&made.endpoint.id, LIVE).await {
        assert_eq!(delivery.state, State::Pending);
        let error = delivery.last_error.expect("said");
        assert!(error.ends_with("redirects are not followed"), "{error}");
    }
    assert!(!inner.has_more());
    running.dispatcher.stop().await;
}
