//! A meter's definition as JSON: in the store, in the API and in configuration alike.
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::MeterId;
use reckoner_domain::json::Path;
use reckoner_domain::meter::{Aggregation, Dimension, Filter, Meter, MeterKey, Weighting};
use reckoner_domain::time::Timestamp;
use reckoner_domain::weights::{WeightTable, weight};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a meter is, as plain texts; what is absent is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Definition {
    /// Names the meter.
    pub key: String,
    /// The type of the events it reads; the key when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub event_type: String,
    /// How readings add up.
    pub aggregation: String,
    /// The path of the property that replaces the event's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_property: Option<String>,
    /// The texts that pass, by property path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, Vec<String>>,
    /// The paths of the properties to group by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    /// Dimensions to be rolled up: `subject` or properties.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
    /// `delta` (the default) or `level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The path of the property that selects the weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_by: Option<String>,
    /// The weight of each of its values, as decimals.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, String>,
    /// The weight of all other values; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_weight: Option<String>,
    /// The unit shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The name shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Events before this instant are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
}

/// A field of a definition that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct DefinitionError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

fn wrong<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> DefinitionError {
    move |error| DefinitionError { field, reason: error.to_string() }
}

impl Definition {
    /// A meter as plain texts.
    pub fn from_meter(meter: &Meter) -> Self {
        let table = meter.weighting.as_ref().map(|weighting| &weighting.table);
        Self {
            key: meter.key.to_string(),
            event_type: meter.event_type.clone(),
            aggregation: meter.aggregation.as_str().to_owned(),
            value_property: meter.value_property.as_ref().map(Path::to_string),
            filters: filter_texts(&meter.filters),
            group_by: meter.group_by.iter().map(Path::to_string).collect(),
            dimensions: meter.dimensions.iter().map(Dimension::to_string).collect(),
            input: Some(meter.input.as_str().to_owned()),
            weight_by: meter.weighting.as_ref().map(|weighting| weighting.path.to_string()),
            weights: table
                .into_iter()
                .flat_map(WeightTable::entries)
                .map(|(name, weight)| (name.to_owned(), weight.to_string()))
                .collect(),
            default_weight: table.map(|table| table.default_weight().to_string()),
            unit: meter.unit.clone(),
            display_name: meter.display_name.clone(),
            starts_at: meter.starts_at.map(|time| time.to_string()),
        }
    }

    /// The meter that these texts define.
    pub fn into_meter(self, id: MeterId, version: u32) -> Result<Meter, DefinitionError> {
        let path = |field, text: &str| Path::parse(text).map_err(wrong(field));
        let weighting = self.weighting()?;
        let key = MeterKey::parse(&self.key).map_err(wrong("key"))?;
        let event_type = if self.event_type.is_empty() { self.key } else { self.event_type };
        let filters = self.filters.into_iter().map(|(text, any_of)| {
            let path = path("filters", &text)?;
            Ok(Filter { path, any_of })
        });
        Ok(Meter {
            id,
            key,
            version,
            event_type,
            aggregation: self.aggregation.parse::<Aggregation>().map_err(wrong("aggregation"))?,
            value_property: self.value_property.map(|text| path("value_property", &text)).transpose()?,
            filters: filters.collect::<Result<_, _>>()?,
            group_by: self.group_by.iter().map(|text| path("group_by", text)).collect::<Result<_, _>>()?,
            dimensions: self
                .dimensions
                .iter()
                .map(|text| Dimension::parse(text).map_err(wrong("dimensions")))
                .collect::<Result<_, _>>()?,
            input: self
                .input
                .map(|name| name.parse())
                .transpose()
                .map_err(wrong("input"))?
                .unwrap_or_default(),
            weighting,
            earlier_weightings: Vec::new(),
            unit: self.unit,
            display_name: self.display_name,
            starts_at: self
                .starts_at
                .map(|text| Timestamp::parse(&text))
                .transpose()
                .map_err(wrong("starts_at"))?,
        })
    }

    fn weighting(&self) -> Result<Option<Weighting>, DefinitionError> {
        let number = |field, text: &str| {
            let number = Decimal::parse(text).map_err(wrong(field))?;
            weight(number).map_err(wrong(field))
        };
        let Some(weight_by) = &self.weight_by else {
            let lost = !self.weights.is_empty() || self.default_weight.is_some();
            return if lost { Err(wrong("weight_by")("is required beside weights")) } else { Ok(None) };
        };
        let weights = self.weights.iter().map(|(name, text)| Ok((name.clone(), number("weights", text)?)));
        let default =
            self.default_weight.as_deref().map(|text| number("default_weight", text)).transpose()?;
        Ok(Some(Weighting {
            path: Path::parse(weight_by).map_err(wrong("weight_by"))?,
            table: WeightTable::new(weights.collect::<Result<_, _>>()?, default.unwrap_or(Decimal::ONE)),
        }))
    }
}

/// Filters by path. Two on one path pass what both let pass.
fn filter_texts(filters: &[Filter]) -> BTreeMap<String, Vec<String>> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for filter in filters {
        texts
            .entry(filter.path.to_string())
            .and_modify(|known| known.retain(|text| filter.any_of.contains(text)))
            .or_insert_with(|| filter.any_of.clone());
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reckoner_domain::meter::Input;

    fn id() -> MeterId {
        MeterId::from_bits(7)
    }

    fn path_text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{1,8}", r"\$\.[a-z]{1,5}\.[a-z]{1,5}", r"\$\['[a-z ]{1,6}'\]\[[0-9]\]"]
    }

    fn path() -> impl Strategy<Value = Path> {
        path_text().prop_map(|text| Path::parse(&text).expect("a path"))
    }

    prop_compose! {
        fn weighting()(path in path(), weights in prop::collection::btree_map("\\PC{0,6}", 0_u32..2_000_000_000, 0..4), default in 0_u32..9) -> Weighting {
            let number = |n: u32| Decimal::from_units(i128::from(n) * 1_000_000_000_000).expect("in range");
            let weights = weights.into_iter().map(|(name, n)| (name, number(n))).collect();
            Weighting { path, table: WeightTable::new(weights, number(default)) }
        }
    }

    fn dimension() -> impl Strategy<Value = Dimension> {
        prop_oneof![Just(Dimension::Subject), path().prop_map(Dimension::Property)]
    }

    prop_compose! {
        fn meter()(
            (key, event_type) in ("[a-z.]{1,12}", "[a-z.]{1,12}"),
            aggregation in prop::sample::select(Aggregation::NAMES.to_vec()),
            value_property in prop::option::of(path()),
            filters in prop::collection::btree_map(path_text(), prop::collection::vec("\\PC{0,5}", 0..3), 0..3),
            group_by in prop::collection::vec(path(), 0..3),
            dimensions in prop::collection::vec(dimension(), 0..4),
            level: bool,
            weighting in prop::option::of(weighting()),
            (unit, display_name) in (prop::option::of("\\PC{0,5}"), prop::option::of("\\PC{0,5}")),
            starts_at in prop::option::of(-1_000_000_000_000_000_i64..4_000_000_000_000_000),
        ) -> Meter {
            Meter {
                id: id(),
                key: MeterKey::parse(&key).expect("a key"),
                version: 3,
                event_type,
                aggregation: aggregation.parse().expect("a name"),
                value_property,
                filters: filters.into_iter().map(|(text, any_of)| Filter { path: Path::parse(&text).expect("a path"), any_of }).collect(),
                group_by,
                dimensions,
                input: if level { Input::Level } else { Input::Delta },
                weighting,
                earlier_weightings: Vec::new(),
                unit,
                display_name,
                starts_at: starts_at.and_then(Timestamp::from_micros),
            }
        }
    }

    proptest! {
        #[test]
        fn every_meter_reads_back(meter in meter()) {
            let text = serde_json::to_string(&Definition::from_meter(&meter)).expect("JSON");
            let read: Definition = serde_json::from_str(&text).expect("a definition");
            prop_assert_eq!(read.into_meter(id(), 3), Ok(meter));
        }
    }

    #[test]
    fn little_needs_to_be_said() {
        let read: Definition =
            serde_json::from_str(r#"{"key":"api.calls","aggregation":"sum"}"#).expect("a definition");
        let key = MeterKey::parse("api.calls").expect("a key");
        assert_eq!(read.into_meter(id(), 1), Ok(Meter::plain(id(), key, Aggregation::Sum)));
    }

    #[test]
    fn what_means_nothing_names_its_field() {
        for (field, text) in [
            ("key", r#"{"key":"a b","aggregation":"sum"}"#),
            ("aggregation", r#"{"key":"a","aggregation":"median"}"#),
            ("filters", r#"{"key":"a","aggregation":"sum","filters":{"$":[]}}"#),
            ("weight_by", r#"{"key":"a","aggregation":"sum","weights":{"a":"1"}}"#),
            ("weights", r#"{"key":"a","aggregation":"sum","weight_by":"k","weights":{"a":"-1"}}"#),
            ("starts_at", r#"{"key":"a","aggregation":"sum","starts_at":"today"}"#),
        ] {
            let read: Definition = serde_json::from_str(text).expect("a definition");
            assert_eq!(read.into_meter(id(), 1).map_err(|error| error.field), Err(field), "{text}");
        }
    }
}
