//! The counts at hand, by customer and meter.
use super::counter::Counter;
use crate::events::{Events, Watcher};
use parking_lot::RwLock;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Meter;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::window::Window;
use std::collections::HashMap;
use std::sync::Arc;

/// Most counts kept at hand; beyond them those that nobody uses at this moment go.
const COUNTERS_MAX: usize = 100_000;

/// The counts at hand. Clones share one state.
#[derive(Clone)]
pub struct Counters {
    events: Events,
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    counters: HashMap<ProjectId, HashMap<Box<str>, Vec<Arc<Counter>>>>,
    count: usize,
}

impl Counters {
    /// None yet.
    pub fn new(events: Events) -> Self {
        Self { events, known: Arc::default() }
    }

    /// What a customer used of a meter in a window, where a count of it is at hand.
    pub fn at_hand(
        &self,
        project: ProjectId,
        customer: &str,
        meter: &Meter,
        window: Window,
    ) -> Option<Ratio> {
        self.known.read().find(project, customer, meter, window)?.known()
    }

    /// The count of a customer's usage of a meter in a window.
    pub fn of(&self, project: ProjectId, customer: &str, meter: &Meter, window: Window) -> Arc<Counter> {
        if let Some(found) = self.known.read().find(project, customer, meter, window) {
            return found;
        }
        let mut known = self.known.write();
        if let Some(found) = known.find(project, customer, meter, window) {
            return found;
        }
        if known.count >= COUNTERS_MAX {
            known.let_go();
            self.events.tidy_watches();
        }
        let counter = Arc::new(Counter::new(project, customer, meter.clone(), window));
        let watcher: Arc<dyn Watcher> = counter.clone();
        // Before anything is read: what is committed from now on is told.
        self.events.watch(project, customer, &watcher);
        let of = known.counters.entry(project).or_default().entry(customer.into()).or_default();
        // A window that is over, or another version of the meter, is not counted any more.
        let before = of.len();
        of.retain(|counter| counter.meter().key != meter.key);
        let replaced = before - of.len();
        of.push(Arc::clone(&counter));
        known.count = known.count + 1 - replaced;
        metrics::gauge!("quota_counters").set(known.count as f64);
        counter
    }
}

impl Known {
    fn find(
        &self,
        project: ProjectId,
        customer: &str,
        meter: &Meter,
        window: Window,
    ) -> Option<Arc<Counter>> {
        let of = self.counters.get(&project)?.get(customer)?;
        of.iter().find(|counter| counter.is_of(meter, window)).cloned()
    }

    fn let_go(&mut self) {
        let mut count = 0;
        for customers in self.counters.values_mut() {
            customers.retain(|_, of| {
                of.retain(|counter| Arc::strong_count(counter) > 1);
                count += of.len();
                !of.is_empty()
            });
        }
        self.count = count;
    }
}
