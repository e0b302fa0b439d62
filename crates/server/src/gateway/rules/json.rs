//! A field of a JSON object of which only the beginning may be there.
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::cell::RefCell;
use std::fmt;

/// The text or number under these names, if it is there whole.
pub(super) fn find(text: &[u8], names: &[String]) -> Option<String> {
    let found = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(text);
    // What was found before the text ends, or stops making sense, was there.
    let _ = Field { names, found: &found }.deserialize(&mut json);
    found.into_inner()
}

#[derive(Clone, Copy)]
struct Field<'a> {
    names: &'a [String],
    found: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((name, rest)) = self.names.split_first() else { return Ok(()) };
        while let Some(key) = map.next_key::<String>()? {
            if key != *name {
                map.next_value::<IgnoredAny>()?;
            } else if rest.is_empty() {
                let value = map.next_value::<Value>()?;
                // A number may go on where the text ends; a text has its quotes.
                let is_text = value.is_string();
                let more = map.next_key::<IgnoredAny>();
                *self.found.borrow_mut() = text(value).filter(|_| is_text || more.is_ok());
                return Ok(());
            } else {
                return map.next_value_seed(Field { names: rest, found: self.found });
            }
        }
        Ok(())
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[test]
fn a_field_is_found_as_soon_as_it_is_there() {
    let find = |text: &str, path: &str| {
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        find(text.as_bytes(), &names)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(find(r#"{"x":[1,{"a":0}],"a":"b""#, "a"), some("b"));
    assert_eq!(find(r#"{"o":{"p":{"id":42}},"#, "o.p.id"), some("42"));
    assert_eq!(find(r#"{"a":12"#, "a"), None, "more digits may come");
    assert_eq!(find(r#"{"a":12}"#, "a"), some("12"));
    for none in ["", "[", r#"{"a":"b"#, r#"{"a":{}}"#, r#"{"b":"a"}"#, "nonsense", r#"["a"]"#] {
        assert_eq!(find(none, "a"), None, "{none}");
    }
}
