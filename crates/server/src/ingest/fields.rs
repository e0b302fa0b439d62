//! Raw fields of a JSON object and what can be read from them.
use std::borrow::Cow;

/// A field's value as JSON text, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// JSON text of one value.
    pub fn new(text: &'a str) -> Self {
        Self(text.trim_ascii())
    }

    /// The JSON text.
    pub fn as_json(self) -> &'a str {
        self.0
    }

    /// Whether the value is null.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// The value where it is a text; `None` where it is not, or its escapes are broken.
    pub fn as_text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str::<String>(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The value's text where it is a number.
    pub fn as_number(self) -> Option<&'a str> {
        self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(self.0)
    }
}

/// Visits the fields of a JSON object; `Err` says why the text is no JSON object.
pub fn each<'a>(object: &'a str, mut visit: impl FnMut(Cow<'a, str>, Raw<'a>)) -> Result<(), String> {
    for entry in sonic_rs::to_object_iter(object) {
        let (key, value) = entry.map_err(|error| describe(&error))?;
        visit(key, Raw::new(borrowed(object, value.as_raw_str())));
    }
    Ok(())
}

/// A JSON list as far as it is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements<'a> {
    /// The first elements, up to the number asked for.
    pub first: Vec<Raw<'a>>,
    /// How many there are in all.
    pub count: usize,
}

/// The first `max` elements of a JSON list, and their number; `Err` says why the text is no JSON
/// list.
pub fn elements(list: &str, max: usize) -> Result<Elements<'_>, String> {
    let mut found = Elements { first: Vec::new(), count: 0 };
    for element in sonic_rs::to_array_iter(list) {
        let value = element.map_err(|error| describe(&error))?;
        found.count += 1;
        if found.count <= max {
            found.first.push(Raw::new(borrowed(list, value.as_raw_str())));
        }
    }
    Ok(found)
}

/// The part of `whole` that `part` is, with the life of `whole`.
fn borrowed<'a>(whole: &'a str, part: &str) -> &'a str {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    whole.get(start..start.wrapping_add(part.len())).unwrap_or_default()
}

fn describe(error: &sonic_rs::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    format!("the body is no JSON: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_stand() {
        let mut seen = Vec::new();
        each(r#"{"a":"x","b\n": "q\u0041\n", "c":-1.50, "d":null,"e":{"f":[1]}}"#, |key, raw| {
            seen.push((key.into_owned(), raw.as_json().to_owned(), raw.as_text().map(Cow::into_owned)));
        })
        .expect("an object");
        assert_eq!(seen[0], ("a".into(), "\"x\"".into(), Some("x".into())));
        assert_eq!(seen[1].0, "b\n");
        assert_eq!(seen[1].2.as_deref(), Some("qA\n"));
        assert_eq!((seen[2].1.as_str(), &seen[2].2), ("-1.50", &None));
        assert!(Raw::new(&seen[3].1).is_null() && Raw::new(&seen[4].1).is_object());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in ["{\"a\":tru}", "{\"a\" 1}", "{a:1}", "{\"a\":1,}", "{\"a\":01}", "[1]"] {
            assert!(each(bad, |_, _| {}).is_err(), "{bad}");
        }
        for bad in ["[1,]", "[1 2]", "{}"] {
            assert!(elements(bad, 9).is_err(), "{bad}");
        }
        assert_eq!(elements("[ ]", 9).map(|all| all.count), Ok(0));
        let three = elements("[1, 2,3]", 2).expect("a list");
        assert_eq!((three.first.len(), three.count), (2, 3));
    }
}
