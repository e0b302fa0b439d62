//! A server that was away for days catches up, once.
use super::world::{LIVE, World, at};
use super::{aggregations, event, ids, on_both_servers, send};
use crate::support::database::on_both;
use crate::support::hook::Hook;
use crate::support::server::Setup;
use reckoner_domain::period::Period;
use reckoner_domain::time::{DAY, HOUR};
use reckoner_server::auth::keys::Keys;
use reckoner_server::jobs::{Kept, Scheduler};
use reckoner_server::store::{Db, Limit, job_runs};
use serde_json::json;

const EXPECTED: [&str; 9] = [
    "a_daily_20260128",
    "a_daily_20260129",
    "a_daily_20260130",
    "a_hourly_2026012809",
    "a_hourly_2026012810",
    "a_hourly_2026012900",
    "a_hourly_2026013023",
    "b_daily_20260130",
    "b_hourly_2026013023",
];

on_both_servers!(a_stopped_server_catches_up);
async fn a_stopped_server_catches_up(setup: Setup) {
    let mut server = setup.env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").start();
    let hook = Hook::start().await;
    assert_eq!(server.post("/v1/webhook-endpoints", json!({"url": hook.url})).await.status, 201);
    server.freeze("2026-01-31T00:00:00Z").await;
    let use_at = |customer: &str, time: &str| event(customer, "api.calls", "1", time);
    let before = [
        use_at("a", "2026-01-28T09:00:00Z"),
        use_at("a", "2026-01-28T10:00:00Z"),
        use_at("a", "2026-01-29T00:00:00Z"),
        use_at("a", "2026-01-30T23:59:59.999999Z"),
        use_at("b", "2026-01-30T23:00:00Z"),
    ];
    send(&server, before.to_vec()).await;
    assert!(server.terminate().success());
    server.restart();
    // The next tick finds all of it due; weeks and months go on.
    assert_eq!(server.advance("2026-01-31T01:00:00Z").await, 1);
    assert_eq!(ids(&aggregations(&server).await), EXPECTED);
    send(&server, vec![use_at("a", "2026-01-31T00:30:00Z")]).await;
    assert!(server.terminate().success());
    server.restart();
    // Three days on: the hour at its end (which has passed), the day, week and month at theirs.
    assert_eq!(server.advance("2026-02-03T01:00:00Z").await, 3);
    let made = aggregations(&server).await;
    assert_eq!(made.len(), EXPECTED.len() + 6);
    for (id, created) in [
        ("a_hourly_2026013100", "2026-01-31T01:15:00.000000Z"),
        ("a_daily_20260131", "2026-02-01T00:00:00.000000Z"),
        ("b_monthly_202601", "2026-02-01T00:00:00.000000Z"),
        ("b_weekly_202605", "2026-02-02T00:00:00.000000Z"),
    ] {
        assert_eq!(made[id]["created_at"], created, "{id}");
    }
    let told = hook.by_subject(made.len()).await;
    assert!(told.values().all(|messages| messages.len() == 1), "{told:?}");
    assert_eq!(told.len(), made.len());
}

on_both!(the_scheduler_catches_up_at_its_start);
async fn the_scheduler_catches_up_at_its_start(db: Db) {
    let world = World::new(db, "2026-01-28T09:30:00Z").await;
    let customers = |time: &str| [("a".to_owned(), at(time)), ("b".to_owned(), at(time))];
    world.send(&customers("2026-01-28T09:00:00Z")).await;
    let periods = [Period::Hourly, Period::Daily];
    let keys = || Keys::new(world.db.clone(), world.clock.clone());
    let runs = async || {
        let limit = Limit::new(1_000).expect("in range");
        let page = job_runs::list(&world.db, LIVE, None, None, limit).await.expect("listed");
        page.items.into_iter().filter(|run| run.finished.is_some()).count()
    };
    let start_and_stop = async |name: &str, done: usize| {
        let scheduler = Scheduler::start(
            world.worker(name, &periods),
            keys(),
            Kept { webhook_days: 90, event_days: None },
        );
        while runs().await < done {
            tokio::task::yield_now().await;
        }
        scheduler.stop().await;
    };
    start_and_stop("first", 1).await;
    assert!(world.aggregations().await.is_empty());
    // Events of the days to come are here already, as if another node had stored them.
    world.clock.move_real(3 * DAY);
    world.send(&customers("2026-01-29T12:00:00Z")).await;
    world.send(&customers("2026-01-31T09:15:00Z")).await;
    start_and_stop("second", 2).await;
    let ids: Vec<String> = world.aggregations().await.into_keys().collect();
    let expected = [
        "a_daily_20260128",
        "a_daily_20260129",
        "a_hourly_2026012809",
        "a_hourly_2026012912",
        "b_daily_20260128",
        "b_daily_20260129",
        "b_hourly_2026012809",
        "b_hourly_2026012912",
    ];
    assert_eq!(ids, expected);
    world.check_told(LIVE).await;
    start_and_stop("third", 3).await;
    world.clock.move_real(HOUR);
    start_and_stop("fourth", 4).await;
    assert_eq!(world.aggregations().await.len(), expected.len() + 2);
    world.check_told(LIVE).await;
}
