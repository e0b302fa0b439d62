//! Job workers over one event log and one database, with a clock moved by hand.
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::meter::{Aggregation, Catalogue, Meter, MeterKey};
use reckoner_domain::period::Period;
use reckoner_domain::time::Timestamp;
use reckoner_eventlog::{Batch, EventLog, Options};
use reckoner_server::alerts::Alerts;
use reckoner_server::billing::Billing;
use reckoner_server::clock::Clock;
use reckoner_server::config::{self, Definitions, Ingest};
use reckoner_server::events::Events;
use reckoner_server::ingest::catalogues::Catalogues;
use reckoner_server::ingest::record::Recorder;
use reckoner_server::jobs::{Jobs, Moving, Schedule};
use reckoner_server::mail::Mailer;
use reckoner_server::payments::Ledger;
use reckoner_server::store::aggregations::{self, Aggregation as Stored};
use reckoner_server::store::webhook_messages::{self, Message};
use reckoner_server::store::{Db, Limit, projects};
use reckoner_server::webhooks::dispatcher::Waker;
use reckoner_server::webhooks::vault::Vault;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

pub use reckoner_server::store::projects::LIVE;

/// Limits that nothing here comes near.
const INGEST: Ingest = Ingest {
    body_bytes_max: 1 << 20,
    inflated_bytes_max: 1 << 20,
    held_bytes_max: 1 << 20,
    future_s_max: 300,
    past_s_max: 3_024_000,
    accept_unmetered: false,
};

/// The event type that the world's meters read.
pub const TYPE: &str = "use";

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

pub struct World {
    pub clock: Clock,
    pub db: Db,
    pub events: Events,
    catalogues: Catalogues,
    moving: Moving,
    /// What a provider collected.
    pub ledger: Arc<Ledger>,
    dir: TempDir,
}

impl World {
    /// A log of its own over this database, real time standing at `start`, and a sum.
    pub async fn new(db: Db, start: &str) -> Self {
        let clock = Clock::manual(at(start));
        projects::ensure(&db, clock.real()).await.expect("made");
        let dir = TempDir::new().expect("a directory");
        let log = EventLog::open(&Options::new(dir.path(), [7; 16], 1)).expect("opens");
        let catalogues = Catalogues::default();
        let (events, moving, ledger) = (Events::new(log), Moving::default(), Arc::default());
        let world = Self { clock, db, events, catalogues, moving, ledger, dir };
        world.meters(&[("sum", Aggregation::Sum)]);
        world
    }

    /// Where the log is.
    pub fn log_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// These meters, over the world's event type.
    pub fn meters(&self, meters: &[(&str, Aggregation)]) {
        let meter = |(number, (key, aggregation)): (usize, &(&str, Aggregation))| {
            let key = MeterKey::parse(key).expect("a key");
            let plain = Meter::plain(MeterId::from_bits(number as u128 + 1), key, *aggregation);
            Meter { event_type: TYPE.to_owned(), ..plain }
        };
        self.catalogues.put(LIVE, Catalogue::new(meters.iter().enumerate().map(meter)));
    }

    fn recorder(&self) -> Recorder {
        let mut recorder = Recorder::new(self.db.clone(), self.clock.clone(), self.events.clone(), INGEST);
        recorder.catalogues = self.catalogues.clone();
        recorder
    }

    /// What looks after subscriptions and invoices; charges go to the world's ledger.
    pub fn billing(&self) -> Billing {
        let settings = config::Billing { grace_minutes: 60, payment_days: 14, ..config::Billing::default() };
        let (recorder, ledger) = (self.recorder(), Arc::clone(&self.ledger));
        let mailer = Mailer::new(Vault::from_text("a key of the operator").expect("a vault"));
        let wakers = (&Waker::default(), &mailer);
        Billing::new((&self.db, &self.clock), &recorder, wakers, &settings, Some(ledger))
    }

    /// What looks after alerts; nothing does so by itself.
    pub fn alerts(&self) -> Alerts {
        let mailer = Mailer::new(Vault::from_text("a key of the operator").expect("a vault"));
        let (store, wakers) = ((&self.db, &self.clock), (&Waker::default(), &mailer));
        Alerts::new(store, &self.recorder(), &self.billing(), wakers)
    }

    /// A worker for these periods.
    pub fn worker(&self, name: &str, periods: &[Period]) -> Jobs {
        let definitions = Definitions { periods: periods.to_vec(), ..Definitions::default() };
        let recorder = self.recorder();
        Jobs {
            db: self.db.clone(),
            clock: self.clock.clone(),
            events: self.events.clone(),
            catalogues: self.catalogues.clone(),
            billing: self.billing(),
            alerts: self.alerts(),
            definitions: Arc::new(parking_lot::RwLock::new(Arc::new(definitions))),
            waker: Waker::default(),
            schedule: Schedule::parse("*/15 * * * *").expect("cron"),
            moving: self.moving.clone(),
            recorder,
            outbox: self.dir.path().join("outbox"),
            erasing: Arc::default(),
            worker: name.to_owned(),
        }
    }

    /// Stores events of customers, each of one, at these times.
    pub async fn send(&self, events: &[(String, Timestamp)]) {
        let mut batch = Batch::new(LIVE, self.clock.real());
        for (number, (customer, time)) in events.iter().enumerate() {
            let id = format!("{customer}-{}-{number}-{}", time.as_micros(), self.events.stats(LIVE).events);
            let draft = EventDraft {
                id: &id,
                customer,
                event_type: TYPE,
                value: Decimal::ONE,
                time: Some(*time),
                subject: None,
                properties: None,
                source_context: None,
            };
            batch.push(&draft).expect("fits");
        }
        self.events.append(batch).await.expect("stored");
    }

    /// Every aggregation by its id.
    pub async fn aggregations(&self) -> BTreeMap<String, Stored> {
        let (limit, filter) = (Limit::new(1_000).expect("in range"), aggregations::Filter::default());
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page =
                aggregations::list(&self.db, LIVE, &filter, after.as_ref(), limit).await.expect("listed");
            rows.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        rows.into_iter().map(|row| (row.id.clone(), row)).collect()
    }

    /// Every message's type, subject and payload.
    pub async fn messages(&self) -> Vec<Message> {
        let limit = Limit::new(1_000).expect("in range");
        let range = (Timestamp::MIN, Timestamp::MAX);
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page =
                webhook_messages::list(&self.db, LIVE, range, after.as_ref(), limit).await.expect("listed");
            rows.extend(page.items);
            after = page.next;
            if after.is_none() {
                return rows;
            }
        }
    }

    /// How many messages of a type there are about each aggregation.
    pub async fn told(&self, kind: &str) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for message in self.messages().await.into_iter().filter(|message| message.event_type == kind) {
            *counts.entry(message.subject.expect("a subject")).or_default() += 1;
        }
        counts
    }

    /// Each aggregation was told of once, and once more for each revision.
    pub async fn check_told(&self, project: ProjectId) {
        assert_eq!(project, LIVE);
        let made = self.aggregations().await;
        let once: BTreeMap<String, u32> = made.keys().map(|id| (id.clone(), 1)).collect();
        assert_eq!(self.told("aggregation.completed").await, once);
        let revised = made.iter().filter(|(_, row)| row.revision > 1);
        let updates: BTreeMap<String, u32> =
            revised.map(|(id, row)| (id.clone(), row.revision - 1)).collect();
        assert_eq!(self.told("aggregation.updated").await, updates);
    }
}
