//! Endpoints from the operator's own file.
use super::receiver::Receiver;
use super::world::{Answers, LIVE, TEST, World};
use crate::support::database::on_both;
use reckoner_domain::time::HOUR;
use reckoner_server::store::webhook_deliveries::State;
use reckoner_server::store::webhook_endpoints::{Disabled, Endpoint, Source};
use reckoner_server::store::{Db, Limit};
use reckoner_server::webhooks::endpoints::OVERLAP_HOURS_DEFAULT;
use reckoner_server::webhooks::guard::Guard;
use reckoner_server::webhooks::service::WebhookError;
use reckoner_server::webhooks::{Changes, FileEndpoint};
use std::sync::Arc;

const SECRET: &str = "whsec_of_the_file";

fn entry(receiver: &Receiver, project: Option<&str>) -> FileEndpoint {
    FileEndpoint {
        url: receiver.url.clone(),
        secret: Some(SECRET.into()),
        enabled: true,
        project: project.map(Into::into),
    }
}

/// With the guard as strict as it is by default.
async fn strict(db: Db) -> World {
    World::with_guard(db, Guard::new(false, Arc::new(Answers(vec![])))).await
}

async fn of_project(world: &World, project: reckoner_domain::id::ProjectId) -> Vec<Endpoint> {
    world.webhooks.list(project, None, Limit::default()).await.expect("listed").items
}

on_both!(the_operators_receivers_may_be_private);
async fn the_operators_receivers_may_be_private(db: Db) {
    let (world, mut receiver) = (strict(db).await, Receiver::start().await);
    world.webhooks.sync_file(&[entry(&receiver, None)]).await.expect("in line");
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    world.tell(TEST, "b").await;
    world.tell_of(LIVE, "aggregation.updated", "c").await.expect("new");
    let mut projects = Vec::new();
    for hit in receiver.take(2).await {
        assert_eq!(hit.verify_v1(SECRET, world.now_s()), Ok(()));
        projects.push(hit.header("X-Reckoner-Project").to_owned());
    }
    projects.sort();
    assert_eq!(projects, ["live", "test"]);
    running.recorded(2).await;
    assert!(!receiver.has_more(), "completed aggregations only");
    let endpoint = of_project(&world, LIVE).await.remove(0);
    let ping = world.webhooks.ping(LIVE, &endpoint.id).await;
    assert!(matches!(ping, Err(WebhookError::OfFile)), "{ping:?}");
    running.dispatcher.stop().await;
}

on_both!(a_restart_changes_nothing);
async fn a_restart_changes_nothing(db: Db) {
    let (world, receiver) = (strict(db).await, Receiver::start().await);
    let file = [entry(&receiver, Some("test"))];
    world.webhooks.sync_file(&file).await.expect("in line");
    let first = of_project(&world, TEST).await;
    assert_eq!((first.len(), first[0].source, first[0].version), (1, Source::File, 1));
    world.webhooks.sync_file(&file).await.expect("in line");
    assert_eq!(of_project(&world, TEST).await, first);
    assert!(of_project(&world, LIVE).await.is_empty());
}

on_both!(a_changed_file_is_followed);
async fn a_changed_file_is_followed(db: Db) {
    let (world, mut receiver) = (strict(db).await, Receiver::start().await);
    let original = entry(&receiver, Some("live"));
    let with = |secret: &str, enabled| {
        [FileEndpoint { secret: Some(secret.to_owned()), enabled, ..original.clone() }]
    };
    let disabled = async || of_project(&world, LIVE).await.remove(0).disabled;
    world.webhooks.sync_file(&with(SECRET, true)).await.expect("in line");
    let id = of_project(&world, LIVE).await.remove(0).id;
    world.tell(LIVE, "a").await;
    world.webhooks.sync_file(&with(SECRET, false)).await.expect("in line");
    assert_eq!(disabled().await, Some(Disabled::File));
    world.webhooks.sync_file(&with("another secret", true)).await.expect("in line");
    assert_eq!(disabled().await, None);
    let running = world.dispatch();
    assert_eq!(receiver.hit().await.verify_v1("another secret", world.now_s()), Ok(()));
    running.dispatcher.stop().await;

    world.tell(LIVE, "b").await;
    world.webhooks.sync_file(&[]).await.expect("in line");
    assert_eq!(disabled().await, Some(Disabled::Removed));
    assert_eq!(
        world.deliveries(&id, LIVE).await.iter().filter(|one| one.state == State::Canceled).count(),
        1
    );
    world.webhooks.sync_file(&with(SECRET, true)).await.expect("in line");
    assert_eq!((disabled().await, of_project(&world, LIVE).await.remove(0).id), (None, id));
}

on_both!(a_secret_that_the_file_changed_signs_on_for_a_while);
async fn a_secret_that_the_file_changed_signs_on_for_a_while(db: Db) {
    let (world, mut receiver) = (strict(db).await, Receiver::start().await);
    let with = |secret: &str| FileEndpoint { secret: Some(secret.into()), ..entry(&receiver, Some("live")) };
    let (old, new) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_Z2l2ZW4gYnkgdGhlIGZpbGUgbGF0ZXI=");
    for secret in [old, new] {
        // Read again, the same file changes nothing.
        for _ in 0..2 {
            world.webhooks.sync_file(&[with(secret)]).await.expect("in line");
        }
    }
    let mut running = world.dispatch();
    world.tell(LIVE, "a").await;
    let hit = receiver.hit().await;
    running.recorded(1).await;
    for secret in [old, new] {
        assert_eq!(hit.verify_standard(secret, world.now_s()), Ok(()));
    }
    assert_eq!(hit.verify_v1(new, world.now_s()), Ok(()), "one signature, by the secret in force");
    world.clock.move_real(i64::from(OVERLAP_HOURS_DEFAULT) * HOUR);
    world.tell(LIVE, "b").await;
    let hit = receiver.hit().await;
    assert_eq!(hit.verify_standard(new, world.now_s()), Ok(()));
    assert!(hit.verify_standard(old, world.now_s()).is_err());
    running.dispatcher.stop().await;
}

on_both!(what_was_decided_by_hand_stays);
async fn what_was_decided_by_hand_stays(db: Db) {
    let (world, receiver) = (strict(db).await, Receiver::start().await);
    let file = [entry(&receiver, Some("live"))];
    world.webhooks.sync_file(&file).await.expect("in line");
    let id = of_project(&world, LIVE).await.remove(0).id;
    let set = |enabled| Changes { enabled: Some(enabled), ..Changes::default() };
    world.webhooks.update(LIVE, &id, set(false)).await.expect("disabled");
    world.webhooks.sync_file(&file).await.expect("in line");
    assert_eq!(of_project(&world, LIVE).await.remove(0).disabled, Some(Disabled::Manual));
    let moved = Changes { url: Some("https://example.com".into()), ..Changes::default() };
    let refused = world.webhooks.update(LIVE, &id, moved).await;
    assert!(matches!(refused, Err(WebhookError::OfFile)), "{refused:?}");
    let refused = world.webhooks.delete(LIVE, &id).await;
    assert!(matches!(refused, Err(WebhookError::OfFile)), "{refused:?}");
}

on_both!(what_the_file_does_not_want_is_not_enabled_by_hand);
async fn what_the_file_does_not_want_is_not_enabled_by_hand(db: Db) {
    let (world, receiver) = (strict(db).await, Receiver::start().await);
    let wanted = entry(&receiver, Some("live"));
    world.webhooks.sync_file(std::slice::from_ref(&wanted)).await.expect("in line");
    let id = of_project(&world, LIVE).await.remove(0).id;
    let enable = || Changes { enabled: Some(true), ..Changes::default() };
    for (file, reason) in [
        (vec![FileEndpoint { enabled: false, ..wanted.clone() }], Disabled::File),
        (vec![], Disabled::Removed),
    ] {
        world.webhooks.sync_file(&file).await.expect("in line");
        let refused = world.webhooks.update(LIVE, &id, enable()).await;
        assert!(matches!(refused, Err(WebhookError::OfFile)), "{refused:?}");
        assert_eq!(of_project(&world, LIVE).await.remove(0).disabled, Some(reason));
    }
    world.webhooks.sync_file(std::slice::from_ref(&wanted)).await.expect("in line");
    // Nor when it had been disabled by hand before the file did.
    let disable = Changes { enabled: Some(false), ..Changes::default() };
    world.webhooks.update(LIVE, &id, disable).await.expect("disabled");
    world.webhooks.sync_file(&[FileEndpoint { enabled: false, ..wanted }]).await.expect("in line");
    let refused = world.webhooks.update(LIVE, &id, enable()).await;
    assert!(matches!(refused, Err(WebhookError::OfFile)), "{refused:?}");
}

on_both!(a_bad_file_changes_nothing);
async fn a_bad_file_changes_nothing(db: Db) {
    let (world, receiver) = (strict(db).await, Receiver::start().await);
    world.webhooks.sync_file(&[entry(&receiver, None)]).await.expect("in line");
    let refused = world.webhooks.sync_file(&[entry(&receiver, Some("nowhere"))]).await;
    assert!(matches!(refused, Err(WebhookError::Invalid(_))), "{refused:?}");
    assert_eq!(of_project(&world, LIVE).await.remove(0).disabled, None);
}

on_both!(processes_that_start_at_once_make_each_endpoint_once);
async fn processes_that_start_at_once_make_each_endpoint_once(db: Db) {
    let world = strict(db).await;
    let mut file = Vec::new();
    // Once is not enough: the first time, connections are still being made.
    for round in 1..=5 {
        file.push(entry(&Receiver::start().await, None));
        let sync = || world.webhooks.sync_file(&file);
        let (a, b, c, d) = tokio::join!(sync(), sync(), sync(), sync());
        for done in [a, b, c, d] {
            done.expect("in line");
        }
        let made = (of_project(&world, LIVE).await.len(), of_project(&world, TEST).await.len());
        assert_eq!(made, (round, round));
    }
}
