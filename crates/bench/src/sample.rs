//! The events that are sent: about 230 bytes of JSON each, with UUIDs as ids.
//!
//! A request is made once and only its ids are written anew, so that the load costs little beside what it measures.
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};

/// Events of a batch.
pub const BATCH_EVENTS: usize = 1_000;
/// Customers that the events of a batch belong to.
const CUSTOMERS: usize = 1_000;
/// Bytes of a UUID as text.
pub const ID_BYTES: usize = 36;

/// The parts of an event around its id.
const BEFORE_ID: &str = r#"{"id":""#;

/// Distinct ids: each source has a number of its own and counts.
pub struct Ids {
    source: u64,
    count: u64,
}

static SOURCES: AtomicU64 = AtomicU64::new(1);

impl Ids {
    /// A source whose ids no other source of this process makes.
    pub fn new() -> Self {
        Self { source: SOURCES.fetch_add(1, Ordering::Relaxed), count: 0 }
    }

    /// The next id: bits that look random, as those of a UUID version 4 do.
    pub fn next_bits(&mut self) -> u128 {
        self.count += 1;
        // Both halves are a bijection of source and count, so no two ids are alike.
        let high = scramble(self.source << 40 | self.count);
        u128::from(high) << 64 | u128::from(scramble(high))
    }

    /// Writes the next id as text.
    pub fn write(&mut self, to: &mut [u8]) {
        write_id(self.next_bits(), to);
    }
}

/// Writes an id as text.
pub fn write_id(bits: u128, to: &mut [u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut nibble = 32;
    for (at, byte) in to.iter_mut().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            *byte = b'-';
            continue;
        }
        nibble -= 1;
        let digit = (bits >> (4 * nibble) & 15) as usize;
        *byte = HEX.get(digit).copied().unwrap_or_default();
    }
}

/// The finaliser of splitmix64.
pub fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A body with places for the ids.
pub struct Body {
    /// The JSON text.
    pub bytes: Vec<u8>,
    /// Where the ids begin.
    ids_at: Vec<usize>,
}

impl Body {
    /// One event as an object, more as an array; all of them within the last minute.
    pub fn new(events: usize) -> Self {
        let mut body = Self { bytes: Vec::new(), ids_at: Vec::with_capacity(events) };
        let newest = now();
        for index in 0..events {
            if events > 1 {
                body.bytes.push(if index == 0 { b'[' } else { b',' });
            }
            body.ids_at.push(body.bytes.len() + BEFORE_ID.len());
            let time = newest - SignedDuration::from_millis(index as i64);
            body.bytes.extend(event(index % CUSTOMERS, time).bytes());
        }
        if events > 1 {
            body.bytes.push(b']');
        }
        body
    }

    /// Puts something before the body, a request's head for instance.
    pub fn prefixed(mut self, head: &[u8]) -> Self {
        self.bytes.splice(0..0, head.iter().copied());
        self.ids_at.iter_mut().for_each(|at| *at += head.len());
        self
    }

    /// Gives every event a new id.
    pub fn renew(&mut self, ids: &mut Ids) {
        for at in &self.ids_at {
            if let Some(place) = self.bytes.get_mut(*at..*at + ID_BYTES) {
                ids.write(place);
            }
        }
    }

    /// The ids as they stand.
    pub fn ids(&self) -> impl Iterator<Item = &[u8]> {
        self.ids_at.iter().filter_map(|at| self.bytes.get(*at..*at + ID_BYTES))
    }
}

/// The present, by the machine's clock: a server takes only recent events.
#[expect(clippy::disallowed_methods, reason = "a load is dated by real time")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

fn event(customer: usize, time: Timestamp) -> String {
    let blank = "0".repeat(ID_BYTES);
    format!(
        "{BEFORE_ID}{blank}\",\"customer\":\"customer_{customer:04}\",\"meter\":\"api.calls\",\"value\":1,\
         \"time\":\"{time:.6}\",\"properties\":{{\"endpoint\":\"/api/v1/documents/{{id}}\",\"method\":\"POST\",\
         \"region\":\"eu-west-1\",\"status\":201}}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_body_is_json_with_new_ids_each_time() {
        let (mut body, mut ids, mut seen) = (Body::new(BATCH_EVENTS), Ids::new(), HashSet::new());
        for _ in 0..3 {
            body.renew(&mut ids);
            let events: Vec<serde_json::Value> = serde_json::from_slice(&body.bytes).unwrap();
            assert!(events.iter().all(|event| seen.insert(event["id"].as_str().unwrap().to_owned())));
        }
        assert_eq!(seen.len(), 3 * BATCH_EVENTS);
        assert!((220..=240).contains(&Body::new(1).bytes.len()), "{}", Body::new(1).bytes.len());
    }

    #[test]
    fn a_head_moves_the_ids() {
        let mut body = Body::new(1).prefixed(b"POST ");
        body.renew(&mut Ids::new());
        assert!(body.bytes.starts_with(b"POST {\"id\":\""));
        assert_eq!(body.ids().next().unwrap().split(|byte| *byte == b'-').count(), 5);
    }
}
