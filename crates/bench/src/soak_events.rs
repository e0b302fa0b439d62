//! The events of a soak: each follows from its number.
use crate::sample::{now, write_id};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::io::Write;

/// Events of a batch.
const BATCH_EVENTS: u64 = 1_000;
/// Customers that use something.
pub const CUSTOMERS: u64 = 10_000;
/// Days that the events are spread over, in order but for half an hour.
pub const DAYS: i64 = 30;
const MODELS: [&str; 4] = ["small", "medium", "large", "huge"];
const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-south-1"];
/// Seconds that an event may be earlier than its turn.
const EARLIER_SECONDS: u64 = 1_800;
const DAY_SECONDS: i64 = 86_400;

/// The events of a soak.
pub struct Plan {
    events: u64,
    /// No event is earlier.
    pub from: Timestamp,
    /// No event is later.
    pub to: Timestamp,
}

/// What the totals must be, in hundredths.
pub struct Expected {
    /// By customer.
    pub by_customer: Vec<u64>,
    /// By day since 1970 (UTC).
    pub by_day: BTreeMap<i64, u64>,
}

/// One event.
struct Event {
    customer: u64,
    seconds: i64,
    cents: u64,
    bits: u64,
}

impl Plan {
    /// So many events, of the last month.
    pub fn new(events: u64) -> Self {
        let to = now();
        Self { events, from: to - SignedDuration::from_hours(24 * DAYS + 1), to }
    }

    /// How many batches.
    pub fn batches(&self) -> u64 {
        self.events.div_ceil(BATCH_EVENTS)
    }

    /// How many events a batch has.
    pub fn events_of(&self, batch: u64) -> u64 {
        self.events.saturating_sub(batch * BATCH_EVENTS).min(BATCH_EVENTS)
    }

    fn event(&self, number: u64) -> Event {
        let bits = scramble(number);
        let span = DAYS.unsigned_abs() * DAY_SECONDS.unsigned_abs();
        let turn = (u128::from(span) * u128::from(number) / u128::from(self.events.max(1))) as u64;
        let seconds = self.to.as_second()
            - (span - turn) as i64
            - (bits >> 20 & 0xffff) as i64 % EARLIER_SECONDS as i64;
        Event { customer: bits % CUSTOMERS, seconds, cents: bits >> 40 & 0x3ff, bits }
    }

    /// A batch as the server takes it.
    pub fn body(&self, batch: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(240 * BATCH_EVENTS as usize);
        let first = batch * BATCH_EVENTS;
        for number in first..first + self.events_of(batch) {
            body.push(if number == first { b'[' } else { b',' });
            let Event { customer, seconds, cents, bits } = self.event(number);
            let mut id = [0; crate::sample::ID_BYTES];
            write_id(u128::from(bits) << 64 | u128::from(scramble(bits)), &mut id);
            let id = str::from_utf8(&id).unwrap_or_default();
            let time = Timestamp::from_second(seconds).unwrap_or(self.to);
            let name = customer_name(customer);
            let pick = |names: &'static [&'static str], shift: u32| {
                names.get((bits >> shift) as usize % names.len()).copied().unwrap_or_default()
            };
            let (model, region) = (pick(&MODELS, 8), pick(&REGIONS, 12));
            // Nothing is written to a vector in vain.
            let _ = write!(
                body,
                "{{\"id\":\"{id}\",\"customer\":\"{name}\",\"meter\":\"api.calls\",\"value\":{}.{:02},\"time\":\"{time}\",\
                 \"properties\":{{\"model\":\"{model}\",\"region\":\"{region}\",\"status\":200}}}}",
                cents / 100,
                cents % 100
            );
        }
        body.push(b']');
        body
    }
}

/// What a customer is called.
pub fn customer_name(number: u64) -> String {
    format!("customer_{number:05}")
}

impl Expected {
    /// Adds up all events of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut expected = Self { by_customer: vec![0; CUSTOMERS as usize], by_day: BTreeMap::new() };
        for event in (0..plan.events).map(|number| plan.event(number)) {
            if let Some(cents) = expected.by_customer.get_mut(event.customer as usize) {
                *cents += event.cents;
            }
            *expected.by_day.entry(event.seconds.div_euclid(DAY_SECONDS)).or_default() += event.cents;
        }
        expected
    }
}

/// The finaliser of splitmix64: a bijection whose values look random.
pub fn scramble(x: u64) -> u64 {
    crate::sample::scramble(x)
}

#[test]
fn a_batch_is_json_and_its_totals_are_known() {
    let plan = Plan::new(2_500);
    let mut cents = 0;
    for batch in 0..plan.batches() {
        let events: Vec<serde_json::Value> = serde_json::from_slice(&plan.body(batch)).unwrap();
        assert_eq!(events.len() as u64, plan.events_of(batch));
        let value = |event: &serde_json::Value| (event["value"].as_f64().unwrap() * 100.0).round() as u64;
        cents += events.iter().map(value).sum::<u64>();
    }
    let expected = Expected::of(&plan);
    assert_eq!(expected.by_customer.iter().sum::<u64>(), cents);
    assert_eq!(expected.by_day.values().sum::<u64>(), cents);
}
