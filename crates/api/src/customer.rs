//! Customers.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A customer to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCustomer {
    /// The customer's own id, as events name it: at most 255 bytes, not beginning with `cus_`.
    pub external_id: String,
    /// The name shown.
    pub display_name: Option<String>,
    /// The IANA time zone of the customer's calendar periods; the project's when absent.
    pub time_zone: Option<String>,
    /// Anything else, as texts.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// A change of a customer; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerChange {
    /// The name shown.
    pub display_name: Option<String>,
    /// Anything else, as texts; replaces what was there.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// A customer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    /// Reckoner's id.
    pub id: String,
    /// The customer's own id.
    pub external_id: String,
    /// The name shown.
    pub display_name: Option<String>,
    /// The time zone of the customer's calendar periods; the project's when null.
    pub time_zone: Option<String>,
    /// Anything else.
    pub metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: String,
    /// Counts changes; `If-Match` takes it.
    pub version: i64,
}
