//! What is recorded.
use crate::{clock, id};
use reckoner_api::event::SourceContext;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Display;

/// One use of something: an event.
///
/// Its id and its time are made with it, so that it counts once and when it happened however often
/// and however late it is sent.
///
/// ```
/// use reckoner_client::Record;
///
/// let record = Record::new("acme", "tokens").value(1_250).subject("workspace_7").property("model", "small");
/// assert_eq!(record.customer(), "acme");
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    id: String,
    customer: String,
    meter: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_context: Option<SourceContext>,
}

impl Record {
    /// One unit of an event type (to `consume`: of a meter), used by a customer now. Customers have at most 255
    /// bytes, types at most 128.
    pub fn new(customer: impl Into<String>, meter: impl Into<String>) -> Self {
        Self {
            id: id::unique(),
            customer: customer.into(),
            meter: meter.into(),
            value: "1".to_owned(),
            time: Some(clock::text(clock::now())),
            subject: None,
            properties: Map::new(),
            source_context: None,
        }
    }

    /// A change of a storage level, for a meter that reads levels from deltas: bytes added are positive, bytes
    /// removed negative.
    ///
    /// ```
    /// use reckoner_client::Record;
    ///
    /// let uploaded = Record::storage("acme", "storage.bytes", 4_096);
    /// let deleted = Record::storage("acme", "storage.bytes", -4_096).subject("workspace_7");
    /// # assert_eq!(serde_json::to_value(&deleted).unwrap()["value"], "-4096");
    /// ```
    pub fn storage(customer: impl Into<String>, meter: impl Into<String>, bytes: i64) -> Self {
        Self::new(customer, meter).value(bytes)
    }

    /// The idempotency key, at most 255 bytes; without this a unique one is made.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The amount: a decimal of at most 18 + 18 digits. Numbers and texts of one are taken.
    pub fn value(mut self, value: impl Display) -> Self {
        self.value = value.to_string();
        self
    }

    /// When it was used (RFC 3339 with an offset); without this the moment the record was made.
    pub fn time(mut self, time: impl Into<String>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// The workspace, project, user or key that used it, at most 255 bytes.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// One more property; all of them together have at most 16 KiB.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// Where the usage arose.
    pub fn source(mut self, source: SourceContext) -> Self {
        self.source_context = Some(source);
        self
    }

    /// The customer's own id.
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// The subject, where it is named as the customer: one that is assigned to another counts for that one.
    pub(crate) fn subject_as_customer(&self) -> Option<&str> {
        self.subject.as_deref().filter(|subject| *subject == self.customer)
    }

    /// The event type.
    pub fn meter(&self) -> &str {
        &self.meter
    }

    /// The idempotency key.
    pub fn event_id(&self) -> &str {
        &self.id
    }

    /// The same without its time: what is judged at once was used at once, and a request that is sent again may say
    /// the same again.
    pub(crate) fn untimed(&self) -> Self {
        Self { time: None, ..self.clone() }
    }

    /// The event as JSON. Nothing in it can fail to be written.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
