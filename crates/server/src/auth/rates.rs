//! Token buckets: how often a key, a customer or an address may call. In real time, in the memory of this
//! process, for a bounded number of callers.
use crate::config::{Rate, RateLimits as Settings, Rates};
use parking_lot::Mutex;
use reckoner_domain::time::Timestamp;
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
    /// When as many as ever may come again.
    pub full_at: Timestamp,
    /// After how many seconds the next may come, where this one may not; at least one.
    pub refused_s: Option<u64>,
}

/// Counts calls.
#[derive(Debug)]
pub struct RateLimits {
    settings: Settings,
    shards: Vec<Mutex<HashMap<u128, Bucket>>>,
    /// Keyed anew by each process: nobody makes callers that share a bucket.
    hashers: [RandomState; 2],
}

/// Until when the buckets of a second and of a minute are not full, in nanoseconds of real time.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket([i64; 2]);

impl Bucket {
    fn full_at(self) -> i64 {
        let Self([second, minute]) = self;
        second.max(minute)
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

impl RateLimits {
    /// Nobody called yet.
    pub fn new(settings: Settings) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { settings, shards, hashers: [RandomState::new(), RandomState::new()] }
    }

    /// Whether anything is limited.
    pub fn is_on(&self) -> bool {
        let Settings { key, customer, address, .. } = self.settings;
        [key, customer, address].iter().any(|rates| *rates != Rates::default())
    }

    fn rates(&self, dimension: Dimension) -> [Option<Rate>; 2] {
        let rates = match dimension {
            Dimension::Key => self.settings.key,
            Dimension::Customer => self.settings.customer,
            Dimension::Address => self.settings.address,
        };
        [rates.per_second, rates.per_minute]
    }

    /// Takes one request from the buckets of a caller, from all of them or from none; tells how they
    /// stand, where there are any.
    pub fn take(&self, dimension: Dimension, who: impl Hash, now: Timestamp) -> Vec<State> {
        let rates = self.rates(dimension);
        if rates == [None, None] {
            return Vec::new();
        }
        let now = now.as_micros().saturating_mul(NANOS_PER_MICRO);
        let key = self.key(&(dimension, who));
        let Some(shard) = self.shards.get((key % SHARDS as u128) as usize) else { return Vec::new() };
        let mut shard = shard.lock();
        let known = shard.get(&key).copied();
        let mut bucket = known.unwrap_or_default();
        let mut asked = Vec::with_capacity(Span::ALL.len());
        for ((span, rate), until) in Span::ALL.into_iter().zip(rates).zip(bucket.0) {
            asked.extend(rate.map(|rate| Asked::of(span, rate, until, now)));
        }
        let is_allowed = asked.iter().all(|one| one.wait == 0);
        for ((level, rate), span) in bucket.0.iter_mut().zip(rates).zip(Span::ALL) {
            let Some(one) = rate.map(|rate| Asked::of(span, rate, *level, now)) else { continue };
            *level = if is_allowed { one.after } else { one.before };
        }
        // What is refused takes nothing; only a clock that was set back is made up for.
        if known.is_none() && is_allowed && shard.len() >= self.settings.buckets_max / SHARDS {
            make_room(&mut shard, now);
        }
        if known.is_some() || is_allowed {
            shard.insert(key, bucket);
        }
        drop(shard);
        asked.into_iter().map(|one| one.state(dimension, is_allowed, now)).collect()
    }

    fn key(&self, who: &impl Hash) -> u128 {
        let [high, low] = [0, 1]
            .map(|place: usize| self.hashers.get(place).map_or(0, |hasher| u128::from(hasher.hash_one(who))));
        (high << 64) | low
    }

    /// How many callers are remembered.
    pub fn remembered(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// Lets go of callers whose buckets are full, which is as if they had never called; where that is not
/// enough, of those whose are nearest to it.
fn make_room(shard: &mut HashMap<u128, Bucket>, now: i64) {
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

/// A request held against one bucket.
struct Asked {
    span: Span,
    rate: Rate,
    /// The level before, and after the request where it is allowed: until when it is not full.
    before: i64,
    after: i64,
    /// How long the request has to wait, in nanoseconds.
    wait: i64,
}

impl Asked {
    fn of(span: Span, rate: Rate, until: i64, now: i64) -> Self {
        let step = span.step(rate);
        let capacity = step.saturating_mul(i64::from(rate.burst.max(1)));
        // A clock that was set back does not make anybody wait for it.
        let before = until.clamp(now, now.saturating_add(capacity));
        let after = before.saturating_add(step);
        Self { span, rate, before, after, wait: (after - now - capacity).max(0) }
    }

    fn state(&self, dimension: Dimension, is_taken: bool, now: i64) -> State {
        let step = self.span.step(self.rate);
        let level = if is_taken { self.after } else { self.before };
        let capacity = step.saturating_mul(i64::from(self.rate.burst.max(1)));
        let left = (capacity - (level - now)).max(0) / step;
        let seconds = (self.wait + NANOS_PER_SECOND - 1) / NANOS_PER_SECOND;
        State {
            dimension,
            span: self.span,
            rate: self.rate,
            remaining: u64::try_from(left).unwrap_or(0),
            full_at: Timestamp::from_micros_clamped((level + NANOS_PER_MICRO - 1) / NANOS_PER_MICRO),
            refused_s: (self.wait > 0).then(|| u64::try_from(seconds.max(1)).unwrap_or(1)),
        }
    }
}

#[cfg(test)]
mod tests;
