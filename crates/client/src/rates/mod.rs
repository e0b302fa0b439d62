//! Token buckets: how often a key, a customer or an address may call, in real time.
//!
//! [`MeterLayer::rate_limits`](crate::MeterLayer::rate_limits) keeps them for a web service. The rest of this module is what
//! it does that with, for services that are no tower services: [`Buckets`] counts, [`tell`] writes the headers.
//!
//! ```
//! use reckoner_client::rates::{Buckets, Dimension, RateLimits, State, tell};
//!
//! let limits = RateLimits::default().per_customer("2/s,100/m".parse()?);
//! let buckets = Buckets::new(limits);
//! let now = 1_800_000_000_000_000; // microseconds since 1970
//! let acme = [buckets.caller(Dimension::Customer, "acme")];
//!
//! assert_eq!(State::refusal(&buckets.take(&acme, now)), None);
//! assert_eq!(State::refusal(&buckets.take(&acme, now)), None);
//! let states = buckets.take(&acme, now);
//! let refusal = State::refusal(&states).expect("a third one within a second");
//! assert_eq!(refusal.message(), "Rate limit exceeded: at most 2 requests a second for each customer");
//!
//! let mut headers = http::HeaderMap::new();
//! tell(&mut headers, &states, now);
//! assert_eq!(headers["ratelimit-policy"], "\"customer-second\";q=2;w=1, \"customer-minute\";q=100;w=60");
//! # Ok::<(), reckoner_client::rates::RatesError>(())
//! ```
use std::net::{IpAddr, Ipv6Addr};

mod buckets;
mod headers;
#[cfg(test)]
mod tests;
mod text;

pub use buckets::{Buckets, Caller, Dimension, Span, State};
pub use headers::tell;
pub use text::RatesError;

/// The highest limit.
pub const RATE_MAX: u32 = 1_000_000;
/// How many callers are remembered unless said otherwise.
const BUCKETS_MAX: usize = 100_000;
/// The part of an IPv6 address that one client has for itself alone.
const IPV6_CLIENT_BITS: u32 = 64;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests are allowed anew within each second or minute; at least one.
    pub count: u32,
    /// How many may come at once; at least one.
    pub burst: u32,
}

/// The limits of one caller; each holds by itself. As a text `10/s,600/m,burst=20`: so many a second and a minute, and
/// so many at once against the limit of a second (as many as that limit where it is not said).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Within a second.
    pub per_second: Option<Rate>,
    /// Within a minute.
    pub per_minute: Option<Rate>,
}

/// Who is limited, and how. Nobody is by default.
///
/// ```
/// use reckoner_client::{Rate, RateLimits, Rates};
///
/// let limits = RateLimits::default()
///     .per_key(Rates::default().per_second(Rate::new(10).at_once(20)).per_minute(Rate::new(300)))
///     .per_address("50/s".parse()?);
/// assert_eq!(limits.key, "10/s,300/m,burst=20".parse()?);
/// assert!(limits.is_on());
/// # Ok::<(), reckoner_client::rates::RatesError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// One API key.
    pub key: Rates,
    /// One customer.
    pub customer: Rates,
    /// One client address.
    pub address: Rates,
    /// How many callers are remembered who used some of their limit.
    pub buckets_max: usize,
}

impl Rate {
    /// So many requests within each second or minute, and as many at once; one at least.
    pub fn new(count: u32) -> Self {
        let count = count.clamp(1, RATE_MAX);
        Self { count, burst: count }
    }

    /// How many may come at once; one at least.
    pub fn at_once(self, burst: u32) -> Self {
        Self { burst: burst.clamp(1, RATE_MAX), ..self }
    }
}

impl Rates {
    /// Limits requests within a second.
    pub fn per_second(self, rate: Rate) -> Self {
        Self { per_second: Some(rate), ..self }
    }

    /// Limits requests within a minute.
    pub fn per_minute(self, rate: Rate) -> Self {
        Self { per_minute: Some(rate), ..self }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        let (key, customer, address) = Default::default();
        Self { key, customer, address, buckets_max: BUCKETS_MAX }
    }
}

impl RateLimits {
    /// Limits each API key.
    pub fn per_key(self, key: Rates) -> Self {
        Self { key, ..self }
    }

    /// Limits each customer.
    pub fn per_customer(self, customer: Rates) -> Self {
        Self { customer, ..self }
    }

    /// Limits each client address; of IPv6 the first 64 bits are one.
    pub fn per_address(self, address: Rates) -> Self {
        Self { address, ..self }
    }

    /// How many keys, customers and addresses are remembered that used some of their limits, about a hundred bytes each:
    /// 100,000 by default. Beyond it those are forgotten who used least.
    pub fn buckets_max(self, buckets_max: usize) -> Self {
        Self { buckets_max, ..self }
    }

    /// Whether anything is limited.
    pub fn is_on(&self) -> bool {
        [self.key, self.customer, self.address].iter().any(|rates| *rates != Rates::default())
    }
}

/// What tells clients apart: an address, of IPv6 only the part that tells networks apart.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - IPV6_CLIENT_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address @ IpAddr::V4(_) => address,
    }
}
