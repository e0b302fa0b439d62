//! What was read of customers' calls, kept until something is committed that changes it.
use super::{CALLS, TRAFFIC};
use crate::events::{Committed, Events, Watcher};
use parking_lot::Mutex;
use reckoner_domain::calls::Piece;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, Timestamp};
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// About how much memory all that is kept may take; beyond it those go that nobody asked for the longest.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// About what a customer takes without anything kept of it.
const CUSTOMER_BYTES: usize = 1_024;
/// Most events that are remembered while calls are read; beyond them nothing of that is kept.
const TOLD_MAX: usize = 10_000;

/// What is kept, by customer.
pub struct Kept {
    customers: Mutex<HashMap<Name, Arc<Customer>>>,
    bytes: Arc<AtomicUsize>,
    questions: AtomicU64,
    bytes_max: usize,
}

/// A project and the own id of a customer.
type Name = (ProjectId, Box<str>);

/// What is kept of a customer.
pub struct Customer {
    state: Mutex<State>,
    /// Held by who reads: others wait for what that one finds.
    pub one_reads: tokio::sync::Mutex<()>,
    /// The number of the question that last asked for it.
    asked: AtomicU64,
    /// What all customers take.
    bytes: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    pieces: BTreeMap<(Timestamp, Timestamp), (Arc<Piece>, usize)>,
    /// Events that were committed since the reading began that goes on.
    told: Vec<(u64, Timestamp)>,
    reads: bool,
    /// Counts what makes everything be read anew.
    changes: u64,
}

/// A reading that goes on.
pub struct Reading {
    changes: u64,
}

impl Kept {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            customers: Mutex::default(),
            bytes: Arc::default(),
            questions: AtomicU64::new(0),
            bytes_max: BYTES_MAX,
        }
    }

    /// What is kept of a customer.
    pub fn of(&self, events: &Events, project: ProjectId, name: &str) -> Arc<Customer> {
        let question = self.questions.fetch_add(1, Ordering::Relaxed);
        let mut customers = self.customers.lock();
        if let Some(known) = customers.get(&(project, name.into())) {
            known.asked.store(question, Ordering::Relaxed);
            return Arc::clone(known);
        }
        self.bytes.fetch_add(CUSTOMER_BYTES, Ordering::Relaxed);
        let customer = Arc::new(Customer {
            state: Mutex::default(),
            one_reads: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(question),
            bytes: Arc::clone(&self.bytes),
        });
        // Before anything is read: what is committed from now on is told.
        let watcher: Arc<dyn Watcher> = customer.clone();
        events.watch(project, name, &watcher);
        customers.insert((project, name.into()), Arc::clone(&customer));
        customer
    }

    /// Lets customers go that nobody asked for the longest, until what is kept is not too much.
    pub fn tidy(&self, events: &Events) {
        if self.bytes.load(Ordering::Relaxed) <= self.bytes_max {
            return;
        }
        let mut gone = Vec::new();
        {
            let mut customers = self.customers.lock();
            let asked = |customer: &Arc<Customer>| customer.asked.load(Ordering::Relaxed);
            let mut oldest: Vec<_> = customers.iter().map(|(key, one)| (asked(one), key.clone())).collect();
            oldest.sort_unstable();
            // More than is too much, so that this is rarely done.
            let mut left = self.bytes.load(Ordering::Relaxed);
            for (_, key) in oldest {
                if left <= self.bytes_max / 4 * 3 {
                    break;
                }
                if let Some(customer) = customers.remove(&key) {
                    left = left.saturating_sub(customer.taken());
                    gone.push(customer);
                }
            }
        }
        drop(gone);
        events.tidy_watches();
    }
}

impl Customer {
    /// What is kept of each of these windows, as a reading of the others begins.
    pub fn begin(&self, windows: &[Window]) -> (Vec<Option<Arc<Piece>>>, Reading) {
        let mut state = self.state.lock();
        state.told.clear();
        state.reads = true;
        let kept = |window: &Window| Some(Arc::clone(&state.pieces.get(&(window.start, window.end))?.0));
        (windows.iter().map(kept).collect(), Reading { changes: state.changes })
    }

    /// Keeps what was read as of a sequence, as far as nothing that was committed since changes it; of what
    /// begins before an instant nothing is kept any more.
    pub fn finish(
        &self,
        reading: &Reading,
        (read, sequence): (Vec<(Window, Arc<Piece>)>, u64),
        oldest: Timestamp,
    ) {
        let mut state = self.state.lock();
        state.reads = false;
        let told = std::mem::take(&mut state.told);
        let gone: Vec<_> = state.pieces.range(..(oldest, oldest)).map(|(key, _)| *key).collect();
        for key in gone {
            self.forget(&mut state, key);
        }
        if state.changes != reading.changes {
            return;
        }
        let changed =
            |window: &Window| told.iter().any(|(at, time)| *at > sequence && window.contains(*time));
        for (window, piece) in read {
            // With other pieces in an answer it might tell more apart.
            if piece.is_whole() && !changed(&window) {
                let bytes = piece.bytes();
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                let key = (window.start, window.end);
                self.forget(&mut state, key);
                state.pieces.insert(key, (piece, bytes));
            }
        }
    }

    fn forget(&self, state: &mut State, key: (Timestamp, Timestamp)) {
        if let Some((_, bytes)) = state.pieces.remove(&key) {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn taken(&self) -> usize {
        CUSTOMER_BYTES + self.state.lock().pieces.values().map(|(_, bytes)| bytes).sum::<usize>()
    }
}

impl Watcher for Customer {
    fn event(&self, event: &Committed<'_>) {
        if ![CALLS, TRAFFIC].contains(&event.draft.event_type) {
            return;
        }
        let mut state = self.state.lock();
        // No piece is longer than a day.
        let from = (event.time.plus_micros(-DAY), Timestamp::MIN);
        let near = state.pieces.range(from..=(event.time, Timestamp::MAX)).map(|(key, _)| *key);
        let of_it: Vec<_> = near.filter(|(_, end)| event.time < *end).collect();
        for key in of_it {
            self.forget(&mut state, key);
        }
        if state.reads {
            state.told.push((event.sequence, event.time));
            if state.told.len() > TOLD_MAX {
                state.told.clear();
                state.changes += 1;
            }
        }
    }

    fn changed(&self, _: u64) {
        let mut state = self.state.lock();
        state.changes += 1;
        let all: usize = std::mem::take(&mut state.pieces).into_values().map(|(_, bytes)| bytes).sum();
        self.bytes.fetch_sub(all, Ordering::Relaxed);
    }
}

impl Drop for Customer {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.taken(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::decimal::Decimal;
    use reckoner_domain::event::EventDraft;
    use reckoner_domain::time::HOUR;

    fn customer() -> Customer {
        Customer {
            state: Mutex::default(),
            one_reads: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
            bytes: Arc::new(AtomicUsize::new(CUSTOMER_BYTES)),
        }
    }

    fn window(from: i64, to: i64) -> Window {
        let at = |hour: i64| Timestamp::from_micros_clamped(hour * HOUR);
        Window { start: at(from), end: at(to) }
    }

    fn happens(customer: &Customer, event_type: &str, sequence: u64, hour: i64) {
        let draft = EventDraft {
            id: "id",
            customer: "acme",
            event_type,
            value: Decimal::ONE,
            time: None,
            subject: None,
            properties: None,
            source_context: None,
        };
        customer.event(&Committed { sequence, draft: &draft, time: window(hour, hour + 1).start });
    }

    fn keep(customer: &Customer, windows: &[Window], meanwhile: impl FnOnce(&Customer)) {
        let (_, reading) = customer.begin(windows);
        meanwhile(customer);
        let read = windows.iter().map(|window| (*window, Arc::default())).collect();
        customer.finish(&reading, (read, 10), Timestamp::MIN);
    }

    fn kept(customer: &Customer, windows: &[Window]) -> Vec<bool> {
        let kept = customer.begin(windows).0.iter().map(Option::is_some).collect();
        customer.state.lock().reads = false;
        kept
    }

    #[test]
    fn what_an_event_changes_is_read_anew_and_nothing_else() {
        let (customer, day) = (customer(), window(0, 24));
        let windows = [day, window(1, 2), window(2, 3), window(24, 25)];
        keep(&customer, &windows, |_| {});
        happens(&customer, "other", 11, 1);
        assert_eq!(kept(&customer, &windows), [true; 4], "of another type");
        happens(&customer, CALLS, 12, 1);
        assert_eq!(kept(&customer, &windows), [false, false, true, true]);
        happens(&customer, TRAFFIC, 13, 24);
        assert_eq!(kept(&customer, &windows), [false, false, true, false]);
        customer.changed(14);
        assert_eq!(kept(&customer, &windows), [false; 4]);
        assert_eq!(customer.bytes.load(Ordering::Relaxed), CUSTOMER_BYTES, "nothing is kept");
    }

    #[test]
    fn what_is_committed_during_a_reading_is_not_missed() {
        let windows = [window(1, 2), window(2, 3)];
        let customer = customer();
        keep(&customer, &windows, |customer| {
            happens(customer, CALLS, 10, 1);
            happens(customer, CALLS, 11, 2);
        });
        assert_eq!(kept(&customer, &windows), [true, false], "the first of them was read");
        keep(&customer, &windows, |customer| customer.changed(5));
        assert_eq!(kept(&customer, &windows), [false; 2]);
        keep(&customer, &windows, |customer| {
            (0..=TOLD_MAX).for_each(|_| happens(customer, CALLS, 11, 50));
        });
        assert_eq!(kept(&customer, &windows), [false; 2], "too much to remember");
        keep(&customer, &windows, |_| {});
        let (_, reading) = customer.begin(&windows);
        customer.finish(&reading, (Vec::new(), 10), window(2, 3).start);
        assert_eq!(kept(&customer, &windows), [false, true], "what is too old is forgotten");
    }
}
