//! What the meters of an event type read from its properties.
use crate::cli::client::{Client, Request};
use crate::cli::error::CliError;
use crate::cli::random::SplitMix64;
use reckoner_api::list::List;
use reckoner_api::meter::Meter;
use reckoner_domain::json::Path;
use reqwest::StatusCode;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// Different values of a property that is grouped by, or whose values are counted.
const VALUES: u64 = 12;
/// Meters of one request.
const PAGE_METERS: &str = "1000";

/// The properties that one meter reads.
#[derive(Clone, Debug, Default)]
struct Needs {
    /// Where a number must be.
    number: Option<Path>,
    /// Where one of these texts must be for an event to count.
    filters: Vec<(Path, Vec<String>)>,
    /// Where one of these texts selects a weight.
    weight: Option<(Path, Vec<String>)>,
    /// Where any text tells events apart.
    texts: Vec<Path>,
}

/// The properties that the meters of each event type read.
#[derive(Clone, Debug, Default)]
pub struct Shapes(BTreeMap<String, Vec<Needs>>);

impl Shapes {
    /// Those of the server's meters; none where the key may not read them.
    pub async fn of_server(client: &Client) -> Result<Self, CliError> {
        let mut meters = Vec::new();
        let mut cursor = None;
        loop {
            let request = Request::get("/v1/meters").with("limit", PAGE_METERS).with_some("cursor", cursor);
            let answer = client.send(&request).await?;
            if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
                return Ok(Self::default());
            }
            if !answer.status.is_success() {
                return Err(client.refused(&request, &answer));
            }
            let page: List<Meter> = serde_json::from_slice(&answer.body).map_err(|error| {
                CliError::failed(format!("/v1/meters gave an unexpected answer: {error}"))
            })?;
            meters.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(Self::of_meters(meters));
            }
        }
    }

    /// Those of these meters.
    pub fn of_meters(meters: impl IntoIterator<Item = Meter>) -> Self {
        let mut shapes = Self::default();
        for meter in meters {
            shapes.0.entry(meter.event_type.clone()).or_default().push(needs(meter));
        }
        shapes
    }

    /// Fills in what the meters of a type read. Numbers come first: an event without one is invalid.
    /// Of filters that exclude each other, those of a meter drawn at random are met.
    pub fn fill(&self, event_type: &str, properties: &mut Map<String, Value>, random: &mut SplitMix64) {
        let Some(all) = self.0.get(event_type) else { return };
        let mut value = Value::Object(std::mem::take(properties));
        let mut filled: Vec<&Path> = Vec::new();
        let start = random.below(all.len() as u64) as usize;
        let (before, after) = all.split_at(start.min(all.len()));
        for path in all.iter().filter_map(|needs| needs.number.as_ref()) {
            if !filled.contains(&path) && path.put(&mut value, Value::Number(amount(random))) {
                filled.push(path);
            }
        }
        for needs in after.iter().chain(before) {
            for (path, texts) in needs.filters.iter().chain(&needs.weight) {
                let Some(text) = random.pick(texts).filter(|_| !filled.contains(&path)) else { continue };
                if path.put(&mut value, Value::String(text.clone())) {
                    filled.push(path);
                }
            }
        }
        for path in all.iter().flat_map(|needs| &needs.texts) {
            if path.find_text(&value).is_none() {
                path.put(&mut value, Value::String(label(path, random)));
            }
        }
        if let Value::Object(filled) = value {
            *properties = filled;
        }
    }
}

fn needs(meter: Meter) -> Needs {
    let path = |text: &String| Path::parse(text).ok();
    let value = meter.value_property.as_ref().and_then(path);
    let counts_texts = meter.aggregation == "unique_count";
    let filters = meter.filters.into_iter().filter_map(|(name, texts)| Some((path(&name)?, texts)));
    let weights = meter.weights.map(|weights| weights.into_keys().collect());
    // `subject` is a dimension too, but no property.
    let dimensions = meter.dimensions.iter().filter(|name| *name != "subject");
    Needs {
        number: value.clone().filter(|_| !counts_texts),
        filters: filters.collect(),
        weight: meter.weight_by.as_ref().and_then(path).zip(weights),
        texts: value
            .filter(|_| counts_texts)
            .into_iter()
            .chain(meter.group_by.iter().chain(dimensions).filter_map(path))
            .collect(),
    }
}

fn amount(random: &mut SplitMix64) -> Number {
    Number::from(random.between(1, 1_000))
}

/// `model-7` for `$.usage.model`.
fn label(path: &Path, random: &mut SplitMix64) -> String {
    let name: String = path
        .as_str()
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    format!("{}-{}", if name.is_empty() { "value" } else { &name }, random.between(1, VALUES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meter(more: Value) -> Meter {
        let mut all = json!({"id": "mtr_1", "key": "k", "version": 1, "event_type": "llm", "aggregation": "sum",
            "filters": {}, "group_by": [], "dimensions": [], "input": "delta", "source": "api",
            "created_at": "2026-01-01T00:00:00Z"});
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        serde_json::from_value(all).expect("a meter")
    }

    #[test]
    fn what_meters_read_is_there() {
        let shapes = Shapes::of_meters([
            meter(json!({"value_property": "$.usage.tokens", "filters": {"region": ["eu", "us"]}})),
            meter(
                json!({"aggregation": "unique_count", "value_property": "user", "filters": {"region": ["asia"]}}),
            ),
            meter(
                json!({"weight_by": "job", "weights": {"small": "1", "large": "5"}, "group_by": ["$.model", "method"],
                "dimensions": ["subject", "tier"]}),
            ),
        ]);
        let mut random = SplitMix64::new(3);
        let mut regions = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut properties = json!({"method": "GET"}).as_object().cloned().unwrap_or_default();
            shapes.fill("llm", &mut properties, &mut random);
            let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["job", "method", "model", "region", "tier", "usage", "user"]);
            assert!(properties["usage"]["tokens"].is_u64());
            assert!(["small", "large"].contains(&properties["job"].as_str().expect("a text")));
            assert!(properties["model"].as_str().expect("a text").starts_with("model-"));
            assert_eq!(properties["method"], "GET", "what fits stays");
            regions.insert(properties["region"].as_str().expect("a text").to_owned());
        }
        assert_eq!(regions.into_iter().collect::<Vec<_>>(), ["asia", "eu", "us"]);
        let mut other = Map::new();
        shapes.fill("other", &mut other, &mut random);
        assert!(other.is_empty());
    }
}
