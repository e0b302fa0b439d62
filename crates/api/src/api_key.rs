//! API keys.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for.
    pub name: Option<String>,
    /// What it may do: `ingest`, `read`, `admin`, `backfill`. None for a customer's key.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The customer who is to hold it, by its own id or `cus_...`: the key sees and uses what is that
    /// customer's, and nothing else.
    pub customer: Option<String>,
    /// When it ceases to work.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A key, without its value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Identifies it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// How its value begins.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The customer who holds it: `cus_...`.
    pub customer: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ceases to work.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<String>,
}

/// A new key with its value, which is never shown again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedApiKey {
    /// The key.
    #[serde(flatten)]
    pub api_key: ApiKey,
    /// Its value.
    pub key: String,
}

/// How a key is to be replaced.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// For how long the old key works beside the new one, in hours: 0 to 168, by default 24.
    #[schema(maximum = 168)]
    pub overlap_hours: Option<u32>,
    /// When the new key ceases to work; when the old one would have, unless said.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A new key with its value, which is never shown again, and the key in whose place it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RotatedApiKey {
    /// The new key.
    #[serde(flatten)]
    pub created: CreatedApiKey,
    /// The old one, which works until it expires.
    pub replaced: ApiKey,
}
