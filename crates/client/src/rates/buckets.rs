//! The buckets, in the memory of this process, for a bounded number of callers.
use super::{Rate, RateLimits, Rates};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

/// Parts of the memory that are held one by one.
const SHARDS: usize = 16;
/// Of a full part, how much is freed at once: the share is one in so many.
const FREED_SHARE: usize = 8;
const NANOS_PER_MICRO: i64 = 1_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Whose calls are limited together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// An API key.
    Key,
    /// A customer.
    Customer,
    /// A client's address.
    Address,
}

/// Within what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A second.
    Second,
    /// A minute.
    Minute,
}

/// How a bucket stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Whose it is.
    pub dimension: Dimension,
    /// Within what time it is filled with `rate.count` requests.
    pub span: Span,
    /// The limit.
    pub rate: Rate,
    /// How many requests may come at once now.
    pub remaining: u64,
    /// When as many as ever may come again, in microseconds since 1970.
    pub full_at: i64,
    /// After how many seconds the next may come, where this one may not; at least one.
    pub refused_s: Option<u64>,
}

/// A caller, as buckets know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    dimension: Dimension,
    key: u128,
}

/// Counts calls. It keeps no names of callers, only keyed hashes of them.
#[derive(Debug)]
pub struct Buckets {
    limits: RateLimits,
    shards: Vec<Mutex<Shard>>,
    /// Keyed anew by each process: nobody makes callers that share a bucket.
    hashers: [RandomState; 2],
}

type Shard = HashMap<u128, Bucket>;

/// Until when the buckets of a second and of a minute are not full, in nanoseconds of real time.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket([i64; 2]);

impl Bucket {
    fn full_at(self) -> i64 {
        let Self([second, minute]) = self;
        second.max(minute)
    }

    fn level(&mut self, span: Span) -> &mut i64 {
        let Self([second, minute]) = self;
        match span {
            Span::Second => second,
            Span::Minute => minute,
        }
    }
}

impl Dimension {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Customer => "customer",
            Self::Address => "address",
        }
    }
}

impl Span {
    /// Both, in the order of buckets.
    const ALL: [Self; 2] = [Self::Second, Self::Minute];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
        }
    }

    /// How long it is, in seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }

    /// The time that one request takes of a bucket, in nanoseconds, rounded up: never are there more.
    fn step(self, rate: Rate) -> i64 {
        let count = i64::from(rate.count.max(1));
        (self.seconds() * NANOS_PER_SECOND + count - 1) / count
    }
}

impl State {
    /// The limit that refuses, of several the one that does so longest.
    pub fn refusal(states: &[Self]) -> Option<Self> {
        let refuse = states.iter().filter(|state| state.refused_s.is_some());
        refuse.max_by_key(|state| state.refused_s).copied()
    }

    /// What whoever is refused is told.
    pub fn message(&self) -> String {
        let (count, span, of) = (self.rate.count, self.span.as_str(), self.dimension.as_str());
        let what = if count == 1 { "request" } else { "requests" };
        format!("Rate limit exceeded: at most {count} {what} a {span} for each {of}")
    }
}

impl Caller {
    fn place(self) -> usize {
        (self.key % SHARDS as u128) as usize
    }
}

impl Buckets {
    /// Nobody called yet.
    pub fn new(limits: RateLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { limits, shards, hashers: [RandomState::new(), RandomState::new()] }
    }

    /// What is limited.
    pub fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// A caller, by whatever tells it from others.
    pub fn caller(&self, dimension: Dimension, who: impl Hash) -> Caller {
        let who = (dimension, who);
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(&who)));
        Caller { dimension, key: (high << 64) | low }
    }

    fn rates(&self, dimension: Dimension) -> [Option<Rate>; 2] {
        let Rates { per_second, per_minute } = match dimension {
            Dimension::Key => self.limits.key,
            Dimension::Customer => self.limits.customer,
            Dimension::Address => self.limits.address,
        };
        [per_second, per_minute]
    }

    /// Takes one request from the buckets of all that it is by, from each of them or from none; tells how they stand,
    /// where there are any. `now` is in microseconds since 1970.
    pub fn take(&self, callers: &[Caller], now: i64) -> Vec<State> {
        let now = now.saturating_mul(NANOS_PER_MICRO);
        let limited = |caller: &Caller| (*caller, self.rates(caller.dimension));
        let callers: Vec<_> =
            callers.iter().map(limited).filter(|(_, rates)| *rates != [None, None]).collect();
        let mut places: Vec<usize> = callers.iter().map(|(caller, _)| caller.place()).collect();
        places.sort_unstable();
        places.dedup();
        // Always in the same order, so that no two requests wait for each other.
        let lock = |place: usize| Some((place, self.shards.get(place)?.lock()));
        let mut shards: Vec<_> = places.into_iter().filter_map(lock).collect();
        let asked: Vec<Asked> = callers
            .iter()
            .flat_map(|(caller, rates)| {
                let known = shard(&mut shards, *caller).and_then(|shard| shard.get(&caller.key).copied());
                asked(*caller, *rates, known.unwrap_or_default(), now)
            })
            .collect();
        let is_allowed = asked.iter().all(|one| one.wait == 0);
        for (caller, _) in &callers {
            let of_caller = asked.iter().filter(|one| one.caller == *caller);
            if let Some(shard) = shard(&mut shards, *caller) {
                self.keep(shard, *caller, of_caller, is_allowed, now);
            }
        }
        drop(shards);
        asked.into_iter().map(|one| one.state(is_allowed, now)).collect()
    }

    fn keep<'a>(
        &self,
        shard: &mut Shard,
        caller: Caller,
        asked: impl Iterator<Item = &'a Asked>,
        is_allowed: bool,
        now: i64,
    ) {
        let known = shard.get(&caller.key).copied();
        let mut bucket = known.unwrap_or_default();
        for one in asked {
            // What is refused takes nothing; only a clock that was set back is made up for.
            *bucket.level(one.span) = if is_allowed { one.after } else { one.before };
        }
        if known.is_none() && is_allowed && shard.len() >= self.limits.buckets_max / SHARDS {
            make_room(shard, now);
        }
        if known.is_some() || is_allowed {
            shard.insert(caller.key, bucket);
        }
    }

    /// How many callers are remembered.
    pub fn remembered(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// The part of the memory that a caller is in, of those that are held.
fn shard<'a>(held: &'a mut [(usize, MutexGuard<'_, Shard>)], caller: Caller) -> Option<&'a mut Shard> {
    held.iter_mut().find(|(place, _)| *place == caller.place()).map(|(_, shard)| &mut **shard)
}

/// Lets go of callers whose buckets are full, which is as if they had never called; where that is not
/// enough, of those whose are nearest to it.
fn make_room(shard: &mut Shard, now: i64) {
    let before = shard.len();
    shard.retain(|_, bucket| bucket.full_at() > now);
    let freed = before / FREED_SHARE;
    if before - shard.len() >= freed.max(1) {
        return;
    }
    let mut ends: Vec<i64> = shard.values().map(|bucket| bucket.full_at()).collect();
    let place = freed.min(ends.len().saturating_sub(1));
    if ends.is_empty() {
        return;
    }
    let (_, cut, _) = ends.select_nth_unstable(place);
    let cut = *cut;
    shard.retain(|_, bucket| bucket.full_at() > cut);
}

/// A request held against the buckets of one caller.
fn asked(caller: Caller, rates: [Option<Rate>; 2], bucket: Bucket, now: i64) -> impl Iterator<Item = Asked> {
    let each = Span::ALL.into_iter().zip(rates).zip(bucket.0);
    each.filter_map(move |((span, rate), until)| Some(Asked::of(caller, span, rate?, until, now)))
}

/// A request held against one bucket.
struct Asked {
    caller: Caller,
    span: Span,
    rate: Rate,
    /// The level before, and after the request where it is allowed: until when it is not full.
    before: i64,
    after: i64,
    /// How long the request has to wait, in nanoseconds.
    wait: i64,
}

impl Asked {
    fn of(caller: Caller, span: Span, rate: Rate, until: i64, now: i64) -> Self {
        let step = span.step(rate);
        let capacity = step.saturating_mul(i64::from(rate.burst.max(1)));
        // A clock that was set back does not make anybody wait for it.
        let before = until.clamp(now, now.saturating_add(capacity));
        let after = before.saturating_add(step);
        Self { caller, span, rate, before, after, wait: (after - now - capacity).max(0) }
    }

    fn state(&self, is_taken: bool, now: i64) -> State {
        let step = self.span.step(self.rate);
        let level = if is_taken { self.after } else { self.before };
        let capacity = step.saturating_mul(i64::from(self.rate.burst.max(1)));
        let left = (capacity - (level - now)).max(0) / step;
        let seconds = (self.wait + NANOS_PER_SECOND - 1) / NANOS_PER_SECOND;
        State {
            dimension: self.caller.dimension,
            span: self.span,
            rate: self.rate,
            remaining: u64::try_from(left).unwrap_or(0),
            full_at: level.saturating_add(NANOS_PER_MICRO - 1) / NANOS_PER_MICRO,
            refused_s: (self.wait > 0).then(|| u64::try_from(seconds.max(1)).unwrap_or(1)),
        }
    }
}
