//! Watching customers: whoever keeps a running count of a customer's usage is told of everything that is
//! committed of it, before it is acknowledged.
use crate::format::record::EventRecord;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::RwLock;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// Told of what is committed of a customer. The committing thread calls it while readers wait: it must
/// neither block nor panic.
pub trait Watcher: Send + Sync {
    /// An event was committed.
    fn event(&self, event: &Committed<'_>);
    /// Events were corrected or cleared: what was counted before is to be read anew. What is committed
    /// up to this sequence is in what is read from now on.
    fn changed(&self, sequence: u64);
}

/// A committed event.
pub struct Committed<'a> {
    /// Its place in the log.
    pub sequence: u64,
    /// What it says.
    pub draft: &'a EventDraft<'a>,
    /// When it was used.
    pub time: Timestamp,
}

type OfCustomers = HashMap<Box<str>, Vec<Weak<dyn Watcher>>, RandomState>;

/// Who watches which customers.
#[derive(Default)]
pub struct Watches {
    count: AtomicUsize,
    by_project: RwLock<HashMap<ProjectId, OfCustomers, RandomState>>,
}

impl Watches {
    /// Tells a watcher from now on, for as long as it lives.
    pub fn add(&self, project: ProjectId, customer: &str, watcher: &Arc<dyn Watcher>) {
        let mut by_project = self.by_project.write();
        let watchers = by_project.entry(project).or_default().entry(customer.into()).or_default();
        watchers.retain(|known| known.strong_count() > 0);
        watchers.push(Arc::downgrade(watcher));
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Forgets watchers that live no more.
    pub fn tidy(&self) {
        let mut by_project = self.by_project.write();
        let mut count = 0;
        by_project.retain(|_, customers| {
            customers.retain(|_, watchers| {
                watchers.retain(|known| known.strong_count() > 0);
                count += watchers.len();
                !watchers.is_empty()
            });
            !customers.is_empty()
        });
        self.count.store(count, Ordering::Release);
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Tells of an event.
    pub(crate) fn event(&self, project: ProjectId, sequence: u64, event: &EventRecord<'_>) {
        if self.is_empty() {
            return;
        }
        let committed = Committed { sequence, draft: &event.draft, time: event.time };
        self.each(project, event.draft.customer, |watcher| watcher.event(&committed));
    }

    /// Tells that events of a customer were corrected.
    pub(crate) fn corrected(&self, project: ProjectId, sequence: u64, customer: &str) {
        if !self.is_empty() {
            self.each(project, customer, |watcher| watcher.changed(sequence));
        }
    }

    /// Tells that all events of a project are gone.
    pub(crate) fn cleared(&self, project: ProjectId, sequence: u64) {
        let by_project = self.by_project.read();
        let customers = by_project.get(&project).into_iter().flat_map(|customers| customers.values());
        for watcher in customers.flatten().filter_map(Weak::upgrade) {
            watcher.changed(sequence);
        }
    }

    fn each(&self, project: ProjectId, customer: &str, tell: impl Fn(&dyn Watcher)) {
        let by_project = self.by_project.read();
        let watchers = by_project.get(&project).and_then(|customers| customers.get(customer));
        for watcher in watchers.into_iter().flatten().filter_map(Weak::upgrade) {
            tell(watcher.as_ref());
        }
    }
}
