//! Values as a document database dumps them (its extended JSON), as plain ones.
use reckoner_domain::time::Timestamp;
use serde_json::{Number, Value};

/// What a dump puts before the names of its wrappings.
pub const MARK: &str = "\"$";
/// Microseconds of a millisecond.
const MILLI: i64 = 1_000;

/// A value without wrappings, at any depth: `{"$oid":"..."}`, `{"$date":"..."}`,
/// `{"$date":{"$numberLong":"..."}}` (milliseconds since 1970), `{"$numberInt":"5"}` and so on.
pub fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 => {
            let (name, inner) = match map.into_iter().next() {
                Some((name, inner)) => (name, plain(inner)),
                None => return Value::Null,
            };
            unwrap(&name, &inner).unwrap_or_else(|| Value::Object([(name, inner)].into_iter().collect()))
        }
        Value::Object(map) => map.into_iter().map(|(name, inner)| (name, plain(inner))).collect(),
        Value::Array(list) => list.into_iter().map(plain).collect(),
        other => other,
    }
}

/// What a wrapping of this name stands for.
fn unwrap(name: &str, inner: &Value) -> Option<Value> {
    match (name, inner) {
        ("$oid" | "$date", Value::String(_)) => Some(inner.clone()),
        ("$date", Value::Number(millis)) => {
            let micros = millis.as_str().parse::<i64>().ok()?.checked_mul(MILLI)?;
            Timestamp::from_micros(micros).map(|time| Value::String(time.to_string()))
        }
        ("$numberInt" | "$numberLong" | "$numberDouble" | "$numberDecimal", Value::String(text)) => {
            // `NaN` and `Infinity` are no numbers of JSON, and are refused where a number is expected.
            let number = serde_json::from_str::<Number>(text);
            Some(number.map_or_else(|_| inner.clone(), Value::Number))
        }
        ("$numberInt" | "$numberLong" | "$numberDouble" | "$numberDecimal", Value::Number(_)) => {
            Some(inner.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappings_come_off_at_any_depth() {
        for (dumped, expected) in [
            (r#"{"$oid":"65a"}"#, r#""65a""#),
            (r#"{"$date":"2026-01-12T00:00:00Z"}"#, r#""2026-01-12T00:00:00Z""#),
            (r#"{"$date":{"$numberLong":"1768176000000"}}"#, r#""2026-01-12T00:00:00.000000Z""#),
            (r#"{"$date":-1}"#, r#""1969-12-31T23:59:59.999000Z""#),
            (
                r#"{"a":{"$numberInt":"5"},"b":[{"$numberDouble":"0.10"},{"$numberDecimal":"1E3"}]}"#,
                r#"{"a":5,"b":[0.10,1e+3]}"#,
            ),
            (r#"{"$numberDouble":"NaN"}"#, r#""NaN""#),
            (r#"{"$date":{"$numberLong":"x"}}"#, r#""x""#),
            (r#"{"$ref":"x"}"#, r#"{"$ref":"x"}"#),
            (r#"{"$oid":1,"x":2}"#, r#"{"$oid":1,"x":2}"#),
            ("{}", "{}"),
        ] {
            let value: Value = serde_json::from_str(dumped).expect("JSON");
            assert_eq!(plain(value).to_string(), expected, "{dumped}");
        }
    }
}
