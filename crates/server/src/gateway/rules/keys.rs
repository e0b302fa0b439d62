//! Whose API keys are whose.
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Most keys of a list.
const KEYS_MAX: usize = 1_000_000;

/// Who has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The customer's own id.
    pub customer: String,
    /// The user, workspace or project, if the key is for one.
    pub subject: Option<String>,
}

/// Keys of the application's customers; the keys themselves are not kept.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    owners: HashMap<[u8; 32], Owner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Option<String>,
    sha256: Option<String>,
    customer: String,
    subject: Option<String>,
}

impl Keys {
    /// Reads a JSON list of `{"key" or "sha256", "customer", "subject"?}`, the second the SHA-256 of the key in
    /// hexadecimal. `Err` says what is wrong with which.
    pub fn read(text: &str) -> Result<Self, String> {
        let lines: Vec<Line> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if lines.len() > KEYS_MAX {
            return Err(format!("at most {KEYS_MAX} keys"));
        }
        let mut owners = HashMap::with_capacity(lines.len());
        for (index, line) in lines.into_iter().enumerate() {
            let hash = match (line.key, line.sha256) {
                (Some(key), None) if !key.is_empty() => hash(&key),
                (None, Some(hex)) => unhex(&hex).ok_or_else(|| format!("[{index}].sha256 is no SHA-256"))?,
                _ => return Err(format!("[{index}] needs either key or sha256")),
            };
            let owner = Owner { customer: line.customer, subject: line.subject };
            if owners.insert(hash, owner).is_some() {
                return Err(format!("[{index}] is the same key again"));
            }
        }
        Ok(Self { owners })
    }

    /// Who has the key of a request: `X-Api-Key`, `x-apikey`, or `Authorization` with `Bearer`, `ApiKey` or `Basic`
    /// left as it is.
    pub(super) fn owner(&self, headers: &HeaderMap) -> Option<&Owner> {
        if self.owners.is_empty() {
            return None;
        }
        given(headers).find_map(|key| self.owners.get(&hash(key)))
    }

    /// The key of a request, by which it is told from others: one that somebody has, or else the first that was sent.
    pub(in crate::gateway) fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let known = |key: &&str| !self.owners.is_empty() && self.owners.contains_key(&hash(key));
        given(headers).find(known).or_else(|| given(headers).next())
    }
}

/// The keys that a request carries, wherever one may be.
fn given(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text(header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    [text("x-api-key"), text("x-apikey"), authorization.map(|(_, key)| key.trim())].into_iter().flatten()
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).filter_map(|pair| Some(pair.first()? * 16 + pair.get(1)?)).collect();
    bytes.try_into().ok()
}

#[test]
fn keys_are_found_wherever_they_are_sent() {
    let sha256: String = hash("k2").iter().map(|byte| format!("{byte:02x}")).collect();
    let text =
        format!(r#"[{{"key":"k1","customer":"a"}},{{"sha256":"{sha256}","customer":"b","subject":"u"}}]"#);
    let keys = Keys::read(&text).unwrap();
    let owner = |name: &'static str, value: &'static str| {
        let headers =
            HeaderMap::from_iter([(axum::http::HeaderName::from_static(name), value.parse().unwrap())]);
        keys.owner(&headers).map(|owner| (owner.customer.clone(), owner.subject.clone()))
    };
    assert_eq!(owner("x-api-key", "k1"), Some(("a".to_owned(), None)));
    assert_eq!(owner("authorization", "Bearer k2"), Some(("b".to_owned(), Some("u".to_owned()))));
    assert_eq!((owner("x-apikey", "k3"), owner("cookie", "k1")), (None, None));
    let sent = |pairs: &[(&'static str, &'static str)]| {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        };
        keys.credential(&pairs.iter().map(pair).collect()).map(str::to_owned)
    };
    let known = Some("k1".to_owned());
    assert_eq!(
        sent(&[("x-api-key", "made-up"), ("authorization", "ApiKey k1")]),
        known,
        "nobody gets another's"
    );
    assert_eq!((sent(&[("x-apikey", "k9")]), sent(&[("cookie", "k1")])), (Some("k9".to_owned()), None));
    for bad in ["{}", r#"[{"customer":"a"}]"#, r#"[{"sha256":"x","customer":"a"}]"#, r#"[{"key":"k"}]"#] {
        assert!(Keys::read(bad).is_err(), "{bad}");
    }
    assert!(Keys::read(r#"[{"key":"k","customer":"a"},{"key":"k","customer":"b"}]"#).is_err());
}
