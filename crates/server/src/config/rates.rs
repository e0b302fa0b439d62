//! How often one may call.
use super::reader::{Named, Reader, named};

pub use reckoner_client::rates::RateLimits;
use reckoner_client::rates::{RATE_MAX, Rate, Rates};

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
        [second, minute, burst].map(|setting| reader.number(setting, 0, 0..=RATE_MAX.into()) as u32);
    if at_once > 0 && per_second == 0 {
        reader.problem(burst.name, format!("needs {} to be set", second.name));
    }
    let rate = |count: u32, burst: u32| (count > 0).then_some(Rate { count, burst });
    Rates {
        per_second: rate(per_second, if at_once > 0 { at_once } else { per_second }),
        per_minute: rate(per_minute, per_minute),
    }
}
