//! What `POST /v1/events` says about the events it got.
use super::client::one_error;
use serde_json::{Deserializer, Value};

/// The counts of an answer, and the events that were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events that were new and are stored.
    pub accepted: u64,
    /// Events that were there before.
    pub duplicate: u64,
    /// Events that were refused.
    pub rejected: u64,
    /// Which ones were refused, and why.
    pub refusals: Vec<Refusal>,
}

/// An event that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the request, from 0.
    pub index: usize,
    /// The reasons; never empty.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// Reads the answer, which is one JSON object with the counts and `outcomes`, or NDJSON whose
    /// last line has the counts. `None` when the counts are missing: the answer was cut short, or
    /// it is none of these.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut verdict = Self::default();
        let mut counted = false;
        for value in Deserializer::from_slice(body).into_iter::<Value>() {
            let value = value.ok()?;
            verdict.refusals.extend(refusal(&value));
            let outcomes = value.get("outcomes").and_then(Value::as_array);
            verdict.refusals.extend(outcomes.into_iter().flatten().filter_map(refusal));
            if let Some(accepted) = count(&value, "accepted") {
                verdict.accepted = accepted;
                verdict.duplicate = count(&value, "duplicate")?;
                verdict.rejected = count(&value, "rejected")?;
                counted = true;
            }
        }
        counted.then_some(verdict)
    }
}

fn count(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

/// An outcome that is no acceptance: `{"index","id","status","errors"}`.
fn refusal(outcome: &Value) -> Option<Refusal> {
    let index = usize::try_from(outcome.get("index")?.as_u64()?).ok()?;
    let status = outcome.get("status").and_then(Value::as_str).unwrap_or("rejected");
    if matches!(status, "accepted" | "duplicate") {
        return None;
    }
    let errors = outcome.get("errors").and_then(Value::as_array);
    let mut reasons: Vec<String> = errors.into_iter().flatten().map(one_error).collect();
    if reasons.is_empty() {
        reasons.push(status.to_owned());
    }
    Some(Refusal { index, reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_answer_say_the_same() {
        let expected = Verdict {
            accepted: 1,
            duplicate: 1,
            rejected: 2,
            refusals: vec![
                Refusal { index: 2, reasons: vec!["value must be a number".into()] },
                Refusal { index: 3, reasons: vec!["conflict".into()] },
            ],
        };
        let whole = br#"{"accepted":1,"duplicate":1,"rejected":2,"outcomes":[
            {"index":1,"id":"a","status":"duplicate"},
            {"index":2,"id":"b","status":"rejected","errors":[{"field":"value","reason":"must be a number"}]},
            {"index":3,"id":"c","status":"conflict","errors":[]}]}"#;
        assert_eq!(Verdict::read(whole).as_ref(), Some(&expected));
        let lines = br#"{"index":1,"id":"a","status":"duplicate"}
{"committed":2}
{"index":2,"id":"b","status":"rejected","errors":[{"field":"value","reason":"must be a number"}]}
{"index":3,"id":"c","status":"conflict"}
{"accepted":1,"duplicate":1,"rejected":2}
"#;
        assert_eq!(Verdict::read(lines), Some(expected));
    }

    #[test]
    fn an_answer_cut_short_is_none() {
        for body in
            ["", "{\"committed\":1000}\n", "{\"committed\":1}\n{\"accep", "no JSON", "{\"accepted\":1}"]
        {
            assert_eq!(Verdict::read(body.as_bytes()), None, "{body}");
        }
    }
}
