//! Erasing a customer: whatever could tell who it was goes from all of its events, and a pseudonym
//! stands in its place. What is to be erased is written down first, in the ledger; the files that hold
//! it are written anew beside the old ones; then, all at once, those take their place. A crash before
//! that leaves everything as it was, and it is done again; one after it is finished at the next start.
pub mod ledger;
pub mod place;
mod plan;
mod retain;
pub mod rewrite;

use crate::format::record::EventRecord;
use reckoner_domain::decimal::Excess;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::{Path, text_of};
use serde_json::Value;

pub use ledger::{Dropped, DroppedOf};
pub use plan::{Carried, carry_out};
pub use retain::Retention;

/// Most erasures that wait.
pub const ERASURES_MAX: usize = 1_000;
/// Most properties that an erasure keeps.
pub const KEPT_MAX: usize = 10_000;

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Whose customer.
    pub project: ProjectId,
    /// The customer's id, which is free for another customer from now on.
    pub customer: String,
    /// What stands in its place: not used before, and not to be guessed from the id.
    pub pseudonym: String,
    /// What stays of properties; the rest goes. At most [`KEPT_MAX`].
    pub kept: Vec<Kept>,
}

/// What stays of a property, since totals are made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Of events of this type.
    pub event_type: String,
    /// Where the property lies.
    pub path: Path,
    /// Which of its values stay: these texts, or, where there is no list, numbers.
    pub texts: Option<Vec<String>>,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is written down; files are being written anew.
    Pending,
    /// Nothing in the log tells of the customer.
    Done,
}

/// An erasure that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What is to be erased.
    pub erasure: Erasure,
    /// It is about records up to this sequence, the last of its segment.
    pub through: u64,
}

impl Kept {
    /// Puts what stays of these properties into `left`.
    fn keep(&self, properties: &Value, left: &mut Value) {
        let Some(found) = self.path.find(properties) else { return };
        let stays = match &self.texts {
            Some(texts) => text_of(found).is_some_and(|text| texts.contains(&text)),
            None => self.path.find_decimal(properties, Excess::Round).is_some(),
        };
        if stays {
            self.path.put(left, found.clone());
        }
    }
}

impl Pending {
    /// Whether a record is about this customer.
    pub fn has(&self, project: ProjectId, sequence: u64, customer: &str) -> bool {
        sequence <= self.through && self.erasure.project == project && self.erasure.customer == customer
    }

    /// What stays of an event's properties.
    pub fn left_of(&self, event_type: &str, properties: Option<&str>) -> Option<String> {
        let mut kept = self.erasure.kept.iter().filter(|kept| kept.event_type == event_type).peekable();
        kept.peek()?;
        let properties: Value = serde_json::from_str(properties?).ok()?;
        let mut left = Value::Null;
        kept.for_each(|kept| kept.keep(&properties, &mut left));
        (!left.is_null()).then(|| left.to_string())
    }
}

/// The erasure that a record falls under: the first that was asked for, since what it leaves bears
/// another name.
pub fn find<'p>(
    pending: &'p [Pending],
    project: ProjectId,
    sequence: u64,
    customer: &str,
) -> Option<&'p Pending> {
    pending.iter().find(|pending| pending.has(project, sequence, customer))
}

/// What is left of a record's event; `properties` holds what stays of them.
pub fn left<'a>(
    pending: &'a [Pending],
    (project, sequence): (ProjectId, u64),
    event: &EventRecord<'a>,
    properties: &'a mut Option<String>,
) -> EventRecord<'a> {
    let draft = event.draft;
    let Some(found) = find(pending, project, sequence, draft.customer) else { return *event };
    *properties = found.left_of(draft.event_type, draft.properties);
    let draft = EventDraft {
        customer: &found.erasure.pseudonym,
        subject: None,
        properties: properties.as_deref(),
        source_context: None,
        ..draft
    };
    EventRecord { draft, ..*event }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_properties_only_what_totals_are_made_of_stays() {
        let kept = |path: &str, texts: Option<&[&str]>| Kept {
            event_type: "t".into(),
            path: Path::parse(path).expect("a path"),
            texts: texts.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect()),
        };
        let erasure = Erasure {
            project: ProjectId(1),
            customer: "c".into(),
            pseudonym: "p".into(),
            kept: vec![kept("$.usage.tokens", None), kept("name", None), kept("region", Some(&["eu", "1"]))],
        };
        let pending = Pending { erasure, through: 9 };
        let left = |properties| pending.left_of("t", Some(properties));
        let all = r#"{"name":"Ada","region":"eu","usage":{"tokens":123456789012345678.5,"by":"Ada"}}"#;
        let expected: Value =
            serde_json::from_str(r#"{"region":"eu","usage":{"tokens":123456789012345678.5}}"#).expect("JSON");
        let found = left(all).map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
        assert_eq!(found, Some(expected));
        assert_eq!(left(r#"{"region":"Zürich","name":"Ada"}"#), None);
        assert_eq!(left(r#"{"region":1.0}"#).as_deref(), Some(r#"{"region":1.0}"#));
        assert_eq!(left("no JSON"), None);
        assert_eq!(pending.left_of("u", Some(all)), None);
        assert_eq!(pending.left_of("t", None), None);
        assert!(pending.has(ProjectId(1), 9, "c"));
        for (project, sequence, customer) in [(2, 9, "c"), (1, 10, "c"), (1, 9, "d")] {
            assert!(!pending.has(ProjectId(project), sequence, customer));
        }
    }
}
