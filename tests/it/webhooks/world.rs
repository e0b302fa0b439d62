//! A control plane with a clock moved by hand, endpoints and dispatchers.
use super::receiver::Receiver;
use reckoner_domain::id::{DeliveryId, EndpointId, MessageId, ProjectId};
use reckoner_domain::time::Timestamp;
use reckoner_server::clock::Clock;
use reckoner_server::random;
use reckoner_server::store::webhook_deliveries::{self, Attempt, Delivery, Filter};
use reckoner_server::store::webhook_endpoints::Endpoint;
use reckoner_server::store::webhook_messages::{self, NewMessage};
use reckoner_server::store::{Db, Limit, projects};
use reckoner_server::webhooks::dispatcher::{Dispatcher, Parts, Settings, Waker};
use reckoner_server::webhooks::guard::{Guard, Looking, Lookup};
use reckoner_server::webhooks::sender::Sender;
use reckoner_server::webhooks::service::Webhooks;
use reckoner_server::webhooks::vault::Vault;
use reckoner_server::webhooks::{Draft, Revealed, moment};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

pub use reckoner_server::store::projects::{LIVE, TEST};

pub const COMPLETED: &str = "aggregation.completed";

/// A resolver that knows one answer for every name.
#[derive(Clone)]
pub struct Answers(pub Vec<IpAddr>);

impl Lookup for Answers {
    fn lookup(&self, _: &str) -> Looking {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

pub struct World {
    pub db: Db,
    pub clock: Clock,
    pub webhooks: Webhooks,
    pub guard: Guard,
    pub waker: Waker,
    pub vault: Vault,
}

/// A running dispatcher, and how many of its attempts were waited for.
pub struct Running {
    pub dispatcher: Dispatcher,
    ended: watch::Receiver<u64>,
    seen: u64,
}

impl Running {
    /// Waits until so many more attempts are recorded.
    pub async fn recorded(&mut self, attempts: u64) {
        self.seen += attempts;
        let seen = self.seen;
        self.ended.wait_for(|count| *count >= seen).await.expect("it runs");
    }
}

impl World {
    /// With a guard that allows the loopback addresses of the receivers.
    pub async fn new(db: Db) -> Self {
        Self::with_guard(db, Guard::new(true, Arc::new(Answers(vec![])))).await
    }

    pub async fn with_guard(db: Db, guard: Guard) -> Self {
        let start = Timestamp::parse("2026-01-14T09:30:00Z").expect("a time");
        let clock = Clock::manual(start);
        projects::ensure(&db, start).await.expect("made");
        let vault = Vault::from_text("the key of these tests").expect("long enough");
        let waker = Waker::default();
        let webhooks = Webhooks::new(db.clone(), clock.clone(), vault.clone(), guard.clone(), waker.clone());
        Self { db, clock, webhooks, guard, waker, vault }
    }

    pub fn dispatch(&self) -> Running {
        self.dispatch_with(Settings::default())
    }

    pub fn dispatch_with(&self, settings: Settings) -> Running {
        let sender = Sender::new(self.guard.clone()).expect("a client");
        let parts = Parts {
            db: self.db.clone(),
            clock: self.clock.clone(),
            vault: self.vault.clone(),
            sender,
            worker: random::uuid_text(self.clock.real()).expect("a name"),
            settings,
        };
        let dispatcher = Dispatcher::start(parts, &self.waker);
        Running { ended: dispatcher.ended(), dispatcher, seen: 0 }
    }

    /// An endpoint of project `live` that gets every type.
    pub async fn endpoint(&self, receiver: &Receiver) -> Revealed {
        self.endpoint_of(LIVE, &receiver.url).await
    }

    pub async fn endpoint_of(&self, project: ProjectId, url: &str) -> Revealed {
        let draft = Draft { url: url.to_owned(), ..Draft::default() };
        self.webhooks.create(project, draft).await.expect("made")
    }

    pub async fn get(&self, endpoint: &Endpoint) -> Endpoint {
        self.webhooks.get(endpoint.project, &endpoint.id).await.expect("there")
    }

    /// Stores a completed aggregation's message, commits and wakes.
    pub async fn tell(&self, project: ProjectId, subject: &str) -> MessageId {
        self.tell_of(project, COMPLETED, subject).await.expect("new")
    }

    pub async fn tell_of(&self, project: ProjectId, event_type: &str, subject: &str) -> Option<MessageId> {
        let payload = format!(r#"{{"type":"{event_type}","customerId":"{subject}","created":1}}"#);
        let message = NewMessage {
            bits: random::id_bits(self.clock.real()).expect("bits"),
            project,
            event_type,
            subject: Some(subject),
            dedupe_key: &format!("{event_type}:{subject}"),
            payload: &payload,
            at: moment(&self.clock, project),
        };
        let mut tx = self.db.begin().await.expect("begins");
        let id = webhook_messages::enqueue(&mut tx, message).await.expect("stored");
        tx.commit().await.expect("committed");
        self.waker.wake();
        id
    }

    /// All deliveries to an endpoint, the newest first.
    pub async fn deliveries(&self, endpoint: &EndpointId, project: ProjectId) -> Vec<Delivery> {
        let filter = Filter { endpoint: Some(endpoint), ..Filter::default() };
        let limit = Limit::new(1_000).expect("in range");
        webhook_deliveries::list(&self.db, project, filter, None, limit).await.expect("listed").items
    }

    /// The only delivery to an endpoint.
    pub async fn delivery(&self, endpoint: &Endpoint) -> Delivery {
        let mut all = self.deliveries(&endpoint.id, endpoint.project).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub async fn attempts(&self, project: ProjectId, delivery: &DeliveryId) -> Vec<Attempt> {
        webhook_deliveries::attempts(&self.db, project, delivery).await.expect("listed")
    }

    /// Real time in whole seconds, as signatures carry it.
    pub fn now_s(&self) -> i64 {
        self.clock.real().as_seconds()
    }
}
