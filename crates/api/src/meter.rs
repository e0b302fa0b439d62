//! Meters.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A meter to make, or a new version of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMeter {
    /// Names the meter: at most 128 bytes without spaces or slashes.
    pub key: String,
    /// The type of the events it reads; the key when absent.
    pub event_type: Option<String>,
    /// How readings add up: `sum`, `count`, `avg`, `min`, `max`, `first`, `last`, `unique_count`,
    /// `time_weighted_avg`, `p50`, `p90`, `p95` or `p99`.
    pub aggregation: String,
    /// The property read instead of the event's value, as a JSON path such as `$.tokens`.
    pub value_property: Option<String>,
    /// Properties and the values they must have (a text or a list of texts).
    pub filters: Option<BTreeMap<String, OneOrMany>>,
    /// Properties that queries group by.
    pub group_by: Option<Vec<String>>,
    /// At most four dimensions: `subject` or properties.
    pub dimensions: Option<Vec<String>>,
    /// For levels: `delta` (a change, the default) or `level`.
    pub input: Option<String>,
    /// The property that selects a weight.
    pub weight_by: Option<String>,
    /// The weight of each of its values; `"compute"` stands for the table of operations shipped.
    pub weights: Option<Weights>,
    /// The weight of every other value, by default 1.
    pub default_weight: Option<Number>,
    /// The unit shown.
    pub unit: Option<String>,
    /// The name shown.
    pub display_name: Option<String>,
    /// Events before this time are not read.
    #[schema(format = DateTime)]
    pub starts_at: Option<String>,
}

/// A text or a list of texts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any of several.
    Many(Vec<String>),
}

/// A table of weights, or the name of a shipped one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Weights {
    /// The name of a shipped table: `compute`.
    Shipped(String),
    /// The weight of each value.
    Table(BTreeMap<String, Number>),
}

/// A decimal, as a string or number.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// As a string.
    Text(String),
    /// As a number.
    Number(serde_json::Number),
}

impl PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Number]);
        let about = Some("A decimal, as a string or number.");
        ObjectBuilder::new().schema_type(types).description(about).into()
    }
}

impl ToSchema for Number {}

impl Number {
    /// The decimal as text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A version of a meter; its meaning never changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Meter {
    /// Identifies this version.
    pub id: String,
    /// Names the meter.
    pub key: String,
    /// Counts versions from 1.
    pub version: u32,
    /// The type of the events it reads.
    pub event_type: String,
    /// How readings add up.
    pub aggregation: String,
    /// The property read instead of the event's value.
    pub value_property: Option<String>,
    /// Properties and the values they must have.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Properties that queries group by.
    pub group_by: Vec<String>,
    /// Dimensions rolled up.
    pub dimensions: Vec<String>,
    /// For levels: `delta` or `level`.
    pub input: String,
    /// The property that selects a weight.
    pub weight_by: Option<String>,
    /// The weight of each of its values.
    pub weights: Option<BTreeMap<String, String>>,
    /// The weight of every other value.
    pub default_weight: Option<String>,
    /// The unit shown.
    pub unit: Option<String>,
    /// The name shown.
    pub display_name: Option<String>,
    /// Events before this time are not read.
    pub starts_at: Option<String>,
    /// `file` or `api`.
    pub source: String,
    /// When this version was made.
    pub created_at: String,
}
