//! Events.
use crate::error::FieldError;
use crate::meter::OneOrMany;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// An event to record.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewEvent {
    /// The idempotency key, at most 255 bytes, unique in the project for ever; made when absent.
    pub id: Option<String>,
    /// The customer's own id, at most 255 bytes; when absent, whoever the subject is assigned to at the event's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The event type, for instance `api.calls`, at most 128 bytes.
    pub meter: String,
    /// The amount used: a decimal of at most 18 + 18 digits, as a string or number; 1 when absent.
    #[schema(value_type = Option<String>, example = "1.5")]
    pub value: Option<String>,
    /// When it was used (RFC 3339); the time of receipt when absent.
    #[schema(format = DateTime)]
    pub time: Option<String>,
    /// The workspace, project, user or key that used it, at most 255 bytes.
    pub subject: Option<String>,
    /// Anything else, at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    pub properties: Option<serde_json::Value>,
    /// Where the usage arose.
    pub source_context: Option<SourceContext>,
}

/// Where usage arose.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceContext {
    /// `project`, `workspace`, `admin` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The project's name at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// The workspace's name at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_name: Option<String>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// What became of a request's events.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct IngestAnswer {
    /// How many are newly stored.
    pub accepted: u64,
    /// How many were stored before.
    pub duplicate: u64,
    /// How many are not stored.
    pub rejected: u64,
    /// What was not simply accepted; every event with `?outcomes=all`.
    pub outcomes: Vec<Outcome>,
}

/// What became of one event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Its id; null where none could be read.
    pub id: Option<String>,
    /// `accepted`, `duplicate` or `rejected`.
    pub status: OutcomeStatus,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What became of one event, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// Newly stored.
    Accepted,
    /// Stored before, with the same content.
    Duplicate,
    /// Not stored.
    Rejected,
}

/// A stored event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The idempotency key.
    pub id: String,
    /// The customer's own id.
    pub customer: String,
    /// The event type.
    pub meter: String,
    /// The amount used.
    pub value: String,
    /// When it was used.
    pub time: String,
    /// What used it.
    pub subject: Option<String>,
    /// As sent; an empty object when absent.
    #[schema(value_type = Object)]
    pub properties: Box<RawValue>,
    /// As sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SourceContext>)]
    pub source_context: Option<Box<RawValue>>,
    /// Where it arose, to be shown: the display name of the event or its subject, else `Admin Panel`, the project's
    /// name, the workspace's, `Unknown`. Lists have it, exports do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// When it arrived.
    pub received_at: String,
    /// When it was last amended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amended_at: Option<String>,
    /// When it was voided: it counts nowhere since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided_at: Option<String>,
    /// The order of commit.
    pub sequence: u64,
}

/// An event as it stood for a while.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventRevision {
    /// `recorded`, `amended` or `voided`.
    pub action: String,
    /// From when on it stood so.
    pub at: String,
    /// The id of the key that corrected it; null for the first.
    pub by: Option<String>,
    /// What it said from then on.
    pub event: Event,
}

/// Which events to void; at least one condition, all must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchVoid {
    /// Only this customer's.
    pub customer: Option<String>,
    /// Only of this event type.
    pub meter: Option<String>,
    /// Only of this subject.
    pub subject: Option<String>,
    /// Not before this time.
    pub from: Option<String>,
    /// Before this time.
    pub to: Option<String>,
    /// Properties and the values they must have.
    pub filter: Option<BTreeMap<String, OneOrMany>>,
    /// Say what it would do and change nothing.
    pub dry_run: Option<bool>,
}

/// What a batch void did, or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchVoided {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many events were found.
    pub matched: u64,
    /// How many of them are void now and were not before.
    pub voided: u64,
    /// The events found, by event type.
    pub meters: BTreeMap<String, VoidedMeter>,
}

/// Events of one type that are voided together.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VoidedMeter {
    /// How many.
    pub events: u64,
    /// What their values add up to.
    pub value: String,
}

/// Which events are listed. Properties are filtered by `filter[NAME]=VALUE`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Only this customer's: its own id, or `cus_...`.
    pub customer: Option<String>,
    /// Only of this event type.
    pub meter: Option<String>,
    /// Only of this subject.
    pub subject: Option<String>,
    /// Only with this id.
    pub id: Option<String>,
    /// Not before this time.
    pub from: Option<String>,
    /// Before this time.
    pub to: Option<String>,
    /// What comes first: `time` (by default) the newest event time, `sequence` the last commit.
    pub order: Option<String>,
    /// Everything as one answer: `csv`, `json` (an array), `ndjson` or `parquet`; else as `Accept` says.
    pub format: Option<String>,
    /// Most events of a page: 1 to 1,000, by default 50. Not for exports.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before. Not for exports.
    pub cursor: Option<String>,
}
