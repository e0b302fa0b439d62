//! A project whose jobs are under way keeps no other from anything.
use super::world::{LIVE, World, at};
use crate::support::database::on_both;
use reckoner_domain::period::Period;
use reckoner_domain::time::HOUR;
use reckoner_server::jobs::AGGREGATE;
use reckoner_server::store::Db;
use reckoner_server::store::leases::{self, Lease};
use reckoner_server::store::projects::TEST;

const START: &str = "2026-01-14T09:00:00Z";

on_both!(a_clock_that_waits_for_its_turn_delays_no_other_project);
async fn a_clock_that_waits_for_its_turn_delays_no_other_project(db: Db) {
    let world = World::new(db, START).await;
    let jobs = world.worker("one", &[Period::Hourly]);
    // Another worker runs the jobs of project test, and does not come to an end.
    let lease = Lease { project: TEST, name: AGGREGATE, holder: "another" };
    let until = at(START).plus_micros(HOUR);
    assert!(leases::claim(&world.db, lease, at(START), until).await.expect("claimed"));
    let freezing = jobs.clone();
    let freezing = tokio::spawn(async move { freezing.freeze(&"a test", TEST, at(START)).await });
    for _ in 0..10 {
        jobs.clear(&"a test", LIVE, false).await.expect("cleared");
    }
    assert!(!freezing.is_finished());
    leases::release(&world.db, lease).await.expect("given back");
    freezing.await.expect("ends well").expect("frozen");
}
