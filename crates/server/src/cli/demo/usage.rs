//! A month of usage of three customers.
use crate::cli::generate::{Generator, Shapes};
use crate::cli::random::SplitMix64;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::sum::Sum;
use reckoner_domain::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The customers of the demo.
pub const CUSTOMERS: [&str; 3] = ["acme", "globex", "initech"];
/// The event types of the demo with their operations.
pub const EVENT_TYPES: [(&str, &str); 3] =
    [("api.calls", "sum"), ("storage.bytes", "max"), ("response.time.ms", "avg")];
/// The type whose sums are checked.
pub const SUMMED: &str = "api.calls";

/// Events of a month, and what they must come to.
pub struct Usage {
    /// The events as `POST /v1/events` takes them, in the order of their times.
    pub events: Vec<Value>,
    /// The sum of [`SUMMED`] for each customer.
    pub sums: BTreeMap<String, Sum>,
}

/// `count` events spread evenly from `from` until before `to`; the same seed makes the same ones.
pub fn month(count: u32, from: Timestamp, to: Timestamp, seed: u64) -> Usage {
    let generator = Generator {
        customers: CUSTOMERS.map(String::from).to_vec(),
        event_types: EVENT_TYPES.map(|(name, _)| name.to_owned()).to_vec(),
        shapes: Shapes::default(),
        id_prefix: "demo".to_owned(),
        random: SplitMix64::new(seed),
        made: 0,
    };
    let step = to.micros_since(from) / i64::from(count.max(1));
    let mut usage = Usage { events: Vec::new(), sums: BTreeMap::new() };
    for (index, generated) in (0_i64..i64::from(count)).zip(generator) {
        let mut event = generated.to_event();
        let time = from.plus_micros(index.saturating_mul(step));
        if let Some(fields) = event.as_object_mut() {
            fields.insert("time".into(), Value::String(time.to_string()));
        }
        usage.events.push(event);
        if generated.event_type == SUMMED {
            let value = Decimal::parse(generated.value.as_str()).unwrap_or_default();
            let sum = usage.sums.entry(generated.customer).or_insert(Sum::ZERO);
            *sum = sum.plus(value).unwrap_or(*sum);
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_spread_over_the_month_and_add_up() {
        let from = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
        let to = Timestamp::parse("2026-01-31T00:00:00Z").expect("a time");
        let usage = month(300, from, to, 1);
        let times: Vec<&str> = usage.events.iter().filter_map(|event| event["time"].as_str()).collect();
        assert_eq!((times[0], times[299]), ("2026-01-01T00:00:00.000000Z", "2026-01-30T21:36:00.000000Z"));
        for (customer, sum) in &usage.sums {
            let values = usage
                .events
                .iter()
                .filter(|event| event["meter"] == SUMMED && event["customer"] == **customer);
            let total: u64 = values.filter_map(|event| event["value"].as_u64()).sum();
            assert_eq!(sum.to_string(), total.to_string());
        }
        assert_eq!(usage.sums.len(), 3);
        assert!(month(0, from, to, 1).events.is_empty());
    }
}
