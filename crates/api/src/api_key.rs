//! API keys.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for.
    pub name: Option<String>,
    /// What it may do: `ingest`, `read`, `admin`, `backfill`.
    pub scopes: Vec<String>,
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
