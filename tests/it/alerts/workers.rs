//! Any number of workers fire once.
use crate::clock::world::{LIVE, World, at};
use crate::support::database::on_both;
use reckoner_domain::alert::{AlertKind, AlertPeriod, Channel, ThresholdUnit};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::{AlertId, CustomerId};
use reckoner_server::store::alerts::{self, Alert, Terms};
use reckoner_server::store::{Db, customers};
use std::sync::Arc;
use tokio::sync::Barrier;

const START: &str = "2026-03-01T00:00:00Z";
const CUSTOMERS: usize = 20;

fn on_use(number: u128, channels: Vec<Channel>) -> Alert {
    let terms = Terms {
        name: None,
        kind: AlertKind::Usage,
        customer: None,
        subject: None,
        meter: Some("sum".to_owned()),
        threshold: Decimal::from_i32(2),
        unit: ThresholdUnit::Absolute,
        period: Some(AlertPeriod::BillingPeriod),
        currency: None,
        budget: None,
        channels,
        recipients: Vec::new(),
        webhook_url: None,
        enabled: true,
    };
    Alert {
        id: AlertId::from_bits(number),
        project: LIVE,
        terms,
        endpoint: None,
        created_by: "a test".to_owned(),
        revision: 1,
        armed_at: at(START),
        last_triggered_at: None,
        created_at: at(START),
        updated_at: at(START),
        version: 1,
    }
}

on_both!(workers_that_look_at_once_fire_once);
async fn workers_that_look_at_once_fire_once(db: Db) {
    let world = World::new(db, START).await;
    let names: Vec<String> = (0..CUSTOMERS).map(|number| format!("c{number:02}")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bits = 0;
    let made = customers::ensure_many(&world.db, LIVE, &ids, at(START), || {
        bits += 1;
        CustomerId::from_bits(bits)
    });
    made.await.expect("made");
    for (number, channels) in [(1, vec![Channel::Webhook]), (2, vec![Channel::InApp])] {
        alerts::insert(&world.db, &on_use(number, channels)).await.expect("stored");
    }
    // All but one use enough.
    let used = names.iter().flat_map(|name| [name, name].into_iter().take(if name == "c07" { 1 } else { 2 }));
    let used: Vec<_> = used.map(|name| (name.clone(), at(START))).collect();
    world.send(&used).await;
    let start = Arc::new(Barrier::new(6));
    let runs = (0..6).map(|_| {
        let (alerts, start) = (world.alerts(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            alerts.sweep(LIVE).await.expect("looked")
        })
    });
    let (mut fired, mut failed) = (0, 0);
    for run in runs.collect::<Vec<_>>() {
        let looked = run.await.expect("ends well");
        fired += looked.fired;
        failed += looked.failed;
    }
    assert_eq!((fired, failed), (2 * (CUSTOMERS as u64 - 1), 0));
    let told = world.messages().await.into_iter().filter(|message| message.event_type == "alert.triggered");
    assert_eq!(told.count(), CUSTOMERS - 1);
    assert_eq!(world.alerts().sweep(LIVE).await.expect("looked").fired, 0);
}
