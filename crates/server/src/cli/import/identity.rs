//! Ids for rows that have none: the same row gets the same id whichever file it comes from.
use super::occurrences::Fingerprint;
use super::row::Row;
use reckoner_domain::decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a row's content comes down to: half of a SHA-256 over its fields in a fixed order, each
/// with its length. Numbers count by value and object keys in no order.
pub fn fingerprint(row: &Row) -> Fingerprint {
    let object = |fields: Option<&super::row::Fields>| {
        fields.map(|fields| canonical(&Value::Object(fields.clone()))).unwrap_or_default()
    };
    let fields = [
        row.customer.clone(),
        row.meter.clone(),
        row.value.to_string(),
        row.time.map(|time| time.to_string()).unwrap_or_default(),
        row.subject.clone().unwrap_or_default(),
        object(row.properties.as_ref()),
        object(row.source_context.as_ref()),
    ];
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    let digest = hash.finalize();
    let half = size_of::<Fingerprint>();
    digest.iter().take(half).fold(0, |bits, byte| bits << u8::BITS | Fingerprint::from(*byte))
}

/// The id of the `occurrence`th row (from 1) of this content.
pub fn derived_id(fingerprint: Fingerprint, occurrence: u32) -> String {
    format!("imp-{fingerprint:032x}-{occurrence}")
}

/// JSON text that is the same for values that mean the same.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => {
            Decimal::parse(number.as_str()).map_or_else(|_| number.to_string(), |number| number.to_string())
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            let entries = entries
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::String(name.clone()), canonical(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Fingerprint {
        fingerprint(&Row::read(&serde_json::from_str(json).expect("JSON"), false).expect("a row"))
    }

    #[test]
    fn content_counts_and_not_its_writing() {
        let native = r#"{"customer":"c","meter":"m","value":1.50,"time":"2026-01-14T10:00:00+01:00","properties":{"a":1,"b":[2.0]}}"#;
        let older = r#"{"eventType":"m","customerId":"c","metadata":{"b":[2],"a":1.0},"timestamp":"2026-01-14T09:00:00Z","value":"1.5"}"#;
        assert_eq!(of(native), of(older));
        for other in [
            r#"{"customer":"c","meter":"m"}"#,
            r#"{"customer":"c","meter":"m","value":2}"#,
            r#"{"customer":"cm","meter":"m"}"#,
            r#"{"customer":"c","meter":"mm"}"#,
            r#"{"customer":"c","meter":"m","subject":"s"}"#,
            r#"{"customer":"c","meter":"m","properties":{"a":1}}"#,
            r#"{"customer":"c","meter":"m","properties":{"a":"1"}}"#,
            r#"{"customer":"c","meter":"m","source_context":{"a":1}}"#,
        ] {
            assert_ne!(of(other), of(native), "{other}");
        }
        assert_ne!(
            of(r#"{"customer":"c","meter":"m","properties":{"a":1}}"#),
            of(r#"{"customer":"c","meter":"m","source_context":{"a":1}}"#)
        );
    }

    #[test]
    fn ids_are_short_enough_and_told_apart() {
        let fingerprint = of(r#"{"customer":"c","meter":"m"}"#);
        assert_ne!(derived_id(fingerprint, 1), derived_id(fingerprint, 2));
        assert!(derived_id(fingerprint, u32::MAX).len() < 64);
    }
}
