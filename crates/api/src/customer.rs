//! Customers.
use serde::{Deserialize, Deserializer, Serialize};
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
    /// The IANA time zone of the customer's calendar periods from the next one of each kind on;
    /// null for the project's.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<Option<String>>,
    /// Anything else, as texts; replaces what was there.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Tells null, which says something, from a field that is absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
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
    /// The time zone of the customer's calendar periods, from the first on that begins after it was
    /// set; the project's when null.
    pub time_zone: Option<String>,
    /// Anything else.
    pub metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: String,
    /// Counts changes; `If-Match` takes it.
    pub version: i64,
}
