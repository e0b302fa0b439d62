//! Events such as a real system would send.
use super::shape::Shapes;
use crate::cli::random::SplitMix64;
use serde_json::{Map, Number, Value, json};

const METHODS: [&str; 5] = ["GET", "GET", "POST", "PUT", "DELETE"];
const ENDPOINTS: [&str; 6] =
    ["/api/users", "/api/orders", "/api/products", "/api/reports", "/api/search", "/api/files/{id}"];
const STATUSES: [u16; 8] = [200, 200, 200, 201, 204, 400, 404, 500];
const FILE_TYPES: [&str; 6] = ["pdf", "png", "csv", "json", "mp4", "zip"];

/// A random event.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Its idempotency key, so that sending it again does no harm.
    pub id: String,
    /// The customer who used something.
    pub customer: String,
    /// The event type.
    pub event_type: String,
    /// How much.
    pub value: Number,
    /// What fits the type: an endpoint, a file type.
    pub properties: Map<String, Value>,
}

/// Makes random events without end; the same seed makes the same ones.
#[derive(Clone, Debug)]
pub struct Generator {
    /// The customers to draw from; no event comes without one.
    pub customers: Vec<String>,
    /// The event types to draw from; no event comes without one.
    pub event_types: Vec<String>,
    /// What the meters of each type read.
    pub shapes: Shapes,
    /// What ids begin with; a number follows.
    pub id_prefix: String,
    /// Where the draws come from.
    pub random: SplitMix64,
    /// Events made so far.
    pub made: u64,
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        let customer = self.random.pick(&self.customers)?.clone();
        let event_type = self.random.pick(&self.event_types)?.clone();
        let (value, mut properties) = usage(&event_type, &mut self.random);
        self.shapes.fill(&event_type, &mut properties, &mut self.random);
        let id = format!("{}-{}", self.id_prefix, self.made);
        self.made += 1;
        Some(Generated { id, customer, event_type, value, properties })
    }
}

impl Generated {
    /// The event as `POST /usage/{eventType}` takes it.
    pub fn to_usage(&self) -> Value {
        json!({"id": self.id, "customerId": self.customer, "value": self.value, "metadata": self.properties})
    }

    /// The event as an entry of `POST /usagebatch`.
    pub fn to_batch_entry(&self) -> Value {
        json!({"id": self.id, "eventType": self.event_type, "customerId": self.customer,
               "value": self.value, "metadata": self.properties})
    }

    /// The event as `POST /v1/events` takes it.
    pub fn to_event(&self) -> Value {
        json!({"id": self.id, "customer": self.customer, "meter": self.event_type,
               "value": self.value, "properties": self.properties})
    }
}

/// A value and properties that fit an event type, judged by how it begins.
fn usage(event_type: &str, random: &mut SplitMix64) -> (Number, Map<String, Value>) {
    let family = event_type.split('.').next().unwrap_or_default();
    let value = match family {
        "storage" | "traffic" => whole(random.between(1_024, 10 * 1_024 * 1_024)),
        "response" => tenths(random.between(50, 25_000)),
        _ => whole(random.between(1, 100)),
    };
    let properties = match family {
        "api" | "traffic" => json!({
            "method": random.pick(&METHODS),
            "endpoint": random.pick(&ENDPOINTS),
            "statusCode": random.pick(&STATUSES),
        }),
        "storage" => json!({"fileType": random.pick(&FILE_TYPES)}),
        "response" => json!({"endpoint": random.pick(&ENDPOINTS)}),
        _ => json!({"source": "reckoner generate"}),
    };
    (value, properties.as_object().cloned().unwrap_or_default())
}

fn whole(number: u64) -> Number {
    Number::from(number)
}

/// A number of tenths as an exact decimal: 57 is 5.7.
fn tenths(number: u64) -> Number {
    Number::from_string_unchecked(format!("{}.{}", number / 10, number % 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::decimal::Decimal;

    fn generator(seed: u64) -> Generator {
        Generator {
            customers: vec!["a".into(), "b".into()],
            event_types: ["api.calls", "storage.bytes", "response.time.ms", "else"]
                .map(String::from)
                .to_vec(),
            shapes: Shapes::default(),
            id_prefix: "run".into(),
            random: SplitMix64::new(seed),
            made: 0,
        }
    }

    #[test]
    fn a_seed_repeats_its_events() {
        let events: Vec<Generated> = generator(7).take(200).collect();
        assert_eq!(events, generator(7).take(200).collect::<Vec<_>>());
        assert_ne!(events, generator(8).take(200).collect::<Vec<_>>());
        assert_eq!(events[199].id, "run-199");
    }

    #[test]
    fn properties_fit_the_type() {
        for event in generator(1).take(500) {
            let names: Vec<&str> = event.properties.keys().map(String::as_str).collect();
            let expected: &[&str] = match event.event_type.as_str() {
                "api.calls" => &["method", "endpoint", "statusCode"],
                "storage.bytes" => &["fileType"],
                "response.time.ms" => &["endpoint"],
                _ => &["source"],
            };
            assert_eq!(names, expected);
            assert!(Decimal::parse(event.value.as_str()).is_ok_and(|value| value > Decimal::ZERO));
        }
    }

    #[test]
    fn without_customers_or_types_there_is_nothing() {
        assert_eq!(Generator { customers: Vec::new(), ..generator(1) }.next(), None);
        assert_eq!(Generator { event_types: Vec::new(), ..generator(1) }.next(), None);
    }
}
