//! A usage event, as sent and as stored.
use crate::decimal::Decimal;
use crate::id::ProjectId;
use crate::json;
use crate::time::Timestamp;

/// Most bytes of an event's id.
pub const ID_BYTES_MAX: usize = 255;
/// Most bytes of a customer's own id.
pub const CUSTOMER_BYTES_MAX: usize = 255;
/// Most bytes of an event type.
pub const EVENT_TYPE_BYTES_MAX: usize = 128;
/// What no event type may be called: on the paths of `/usage/{eventType}` these mean other things.
pub const RESERVED_EVENT_TYPES: [&str; 2] = ["check-quota", "record"];
/// Most bytes of a subject.
pub const SUBJECT_BYTES_MAX: usize = 255;
/// Most bytes of an event's properties, as JSON text.
pub const PROPERTIES_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of a source context, as JSON text.
pub const SOURCE_CONTEXT_BYTES_MAX: usize = 2 * 1024;

/// Whether no event type may be called so.
pub fn is_reserved_type(event_type: &str) -> bool {
    RESERVED_EVENT_TYPES.contains(&event_type)
}

/// What a validated request says about one event; texts are borrowed from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDraft<'a> {
    /// The idempotency key, unique in the project.
    pub id: &'a str,
    /// The customer's own id.
    pub customer: &'a str,
    /// The event type that meters read.
    pub event_type: &'a str,
    /// The amount used.
    pub value: Decimal,
    /// When it was used; `None` stands for the time of receipt.
    pub time: Option<Timestamp>,
    /// The workspace, project, user or key that used it.
    pub subject: Option<&'a str>,
    /// A JSON object, as sent.
    pub properties: Option<&'a str>,
    /// A JSON object that says where the usage arose, as sent.
    pub source_context: Option<&'a str>,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The project it belongs to.
    pub project: ProjectId,
    /// The order of commit, from 1.
    pub sequence: u64,
    /// The idempotency key, unique in the project.
    pub id: String,
    /// The customer's own id.
    pub customer: String,
    /// The event type that meters read.
    pub event_type: String,
    /// The amount used.
    pub value: Decimal,
    /// When it was used.
    pub time: Timestamp,
    /// Whether the sender gave the time.
    pub time_given: bool,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it was last amended.
    pub amended_at: Option<Timestamp>,
    /// When it was voided.
    pub voided_at: Option<Timestamp>,
    /// The workspace, project, user or key that used it.
    pub subject: Option<String>,
    /// A JSON object, as sent.
    pub properties: Option<String>,
    /// A JSON object that says where the usage arose, as sent.
    pub source_context: Option<String>,
}

impl Event {
    /// Whether a draft with this event's id says the same, by meaning and not by bytes. Times are
    /// compared only where both senders gave one.
    pub fn says_the_same(&self, draft: &EventDraft<'_>) -> bool {
        self.customer == draft.customer
            && self.event_type == draft.event_type
            && self.value == draft.value
            && self.subject.as_deref() == draft.subject
            && (!self.time_given || draft.time.is_none_or(|time| time == self.time))
            && json::same_object(self.properties.as_deref(), draft.properties)
    }

    /// Whether an event whose customer was erased may have been this draft: what is left of it, type,
    /// value and time, is the same.
    #[must_use]
    pub fn may_have_been(&self, draft: &EventDraft<'_>) -> bool {
        self.event_type == draft.event_type
            && self.value == draft.value
            && (!self.time_given || draft.time.is_none_or(|time| time == self.time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Event {
        Event {
            project: ProjectId(1),
            sequence: 1,
            id: "e1".into(),
            customer: "c".into(),
            event_type: "api.calls".into(),
            value: Decimal::ONE,
            time: Timestamp::default(),
            time_given: true,
            received_at: Timestamp::default(),
            amended_at: None,
            voided_at: None,
            subject: None,
            properties: Some(r#"{"a":1,"b":[1.0]}"#.into()),
            source_context: None,
        }
    }

    #[test]
    fn content_is_compared_by_meaning() {
        let event = stored();
        let draft = EventDraft {
            id: "e1",
            customer: "c",
            event_type: "api.calls",
            value: Decimal::ONE,
            time: None,
            subject: None,
            properties: Some(r#" { "b" : [1], "a" : 1.00 } "#),
            source_context: Some("{}"),
        };
        assert!(event.says_the_same(&draft));
        assert!(event.says_the_same(&EventDraft { time: Some(Timestamp::default()), ..draft }));
        assert!(!event.says_the_same(&EventDraft { time: Some(Timestamp::MAX), ..draft }));
        assert!(!event.says_the_same(&EventDraft { value: Decimal::ZERO, ..draft }));
        assert!(!event.says_the_same(&EventDraft { properties: None, ..draft }));
        assert!(!event.says_the_same(&EventDraft { subject: Some("s"), ..draft }));
        assert!(!event.says_the_same(&EventDraft { properties: Some(r#"{"a":1,"b":["1"]}"#), ..draft }));
    }
}
