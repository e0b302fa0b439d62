//! Webhook endpoints, deliveries and attempts.
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An endpoint to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Where deliveries go.
    pub url: String,
    /// Which event types it gets; all when absent or empty.
    pub event_types: Option<Vec<String>>,
    /// What signs deliveries; made when absent.
    pub secret: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether deliveries are made, by default true.
    pub enabled: Option<bool>,
}

/// A change of an endpoint; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointChange {
    /// Where deliveries go.
    pub url: Option<String>,
    /// Which event types it gets; all when empty.
    pub event_types: Option<Vec<String>>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether deliveries are made.
    pub enabled: Option<bool>,
}

/// A new secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// The new secret; made when absent.
    pub secret: Option<String>,
    /// For how long the old one signs too, in hours: at most 168, by default 24.
    pub overlap_hours: Option<u32>,
}

/// An endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Endpoint {
    /// Identifies it.
    pub id: String,
    /// Where deliveries go.
    pub url: String,
    /// Which event types it gets; all when empty.
    pub event_types: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether deliveries are made.
    pub enabled: bool,
    /// Why not: `manual`, `file`, `removed`, `gone` or `failing`; null while it is enabled.
    pub disabled_reason: Option<String>,
    /// `file` or `api`.
    pub source: String,
    /// Since when every attempt failed.
    pub failing_since: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// Counts changes; `If-Match` takes it.
    pub version: i64,
}

/// An endpoint with its secret, which is not shown again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EndpointWithSecret {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// What signs `X-Webhook-Signature`.
    pub secret: String,
    /// What signs `webhook-signature`: the same, in the form that Standard Webhooks asks for.
    pub standard_secret: String,
}

/// A message on its way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Identifies it.
    pub id: String,
    /// The message, the same for every endpoint; sent as `webhook-id`.
    pub message_id: String,
    /// The endpoint.
    pub endpoint_id: String,
    /// `pending`, `delivered`, `failed` or `canceled`.
    pub state: String,
    /// How many attempts were made.
    pub attempts: i64,
    /// When the next attempt is due.
    pub next_attempt_at: Option<String>,
    /// When the last attempt was made.
    pub last_attempt_at: Option<String>,
    /// The status of the last answer.
    pub last_status: Option<i64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was delivered.
    pub delivered_at: Option<String>,
    /// Whether nothing was really sent.
    pub dry_run: bool,
    /// When the message was made, by the project's clock.
    pub created_at: String,
}

/// One attempt of a delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Counts from 1.
    pub number: i64,
    /// When it was made.
    pub attempted_at: String,
    /// The status of the answer; null without one.
    pub status: Option<i64>,
    /// How long it took.
    pub latency_ms: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// The first bytes of the answer.
    pub response_head: Option<String>,
    /// Whether it was only logged.
    pub dry_run: bool,
}

/// Which deliveries are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeliveryParams {
    /// Only to this endpoint.
    pub endpoint: Option<String>,
    /// Only of this message.
    pub message: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
    /// Most deliveries of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A range of messages to send again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Messages made at or after this time.
    #[schema(format = DateTime)]
    pub from: String,
    /// Messages made before this time.
    #[schema(format = DateTime)]
    pub to: String,
    /// `next_cursor` of the answer before.
    pub cursor: Option<String>,
}

/// How much is sent again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// How many deliveries are due again.
    pub deliveries: u64,
    /// Where to go on, when the range holds more messages than one call takes.
    pub next_cursor: Option<String>,
}
