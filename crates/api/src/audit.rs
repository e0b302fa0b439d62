//! The record of changes.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// A change, with its place in the chain of all changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the chain, from 1, without gaps.
    pub number: u64,
    /// When, in real time.
    pub created_at: String,
    /// When, by the project's clock.
    pub project_time: String,
    /// Who: `key_...`, `usr_...`, `service:NAME`, `operator`, `system` or `anonymous`.
    pub actor: String,
    /// What was done, such as `api_key.revoked`.
    pub action: String,
    /// To what: mostly an id.
    pub object: String,
    /// The erasure of a customer that took `before` and `after` away; null where they are there.
    pub redacted_by: Option<String>,
    /// What the object was before; null where there was none. Secrets are left out.
    pub before: Value,
    /// What the object is after; null where there is none.
    pub after: Value,
    /// The hash of the entry before: 64 hexadecimal digits.
    pub previous_hash: String,
    /// The hash of this one, which covers the one before.
    pub hash: String,
}

/// Which entries are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditParams {
    /// `project` (default), or `installation` for what belongs to no project: users, their passwords and
    /// sessions, services. That is shown to administrators of `live` only.
    pub chain: Option<String>,
    /// Those that this one made.
    pub actor: Option<String>,
    /// Those in which this was done.
    pub action: Option<String>,
    /// Those about this object.
    pub object: Option<String>,
    /// Made then or later, in real time.
    pub from: Option<String>,
    /// Made before, in real time.
    pub to: Option<String>,
    /// Everything as one answer: `csv`, `json` (an array), `ndjson` or `parquet`; else as `Accept` says.
    pub format: Option<String>,
    /// Most entries of a page: 1 to 1,000, by default 50. Not for exports.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before. Not for exports.
    pub cursor: Option<String>,
}
