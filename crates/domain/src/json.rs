//! JSON by meaning: equality, property paths and property texts.
mod extract;
#[cfg(test)]
mod extract_tests;
mod walk;

pub use extract::{Extracted, Extractor};

use crate::decimal::{Decimal, Excess};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Most bytes of a property path.
pub const PATH_BYTES_MAX: usize = 256;

/// An event's properties, as those who read them see them.
pub trait Properties: fmt::Debug + Sync {
    /// The text that stands for the value at a path; `None` where there is none, or null.
    fn text(&self, path: &Path) -> Option<Cow<'_, str>>;

    /// The number at a path; a text that reads as a number counts as one. `excess` decides about digits
    /// beyond the 18th fractional one.
    fn decimal(&self, path: &Path, excess: Excess) -> Option<Decimal>;
}

impl Properties for Value {
    fn text(&self, path: &Path) -> Option<Cow<'_, str>> {
        match path.find(self)? {
            Self::String(text) => Some(Cow::Borrowed(text)),
            other => text_of(other).map(Cow::Owned),
        }
    }

    fn decimal(&self, path: &Path, excess: Excess) -> Option<Decimal> {
        path.find_decimal(self, excess)
    }
}

/// Whether two optional JSON objects mean the same. Absent and `{}` do; texts that are no JSON
/// are compared as they are.
pub fn same_object(a: Option<&str>, b: Option<&str>) -> bool {
    if a == b {
        return true;
    }
    let read = |text: Option<&str>| serde_json::from_str::<Value>(text.unwrap_or("{}"));
    matches!((read(a), read(b)), (Ok(a), Ok(b)) if same(&a, &b))
}

/// Whether two values mean the same: numbers by value, objects without regard to order.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a.as_str(), b.as_str()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn same_number(a: &str, b: &str) -> bool {
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Adds what a value means to a hash: values that are the same come to the same.
pub fn hash_meaning(value: &Value, hasher: &mut impl Hasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Object(map) => {
            map.len().hash(hasher);
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                name.hash(hasher);
                hash_meaning(value, hasher);
            }
        }
        Value::Array(list) => {
            list.len().hash(hasher);
            for value in list {
                hash_meaning(value, hasher);
            }
        }
        Value::Number(number) => match Decimal::parse(number.as_str()) {
            Ok(number) => number.hash(hasher),
            Err(_) => number.as_str().hash(hasher),
        },
        Value::String(text) => text.hash(hasher),
        Value::Bool(truth) => truth.hash(hasher),
        Value::Null => {}
    }
}

/// The text that stands for a property's value in groups, filters and distinct counts: 1, 1.0 and
/// "1" are one. `None` for null.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(
            Decimal::parse(number.as_str()).map_or_else(|_| number.to_string(), |number| number.to_string()),
        ),
        other => Some(other.to_string()),
    }
}

/// The number that a value is, or that its text reads as.
fn decimal_of(value: &Value, excess: Excess) -> Option<Decimal> {
    match value {
        Value::Number(number) => Decimal::parse_with(number.as_str(), excess).ok(),
        Value::String(text) => Decimal::parse_with(text, excess).ok(),
        _ => None,
    }
}

/// The one text of a value: names in order, nothing between. Texts and whole numbers come out as
/// RFC 8785 has them.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_unstable_by(|(a, _), (b, _)| by_utf16(a, b));
            out.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(value, out);
            }
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
    }
}

/// The order of names, which is that of their bytes where they are ASCII.
fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// A text in quotes; most need nothing escaped.
fn write_text(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// A text is no property path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a property name or a JSON path such as $.model or $.usage.tokens")]
pub struct PathError;

/// Where a property lies in an event's properties: `$.usage.tokens`, `$['a b'][0]`, or a bare
/// top-level name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() || text.len() > PATH_BYTES_MAX {
            return Err(PathError);
        }
        let steps = match text.strip_prefix('$') {
            Some(rest) => read_steps(rest)?,
            None => vec![Step::Key(text.to_owned())],
        };
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether another path leads to the same place, however it is written.
    pub fn leads_as(&self, other: &Self) -> bool {
        self.steps == other.steps
    }

    /// The value at this path.
    pub fn find<'v>(&self, properties: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(properties, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// Puts a value at this path, in objects and lists made where there are none; `false` where
    /// something else is in the way, or a list would grow by more than one.
    pub fn put(&self, properties: &mut Value, value: Value) -> bool {
        let mut place = properties;
        for step in &self.steps {
            if place.is_null() {
                *place = match step {
                    Step::Key(_) => Value::Object(serde_json::Map::new()),
                    Step::Index(_) => Value::Array(Vec::new()),
                };
            }
            let next = match (step, place) {
                (Step::Key(key), Value::Object(map)) => Some(map.entry(key.clone()).or_insert(Value::Null)),
                (Step::Index(index), Value::Array(list)) => {
                    if *index == list.len() {
                        list.push(Value::Null);
                    }
                    list.get_mut(*index)
                }
                _ => None,
            };
            let Some(next) = next else { return false };
            place = next;
        }
        *place = value;
        true
    }

    /// The value at this path where it is not null.
    pub fn find_text(&self, properties: &Value) -> Option<String> {
        self.find(properties).and_then(text_of)
    }

    /// The number at this path; a text that reads as a number counts as one. `excess` decides about
    /// digits beyond the 18th fractional one.
    pub fn find_decimal(&self, properties: &Value, excess: Excess) -> Option<Decimal> {
        decimal_of(self.find(properties)?, excess)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn read_steps(mut rest: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, next) = after.split_at(end);
            if key.is_empty() {
                return Err(PathError);
            }
            steps.push(Step::Key(key.to_owned()));
            rest = next;
        } else {
            let inner = rest.strip_prefix('[').ok_or(PathError)?;
            let (step, next) = read_bracket(inner)?;
            steps.push(step);
            rest = next;
        }
    }
    if steps.is_empty() { Err(PathError) } else { Ok(steps) }
}

fn read_bracket(inner: &str) -> Result<(Step, &str), PathError> {
    for quote in ['\'', '"'] {
        if let Some(after) = inner.strip_prefix(quote) {
            let (key, rest) = after.split_once(quote).ok_or(PathError)?;
            let rest = rest.strip_prefix(']').ok_or(PathError)?;
            return Ok((Step::Key(key.to_owned()), rest));
        }
    }
    let (index, rest) = inner.split_once(']').ok_or(PathError)?;
    Ok((Step::Index(index.parse().map_err(|_| PathError)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_texts_have_names_in_order() {
        let value: Value = serde_json::from_str(
            r#"{"b": [1, {"z": null, "a": "x\ny"}], "a": "\u00e9", "\ud83d\ude00": 1, "\ufb33": 2}"#,
        )
        .expect("JSON");
        let expected = "{\"a\":\"é\",\"b\":[1,{\"a\":\"x\\ny\",\"z\":null}],\"😀\":1,\"\u{fb33}\":2}";
        assert_eq!(canonical(&value), expected);
    }

    #[test]
    fn paths_find_what_they_name() {
        let value: Value =
            serde_json::from_str(r#"{"a":{"b":[{"c d":7}]},"x.y":"1.0","n":null}"#).expect("JSON");
        for (path, found) in
            [("$.a.b[0]['c d']", Some("7")), ("x.y", Some("1.0")), ("n", None), ("$.a.q", None)]
        {
            let path = Path::parse(path).expect("a path");
            assert_eq!(path.find_text(&value).as_deref(), found);
        }
        for bad in ["", "$", "$.", "$..a", "$[", "$[x]", "$['a'", "$a"] {
            assert_eq!(Path::parse(bad), Err(PathError), "{bad}");
        }
    }

    #[test]
    fn excess_digits_are_refused_or_rounded() {
        let value: Value =
            serde_json::from_str(r#"{"n":0.1234567890123456785,"t":"5e-324","large":1e18,"no":"x"}"#)
                .expect("JSON");
        let found = |name: &str, excess| {
            let path = Path::parse(name).expect("a path");
            path.find_decimal(&value, excess).map(|number| number.to_string())
        };
        for (name, rounded) in
            [("n", Some("0.123456789012345678")), ("t", Some("0")), ("large", None), ("no", None)]
        {
            assert_eq!(found(name, Excess::Refuse), None, "{name}");
            assert_eq!(found(name, Excess::Round).as_deref(), rounded, "{name}");
        }
    }

    #[test]
    fn what_is_put_is_found() {
        let mut value: Value = serde_json::from_str(r#"{"a":1}"#).expect("JSON");
        for (text, good) in
            [("b", true), ("$.c.d[0].e", true), ("$.c.d[1]", true), ("$.a.b", false), ("$.c.d[9]", false)]
        {
            let path = Path::parse(text).expect("a path");
            assert_eq!(path.put(&mut value, Value::from(text)), good, "{text}");
            assert_eq!(path.find_text(&value).as_deref(), good.then_some(text), "{text}");
        }
        assert_eq!(value.to_string(), r#"{"a":1,"b":"b","c":{"d":[{"e":"$.c.d[0].e"},"$.c.d[1]"]}}"#);
    }

    #[test]
    fn one_is_one_however_it_is_written() {
        for text in ["1", "1.0", "1e0", "\"1\""] {
            let value: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(text_of(&value).as_deref(), Some("1"), "{text}");
        }
        assert!(same_object(None, Some("{}")));
        assert!(!same_object(Some(r#"{"a":null}"#), Some("{}")));
    }
}
