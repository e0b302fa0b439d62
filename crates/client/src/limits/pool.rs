//! What was taken ahead for one customer and one meter.
use crate::record::Record;
use parking_lot::Mutex;
use reckoner_api::entitlement::{Lease, LimitBehaviour, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a lease holds where its answer does not say, in seconds.
const LEASE_S: u64 = 60;
/// A lease decides during this part of its time, in percent; in the rest its records are still acknowledged.
const USABLE_PERCENT: u32 = 75;
/// Units of nobody who asks are given back after this time, in seconds.
const IDLE_S: u64 = 10;
/// One ask takes at most this share of a limit ahead, so that others find something.
const LIMIT_SHARE: u64 = 20;
/// The first ask of an unknown limit takes this share of the most that is taken ahead.
const FIRST_SHARE: u64 = 10;

/// How much of a lease came to be recorded.
#[derive(Debug, Default)]
pub(super) struct Share {
    stored: AtomicU64,
    settled: AtomicU64,
}

impl Share {
    /// The record of so many units is settled.
    pub fn settle(&self, units: u64, stored: bool) {
        if stored {
            self.stored.fetch_add(units, Ordering::AcqRel);
        }
        self.settled.fetch_add(units, Ordering::AcqRel);
    }

    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }
}

/// A lease that this process holds.
#[derive(Debug)]
pub(super) struct Held {
    pub id: String,
    granted: u64,
    taken: u64,
    begun: Instant,
    usable_until: Instant,
    ends: Instant,
    pub share: Arc<Share>,
}

#[derive(Debug, Default)]
struct State {
    leases: Vec<Held>,
    /// Nothing, or not enough, was to be had ahead: each decision is asked for.
    near: bool,
    /// The plan does not block: nothing has to be asked for until then.
    free_until: Option<Instant>,
    known: Option<Verdict>,
    /// Units that were let pass without a lease since the server said how the customer stands.
    passed: u64,
    asked: Option<Instant>,
    filling: bool,
    /// Grows when all is given back.
    turn: u64,
    /// Leases that there ever were.
    grants: u64,
}

/// Whose units, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub customer: String,
    pub meter: String,
    /// Whether a subject is named as the customer.
    is_subject: bool,
}

impl PoolKey {
    pub fn of(record: &Record) -> Self {
        let (customer, meter) = (record.customer().to_owned(), record.meter().to_owned());
        Self { customer, meter, is_subject: record.subject_as_customer().is_some() }
    }

    pub fn subject(&self) -> Option<&str> {
        self.is_subject.then_some(self.customer.as_str())
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    pub key: PoolKey,
    state: Mutex<State>,
    /// Held by whoever takes more units ahead.
    pub filling: tokio::sync::Mutex<()>,
    /// Held while leases that are no longer here are given back.
    pub returning: Arc<tokio::sync::Mutex<()>>,
}

/// Units that were there.
#[derive(Debug)]
pub(super) struct Taken {
    /// The lease they are of; none where the plan does not block.
    pub share: Option<Arc<Share>>,
    pub verdict: Verdict,
    /// The turn in which it is time to fetch more; told to one caller only.
    pub low: Option<u64>,
}

/// What is to be done for leases.
#[derive(Debug, Default)]
pub(super) struct Chores {
    pub give_back: Vec<Held>,
    pub renew: Vec<(String, Arc<Share>)>,
}

impl Pool {
    pub fn new(key: PoolKey) -> Self {
        let (state, filling, returning) = Default::default();
        Self { key, state, filling, returning }
    }

    /// Takes units that are there.
    pub fn take(&self, units: u64, now: Instant) -> Option<Taken> {
        let mut state = self.state.lock();
        state.asked = Some(now);
        if state.free_until.is_some_and(|until| now < until) {
            state.passed = state.passed.saturating_add(units);
            let verdict = state.verdict();
            return Some(Taken { share: None, verdict, low: None });
        }
        let usable = |lease: &&mut Held| now < lease.usable_until && lease.left() >= units;
        let lease = state.leases.iter_mut().find(usable)?;
        lease.taken += units;
        let share = Some(Arc::clone(&lease.share));
        let (left, granted) = state.usable(now);
        let low = !state.near && !state.filling && left * 4 < granted.max(4);
        state.filling |= low;
        let low = low.then_some(state.turn);
        Some(Taken { share, verdict: state.verdict(), low })
    }

    /// Adds a lease that was asked for at `asked`; `at` is what time it then was for the server.
    pub fn grant(&self, lease: Lease, wanted: u64, asked: Instant, at: Option<jiff::Timestamp>) {
        let mut state = self.state.lock();
        state.filling = false;
        let (usable, ends) = times(&lease, asked, at);
        let granted = whole(&lease.granted);
        let known = verdict(&lease);
        let others = known.remaining.as_deref().map(whole);
        state.near = granted < wanted || others.is_some_and(|others| others < wanted);
        if lease.behaviour != LimitBehaviour::Block {
            state.free_until = Some(usable);
            state.near = false;
        }
        state.learn(known);
        state.grants += 1;
        let share = Arc::default();
        let (begun, id) = (asked, lease.lease_id);
        state.leases.push(Held { id, granted, taken: 0, begun, usable_until: usable, ends, share });
    }

    /// Nothing was to be had ahead.
    pub fn refuse(&self, verdict: Verdict) {
        let mut state = self.state.lock();
        (state.filling, state.near, state.free_until) = (false, true, None);
        state.learn(verdict);
    }

    /// An attempt to take more ahead came to nothing.
    pub fn unfilled(&self) {
        self.state.lock().filling = false;
    }

    /// A lease goes on.
    pub fn renewed(&self, lease: &Lease, asked: Instant, at: Option<jiff::Timestamp>) {
        let mut state = self.state.lock();
        let (usable, ends) = times(lease, asked, at);
        if let Some(held) = state.leases.iter_mut().find(|held| held.id == lease.lease_id) {
            (held.begun, held.usable_until, held.ends) = (asked, usable, ends);
        }
        state.learn(verdict(lease));
    }

    /// A lease has ended on the server's side.
    pub fn forget(&self, id: &str) {
        self.state.lock().leases.retain(|held| held.id != id);
    }

    /// What a verdict tells: well below the limit, units can be taken ahead again.
    pub fn learn(&self, verdict: &Verdict, most: u64) {
        let mut state = self.state.lock();
        let room =
            verdict.remaining.as_deref().is_none_or(|left| whole(left) / 2 >= ask(Some(verdict), most));
        if verdict.allowed && room {
            state.near = false;
        }
        state.learn(verdict.clone());
    }

    /// Whether nothing was given back since.
    pub fn is_turn(&self, turn: u64) -> bool {
        self.state.lock().turn == turn
    }

    /// How many leases there ever were.
    pub fn grants(&self) -> u64 {
        self.state.lock().grants
    }

    pub fn is_near(&self) -> bool {
        self.state.lock().near
    }

    /// How many units to ask for.
    pub fn ask(&self, most: u64, units: u64) -> u64 {
        ask(self.state.lock().known.as_ref(), most).max(units)
    }

    /// All leases, to be given back; none decides any more.
    pub fn drain(&self) -> Vec<Held> {
        let mut state = self.state.lock();
        (state.free_until, state.filling) = (None, false);
        state.turn += 1;
        std::mem::take(&mut state.leases)
    }

    /// What is to be done now.
    pub fn chores(&self, now: Instant) -> Chores {
        let mut state = self.state.lock();
        let idle = state.is_idle(now);
        let mut chores = Chores::default();
        let mut index = 0;
        while let Some(held) = state.leases.get(index) {
            let over = held.left() == 0 || now >= held.usable_until || idle;
            if now >= held.ends {
                state.leases.swap_remove(index);
            } else if over && held.share.settled() >= held.taken {
                chores.give_back.push(state.leases.swap_remove(index));
            } else {
                if !over && now >= held.begun + (held.usable_until - held.begun) / 2 {
                    chores.renew.push((held.id.clone(), Arc::clone(&held.share)));
                }
                index += 1;
            }
        }
        chores
    }

    /// Whether it can be forgotten.
    pub fn is_idle(&self, now: Instant) -> bool {
        let state = self.state.lock();
        state.leases.is_empty() && state.is_idle(now)
    }
}

impl Held {
    fn left(&self) -> u64 {
        self.granted - self.taken
    }
}

impl State {
    /// Units that are left and units that there were, in leases that still decide.
    fn usable(&self, now: Instant) -> (u64, u64) {
        let usable = self.leases.iter().filter(|held| now < held.usable_until && held.left() > 0);
        usable.fold((0, 0), |(left, granted), held| (left + held.left(), granted + held.granted))
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now.duration_since(asked) >= Duration::from_secs(IDLE_S))
    }

    fn learn(&mut self, known: Verdict) {
        (self.known, self.passed) = (Some(known), 0);
    }

    /// How the customer stands by what is known here.
    fn verdict(&self) -> Verdict {
        let known = self.known.clone().unwrap_or_else(|| Verdict {
            allowed: true,
            limit: None,
            used: "0".to_owned(),
            remaining: None,
            resets_at: None,
            behaviour: LimitBehaviour::Unlimited,
            reset: None,
            reason: None,
            duplicate: None,
        });
        if known.behaviour != LimitBehaviour::Block {
            // Leases hold nothing back there; what passes counts at once.
            let used = whole(&known.used).saturating_add(self.passed);
            let remaining = known.limit.as_deref().map(|limit| whole(limit).saturating_sub(used).to_string());
            let used = used.to_string();
            return Verdict { allowed: true, reason: None, duplicate: None, used, remaining, ..known };
        }
        let here: u64 = self.leases.iter().map(Held::left).sum();
        let remaining = known.remaining.as_deref().map(|others| whole(others) + here);
        let used = match (known.limit.as_deref(), remaining) {
            (Some(limit), Some(remaining)) => whole(limit).saturating_sub(remaining).to_string(),
            _ => known.used,
        };
        let remaining = remaining.map(|remaining| remaining.to_string());
        Verdict { allowed: true, reason: None, duplicate: None, used, remaining, ..known }
    }
}

fn ask(known: Option<&Verdict>, most: u64) -> u64 {
    match known {
        None => (most / FIRST_SHARE).max(1),
        Some(Verdict { limit: Some(limit), .. }) => (whole(limit) / LIMIT_SHARE).clamp(1, most),
        Some(_) => most,
    }
}

/// Until when a lease decides, and when it ends, by this process's clock: it ends no later than the server says, and
/// no longer decides when counting begins anew.
fn times(lease: &Lease, asked: Instant, at: Option<jiff::Timestamp>) -> (Instant, Instant) {
    let most = Duration::from_secs(LEASE_S);
    let until = |text: &str| {
        let left = text.parse::<jiff::Timestamp>().ok()?.duration_since(at?);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    };
    let ends = until(&lease.expires_at).unwrap_or(most).min(most);
    let usable = ends * USABLE_PERCENT / 100;
    let resets = lease.resets_at.as_deref().and_then(until).unwrap_or(usable);
    (asked + usable.min(resets), asked + ends)
}

fn verdict(lease: &Lease) -> Verdict {
    let Lease { limit, used, remaining, resets_at, behaviour, reset, .. } = lease.clone();
    Verdict {
        allowed: true,
        limit,
        used,
        remaining,
        resets_at,
        behaviour,
        reset,
        reason: None,
        duplicate: None,
    }
}

/// The whole units of a decimal; none of a negative one, and as many as there are of one that is too large.
pub(crate) fn whole(decimal: &str) -> u64 {
    let digits = decimal.split('.').next().unwrap_or_default();
    if digits.starts_with('-') { 0 } else { digits.parse().unwrap_or(u64::MAX / 4) }
}
