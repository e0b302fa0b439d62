//! Two job workers at once make one aggregation and one message.
use super::world::{LIVE, World, at};
use crate::support::database::on_both;
use reckoner_domain::period::Period;
use reckoner_domain::time::{HOUR, MINUTE, Timestamp};
use reckoner_server::jobs::Jobs;
use reckoner_server::store::{Db, leases};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Barrier;

const ROUNDS: i64 = 20;
const CUSTOMERS: usize = 7;
const START: &str = "2026-01-30T20:00:00Z";

/// Runs the job, over and over until it had its turn. Without leases both workers run at once.
async fn run(jobs: Jobs, start: Arc<Barrier>, with_leases: bool) {
    start.wait().await;
    loop {
        if !with_leases {
            leases::end_all(&jobs.db).await.expect("ended");
        }
        // A worker whose turn was taken from it by the other is told so; the other goes on.
        if jobs.run_aggregate(LIVE, false).await.expect("runs").is_some() {
            return;
        }
    }
}

/// How many events each customer had in each hour.
type Used = BTreeMap<(String, i64), u64>;

async fn send(world: &World, used: &mut Used, events: Vec<(String, Timestamp)>) {
    world.send(&events).await;
    for (customer, time) in events {
        *used.entry((customer, time.hour_index())).or_default() += 1;
    }
}

async fn rounds(world: &World, with_leases: bool) -> Used {
    let periods = Period::ALL;
    let workers = [world.worker("one", &periods), world.worker("two", &periods)];
    let mut used = Used::new();
    for round in 0..ROUNDS {
        let hour = at(START).plus_micros(round * HOUR);
        let customer = |number: usize| format!("c{number}");
        let on_time =
            (0..CUSTOMERS).map(|number| (customer(number), hour.plus_micros(number as i64 * MINUTE)));
        send(world, &mut used, on_time.collect()).await;
        if round > 0 {
            let late = hour.plus_micros(-HOUR);
            send(world, &mut used, vec![(customer(0), late), (customer(1), late), (customer(1), late)]).await;
        }
        assert!(world.clock.move_real(HOUR));
        let start = Arc::new(Barrier::new(3));
        let running = workers.clone().map(|jobs| tokio::spawn(run(jobs, start.clone(), with_leases)));
        start.wait().await;
        // Some come while both are at it.
        let meanwhile: Vec<_> = (2..CUSTOMERS).map(|number| (customer(number), hour)).collect();
        send(world, &mut used, meanwhile).await;
        for one in running {
            one.await.expect("ends well");
        }
    }
    world.clock.move_real(15 * MINUTE);
    let [one, _] = workers;
    one.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    used
}

async fn check(db: Db, with_leases: bool) {
    let world = World::new(db, START).await;
    let used = Box::pin(rounds(&world, with_leases)).await;
    let made = world.aggregations().await;
    let hourly: BTreeMap<(String, i64), u64> = made
        .values()
        .filter(|row| row.span.period == "hourly")
        .map(|row| ((row.customer.clone(), row.span.start.hour_index()), row.event_count))
        .collect();
    assert_eq!(hourly, used);
    let day = |id: &str| made[id].figures["sum"].value.clone();
    let on_day = |customer: &str, from: &str, to: &str| -> String {
        let hours = at(from).hour_index()..at(to).hour_index();
        let of_day = used.iter().filter(|((name, hour), _)| name == customer && hours.contains(hour));
        of_day.map(|(_, count)| count).sum::<u64>().to_string()
    };
    for number in 0..CUSTOMERS {
        let customer = format!("c{number}");
        let expected = on_day(&customer, "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z");
        assert_eq!(day(&format!("{customer}_daily_20260130")), expected);
    }
    assert!(made.values().all(|row| row.complete));
    world.check_told(LIVE).await;
}

on_both!(two_workers_in_turn);
async fn two_workers_in_turn(db: Db) {
    check(db, true).await;
}

on_both!(two_workers_at_once);
async fn two_workers_at_once(db: Db) {
    check(db, false).await;
}

on_both!(a_dead_workers_turn_ends);
async fn a_dead_workers_turn_ends(db: Db) {
    let world = World::new(db, START).await;
    world.send(&[("a".into(), at(START))]).await;
    world.clock.move_real(HOUR);
    let dead = leases::Lease { project: LIVE, name: "aggregate", holder: "dead" };
    let until = world.clock.real().plus_micros(10 * MINUTE);
    assert!(leases::claim(&world.db, dead, world.clock.real(), until).await.expect("claimed"));
    let worker = world.worker("alive", &[Period::Hourly]);
    world.clock.move_real(10 * MINUTE - 1);
    assert_eq!(worker.run_aggregate(LIVE, false).await.expect("asks"), None);
    world.clock.move_real(1);
    let done = worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!((done.changed, done.announced), (1, 1));
    world.check_told(LIVE).await;
}
