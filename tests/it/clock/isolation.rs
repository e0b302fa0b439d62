//! What fails for one customer, meter or period does not keep the others.
use super::world::{LIVE, World, at};
use crate::support::database::on_both;
use reckoner_domain::meter::Aggregation;
use reckoner_domain::period::Period;
use reckoner_domain::time::{HOUR, MINUTE};
use reckoner_server::store::job_runs::{self, RunResult};
use reckoner_server::store::{Db, Limit};
use serde_json::{Value, json};
use std::path::PathBuf;

const START: &str = "2026-01-14T09:00:00Z";

/// Turns the first byte of the first id that the log has stored for a customer, and back: what is
/// no text cannot be read.
fn turn_a_byte(world: &World, customer: &str) {
    let rest = &customer.as_bytes()[1..];
    let mut turned = 0;
    for entry in std::fs::read_dir(world.log_dir()).expect("listed") {
        let path: PathBuf = entry.expect("an entry").path();
        let mut bytes = std::fs::read(&path).expect("read");
        if let Some(at) = bytes.windows(rest.len()).position(|part| part == rest) {
            bytes[at - 1] ^= 0xff;
            std::fs::write(&path, bytes).expect("written");
            turned += 1;
        }
    }
    assert_eq!(turned, 1, "{customer} is stored in one place");
}

async fn last_run(world: &World) -> (RunResult, String) {
    let limit = Limit::new(1).expect("in range");
    let run = job_runs::list(&world.db, LIVE, None, None, limit).await.expect("listed").items.remove(0);
    let finished = run.finished.expect("it ended");
    (finished.result, finished.detail.expect("a detail"))
}

on_both!(one_customer_that_fails_keeps_nobody);
async fn one_customer_that_fails_keeps_nobody(db: Db) {
    let world = World::new(db, START).await;
    // The median reads events, the sum does not.
    world.meters(&[("sum", Aggregation::Sum), ("median", Aggregation::Percentile(50))]);
    let customers: Vec<String> = (0..9).map(|number| format!("fine-{number}")).collect();
    let hour = |hours: i64| at(START).plus_micros(hours * HOUR);
    world.send(&[("broken-one".into(), hour(0))]).await;
    for hours in 0..3 {
        let all: Vec<_> = customers.iter().map(|customer| (customer.clone(), hour(hours))).collect();
        world.send(&all).await;
    }
    turn_a_byte(&world, "broken-one");
    let worker = world.worker("one", &[Period::Hourly, Period::Daily]);
    world.clock.move_real(3 * HOUR);
    let done = worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!((done.changed, done.failed), (27, 1));
    let (result, detail) = last_run(&world).await;
    assert_eq!(result, RunResult::Failed);
    assert!(detail.contains("broken-one_hourly_2026011409: meter median"), "{detail}");
    // It is tried again with each run; meanwhile the others go on.
    world.send(&[("fine-0".into(), hour(3))]).await;
    world.clock.move_real(HOUR);
    let done = worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!((done.changed, done.failed), (1, 1));
    assert_eq!(world.aggregations().await.len(), 28);
    turn_a_byte(&world, "broken-one");
    world.clock.move_real(15 * MINUTE);
    let done = worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!((done.changed, done.failed), (1, 0));
    assert_eq!(last_run(&world).await.0, RunResult::Succeeded);
    let made = world.aggregations().await;
    assert_eq!(made["broken-one_hourly_2026011409"].figures.len(), 2);
    world.clock.move_real(15 * MINUTE);
    let done = worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!((done.periods, done.changed), (0, 0));
    world.check_told(LIVE).await;
    // Each run that failed was told of, once.
    let failed = failures(&world).await;
    assert_eq!(failed.len(), 2, "{failed:?}");
    for told in failed {
        assert_eq!((&told["data"]["job"], &told["data"]["project"]), (&json!("aggregate"), &json!("live")));
        let error = told["data"]["error"].as_str().expect("a text");
        assert!(error.contains("broken-one_hourly_2026011409: meter median"), "{error}");
    }
}

/// The bodies of the messages about runs that failed.
async fn failures(world: &World) -> Vec<Value> {
    let messages = world.messages().await.into_iter().filter(|message| message.event_type == "job.failed");
    messages.map(|message| serde_json::from_str(&message.payload).expect("JSON")).collect()
}

on_both!(a_run_that_breaks_off_is_told_of_without_what_the_database_said);
async fn a_run_that_breaks_off_is_told_of_without_what_the_database_said(db: Db) {
    let world = World::new(db, START).await;
    let worker = world.worker("one", &[Period::Hourly]);
    let break_it = "drop table job_retries";
    match &world.db {
        Db::Sqlite { writer, .. } => sqlx::query(break_it).execute(writer).await.map(drop),
        Db::Postgres(pool) => sqlx::query(break_it).execute(pool).await.map(drop),
    }
    .expect("dropped");
    assert!(worker.run_aggregate(LIVE, false).await.is_err());
    let failed = failures(&world).await;
    let run = &failed[0]["data"]["run"];
    let data = json!({"run": run, "job": "aggregate", "project": "live", "error": "the control plane failed",
        "started_at": "2026-01-14T09:00:00.000000Z", "finished_at": "2026-01-14T09:00:00.000000Z"});
    assert_eq!(failed, [json!({"type": "job.failed", "data": data, "created": 1_768_381_200})]);
    let (result, detail) = last_run(&world).await;
    assert_eq!((result, detail.as_str()), (RunResult::Failed, "the control plane failed"));
}
