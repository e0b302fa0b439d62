//! How often one may call.
use super::reader::{Named, Reader, named};

/// The highest limit.
const RATE_MAX: u64 = 1_000_000;

/// How often one may call, in real time.
#[derive(Clone, Copy, Debug, Default)]
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

/// The limits of one caller; each holds by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Within a second.
    pub per_second: Option<Rate>,
    /// Within a minute.
    pub per_minute: Option<Rate>,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests are allowed anew within each second or minute; at least one.
    pub count: u32,
    /// How many may come at once; at least one.
    pub burst: u32,
}

pub(super) fn read_rate_limits(reader: &mut Reader<'_>) -> RateLimits {
    let key = [
        named("rate_limits.key_per_second", "Requests a second with one API key; 0 is no limit."),
        named("rate_limits.key_per_minute", "Requests a minute with one API key; 0 is no limit."),
        named(
            "rate_limits.key_burst",
            "Requests with one API key that may come at once, against its limit of a second; 0 is as many as that limit.",
        ),
    ];
    let customer = [
        named(
            "rate_limits.customer_per_second",
            "Requests a second by one customer, or on its behalf that ask what it may use; 0 is no limit.",
        ),
        named("rate_limits.customer_per_minute", "The same within a minute."),
        named(
            "rate_limits.customer_burst",
            "Requests of one customer that may come at once, against its limit of a second; 0 is as many as that limit.",
        ),
    ];
    let address = [
        named(
            "rate_limits.address_per_second",
            "Requests a second from one client address, whoever it is; 0 is no limit.",
        ),
        named("rate_limits.address_per_minute", "The same within a minute."),
        named(
            "rate_limits.address_burst",
            "Requests from one client address that may come at once, against its limit of a second; 0 is as many as that limit.",
        ),
    ];
    RateLimits {
        key: read_rates(reader, key),
        customer: read_rates(reader, customer),
        address: read_rates(reader, address),
        buckets_max: reader.number(
            named(
                "rate_limits.buckets_max",
                "How many keys, customers and addresses are remembered that used some of their limits; beyond it those go who used least.",
            ),
            100_000,
            1_000..=10_000_000,
        ) as usize,
    }
}

fn read_rates(reader: &mut Reader<'_>, [second, minute, burst]: [Named; 3]) -> Rates {
    let [per_second, per_minute, at_once] =
        [second, minute, burst].map(|setting| reader.number(setting, 0, 0..=RATE_MAX) as u32);
    if at_once > 0 && per_second == 0 {
        reader.problem(burst.name, format!("needs {} to be set", second.name));
    }
    let rate = |count: u32, burst: u32| (count > 0).then_some(Rate { count, burst });
    Rates {
        per_second: rate(per_second, if at_once > 0 { at_once } else { per_second }),
        per_minute: rate(per_minute, per_minute),
    }
}
