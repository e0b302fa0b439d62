//! `/v1/meters`.
mod changes;

pub use changes::{archive_left_out, in_force, put_in};

use super::time;
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody, Params, read_json};
use crate::http::pagination;
use crate::http::state::App;
use crate::ingest::draft::text_fault;
use crate::store::meters::{self, Source, StoredMeter};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::{List, PageParams};
use reckoner_api::meter::{Meter as ApiMeter, NewMeter, Number, OneOrMany, Weights};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::{EVENT_TYPE_BYTES_MAX, is_reserved_type};
use reckoner_domain::id::MeterId;
use reckoner_domain::json::{self, PathError};
use reckoner_domain::meter::{
    Aggregation, DIMENSIONS_MAX, Dimension, Filter, GROUP_BY_MAX, Input, Meter, MeterKey, Weighting,
};
use reckoner_domain::weights::{WeightTable, weight};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most bytes of a unit or name shown.
const NAME_BYTES_MAX: usize = 255;
/// Most properties that a meter filters by.
const FILTERS_MAX: usize = 20;
/// Most values that a filter allows.
const FILTER_VALUES_MAX: usize = 100;
/// Most entries of a table of weights.
const WEIGHTS_MAX: usize = 1_000;

/// List the current version of every meter, by key.
#[utoipa::path(
    get, path = "/v1/meters", operation_id = "list_meters", tag = "meters", params(PageParams),
    responses(
        (status = 200, body = List<ApiMeter>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiMeter>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let mut stored = meters::list_current(&app.db, caller.project).await?;
    stored.sort_by(|a, b| a.meter.key.as_str().cmp(b.meter.key.as_str()));
    let name = |meter: &StoredMeter| meter.meter.key.to_string();
    Ok(Json(pagination::of_names(stored, name, page, |meter| to_api(&meter))))
}

/// Get the current version of a meter.
#[utoipa::path(
    get, path = "/v1/meters/{key}", operation_id = "get_meter", tag = "meters",
    params(("key" = String, Path, description = "The meter's key.")),
    responses(
        (status = 200, body = ApiMeter),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
) -> Result<Json<ApiMeter>, ApiError> {
    let versions = meters::list_versions(&app.db, caller.project, &key).await?;
    let current = versions.first().filter(|meter| meter.archived_at.is_none());
    current.map(|meter| Json(to_api(meter))).ok_or_else(|| ApiError::not_found("meter"))
}

/// List every version of a meter, the newest first.
#[utoipa::path(
    get, path = "/v1/meters/{key}/versions", operation_id = "list_meter_versions", tag = "meters",
    params(PageParams, ("key" = String, Path, description = "The meter's key.")),
    responses(
        (status = 200, body = List<ApiMeter>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn versions(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiMeter>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let stored = meters::list_versions(&app.db, caller.project, &key).await?;
    if stored.is_empty() {
        return Err(ApiError::not_found("meter"));
    }
    // Versions count up; their complements, in digits of one width, are in the order of the list.
    let name = |meter: &StoredMeter| format!("{:010}", u32::MAX - meter.meter.version);
    Ok(Json(pagination::of_names(stored, name, page, |meter| to_api(&meter))))
}

/// Make a meter, or a new version of one.
///
/// A version's meaning never changes. The same definition again is no change (200); another one
/// makes the next version (201), which reads all events of its type, earlier ones included.
#[utoipa::path(
    post, path = "/v1/meters", operation_id = "create_meter", tag = "meters",
    request_body = NewMeter,
    responses(
        (status = 200, description = "It is there already", body = ApiMeter),
        (status = 201, description = "Made", body = ApiMeter),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another request made a version at the same time", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewMeter>,
) -> Result<(StatusCode, Json<ApiMeter>), ApiError> {
    let meter = from_api(new).map_err(ApiError::invalid)?;
    let _changing = app.meters_changing.lock().await;
    let (changed, stored) = changes::put(&app, &caller.actor, caller.project, meter, Source::Api).await?;
    let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(to_api(&stored))))
}

/// Archive a meter: its events stay, but it answers no more and takes no more.
#[utoipa::path(
    delete, path = "/v1/meters/{key}", operation_id = "archive_meter", tag = "meters",
    params(("key" = String, Path, description = "The meter's key.")),
    responses(
        (status = 204, description = "Archived"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn archive(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let _changing = app.meters_changing.lock().await;
    if app.recorder.catalogues.of(caller.project).get(&key).is_none() {
        return Err(ApiError::not_found("meter"));
    }
    changes::archive(&app, &caller.actor, caller.project, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A meter as the API shows it.
fn to_api(stored: &StoredMeter) -> ApiMeter {
    let meter = &stored.meter;
    let table = meter.weighting.as_ref().map(|weighting| &weighting.table);
    ApiMeter {
        id: meter.id.to_string(),
        key: meter.key.to_string(),
        version: meter.version,
        event_type: meter.event_type.clone(),
        aggregation: meter.aggregation.as_str().to_owned(),
        value_property: meter.value_property.as_ref().map(ToString::to_string),
        filters: meter
            .filters
            .iter()
            .map(|filter| (filter.path.to_string(), filter.any_of.clone()))
            .collect(),
        group_by: meter.group_by.iter().map(ToString::to_string).collect(),
        dimensions: meter.dimensions.iter().map(ToString::to_string).collect(),
        input: meter.input.as_str().to_owned(),
        weight_by: meter.weighting.as_ref().map(|weighting| weighting.path.to_string()),
        weights: table.map(|table| {
            table.entries().map(|(name, weight)| (name.to_owned(), weight.to_string())).collect()
        }),
        default_weight: table.map(|table| table.default_weight().to_string()),
        unit: meter.unit.clone(),
        display_name: meter.display_name.clone(),
        starts_at: meter.starts_at.map(|time| time.to_string()),
        source: stored.source.as_str().to_owned(),
        created_at: stored.created_at.to_string(),
    }
}

/// Reads a definition from the operator's file; every fault at once.
pub fn from_file(definition: &Value) -> Result<Meter, Vec<FieldError>> {
    let new: Result<NewMeter, ApiError> = read_json(definition.to_string().as_bytes());
    new.map_err(|error| error.errors().to_vec()).and_then(from_api)
}

/// Reads a definition, which gets its id and version when it is put in force; every fault at once.
pub fn from_api(new: NewMeter) -> Result<Meter, Vec<FieldError>> {
    let mut errors = Vec::new();
    let key =
        MeterKey::parse(&new.key).map_err(|error| errors.push(field_error("key", error.to_string()))).ok();
    let event_type = new.event_type.unwrap_or_else(|| new.key.clone());
    if let Some(reason) = text_fault(&event_type, EVENT_TYPE_BYTES_MAX) {
        errors.push(field_error("event_type", reason));
    }
    for (field, text) in [("unit", &new.unit), ("display_name", &new.display_name)] {
        if let Some(reason) = text.as_deref().and_then(|text| text_fault(text, NAME_BYTES_MAX)) {
            errors.push(field_error(field, reason));
        }
    }
    if is_reserved_type(&event_type) {
        errors.push(field_error("event_type", "is reserved: a path of that name means something else"));
    }
    let aggregation: Option<Aggregation> = new.aggregation.parse().ok();
    if aggregation.is_none() {
        errors.push(choice_error("aggregation", &Aggregation::NAMES));
    }
    let value_property = path("value_property", new.value_property.as_deref(), &mut errors);
    if aggregation == Some(Aggregation::UniqueCount) && new.value_property.is_none() {
        errors.push(field_error(
            "value_property",
            "is required by unique_count: the property whose values are counted",
        ));
    }
    let filters = read_filters(new.filters.unwrap_or_default(), &mut errors);
    let group_by = new.group_by.unwrap_or_default();
    let group_by = read_all("group_by", &group_by, GROUP_BY_MAX, json::Path::parse, &mut errors);
    let dimensions = new.dimensions.unwrap_or_default();
    let dimensions = read_all("dimensions", &dimensions, DIMENSIONS_MAX, Dimension::parse, &mut errors);
    let input: Option<Input> = new.input.as_deref().map_or(Some(Input::Delta), |name| name.parse().ok());
    if input.is_none() {
        errors.push(choice_error("input", &["delta", "level"]));
    }
    let weighting = read_weighting(new.weight_by.as_deref(), new.weights, new.default_weight, &mut errors);
    let starts_at = time::optional("starts_at", new.starts_at.as_deref(), &mut errors);
    match (key, aggregation, input) {
        (Some(key), Some(aggregation), Some(input)) if errors.is_empty() => Ok(Meter {
            event_type,
            value_property,
            filters,
            group_by,
            dimensions,
            input,
            weighting,
            unit: new.unit,
            display_name: new.display_name,
            starts_at,
            ..Meter::plain(MeterId::from_bits(0), key, aggregation)
        }),
        _ => Err(errors),
    }
}

fn path(field: &str, text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<json::Path> {
    json::Path::parse(text?).map_err(|error| errors.push(field_error(field, error.to_string()))).ok()
}

fn read_all<T>(
    field: &str,
    texts: &[String],
    max: usize,
    read: impl Fn(&str) -> Result<T, PathError>,
    errors: &mut Vec<FieldError>,
) -> Vec<T> {
    if texts.len() > max {
        errors.push(field_error(field, format!("must name at most {max}")));
    }
    let mut note = |index, error: PathError| {
        errors.push(field_error(&format!("{field}[{index}]"), error.to_string()));
    };
    let each = texts.iter().enumerate();
    each.filter_map(|(index, text)| read(text).map_err(|error| note(index, error)).ok()).collect()
}

fn read_filters(filters: BTreeMap<String, OneOrMany>, errors: &mut Vec<FieldError>) -> Vec<Filter> {
    let mut read = Vec::new();
    if filters.len() > FILTERS_MAX {
        errors.push(field_error("filters", format!("must name at most {FILTERS_MAX} properties")));
    }
    for (text, values) in filters {
        let any_of = match values {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        if !(1..=FILTER_VALUES_MAX).contains(&any_of.len()) {
            let reason = format!("must allow 1 to {FILTER_VALUES_MAX} values");
            errors.push(field_error(&format!("filters.{text}"), reason));
        }
        if let Some(path) = path(&format!("filters.{text}"), Some(&text), errors) {
            read.push(Filter { path, any_of });
        }
    }
    read
}

fn read_weighting(
    by: Option<&str>,
    weights: Option<Weights>,
    default: Option<Number>,
    errors: &mut Vec<FieldError>,
) -> Option<Weighting> {
    let Some(by) = by else {
        if weights.is_some() || default.is_some() {
            errors.push(field_error("weight_by", "is required where weights are given"));
        }
        return None;
    };
    let path = path("weight_by", Some(by), errors);
    let mut number = |field: &str, number: &Number| {
        let parsed = Decimal::parse(&number.to_text()).map_err(|error| error.to_string());
        parsed.and_then(|parsed| weight(parsed).map_err(|error| error.to_string())).unwrap_or_else(|reason| {
            errors.push(field_error(field, reason));
            Decimal::ONE
        })
    };
    let default_weight = default.map(|default| number("default_weight", &default));
    let default_weight = default_weight.unwrap_or(Decimal::ONE);
    let table = match weights {
        None => WeightTable::new(BTreeMap::new(), default_weight),
        Some(Weights::Shipped(name)) if name == "compute" => {
            WeightTable::compute().with_default(default_weight)
        }
        Some(Weights::Shipped(_)) => {
            errors.push(choice_error("weights", &["compute"]));
            return None;
        }
        Some(Weights::Table(table)) if table.len() > WEIGHTS_MAX => {
            errors.push(field_error("weights", format!("must have at most {WEIGHTS_MAX} entries")));
            return None;
        }
        Some(Weights::Table(table)) => {
            let read =
                table.iter().map(|(name, weight)| (name.clone(), number(&format!("weights.{name}"), weight)));
            let read = read.collect();
            WeightTable::new(read, default_weight)
        }
    };
    Some(Weighting { path: path?, table })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Meter, Vec<String>> {
        let new = serde_json::from_str(json).expect("JSON");
        let field = |error: FieldError| error.field;
        from_api(new).map_err(|errors| errors.into_iter().map(field).collect())
    }

    #[test]
    fn a_full_definition_is_read() {
        let meter = read(
            r#"{"key":"compute","event_type":"jobs","aggregation":"sum","value_property":"$.units",
                "filters":{"region":["eu","us"],"tier":"gold"},"group_by":["region"],"dimensions":["subject"],
                "weight_by":"jobType","weights":{"a":2,"b":"0.5"},"default_weight":3,"starts_at":"2026-01-01T00:00:00Z"}"#,
        )
        .expect("a meter");
        let table = meter.weighting.map(|weighting| weighting.table);
        assert_eq!(
            table.as_ref().map(|table| table.weight_of(Some("b")).to_string()).as_deref(),
            Some("0.5")
        );
        assert_eq!(table.map(|table| table.default_weight().to_string()).as_deref(), Some("3"));
        assert_eq!((meter.filters.len(), meter.event_type.as_str()), (2, "jobs"));
    }

    #[test]
    fn every_fault_is_told() {
        let faults = read(
            r#"{"key":"a b","event_type":"","aggregation":"median","value_property":"$","filters":{"$":[]},
                "group_by":["$."],"dimensions":["a","b","c","d","e"],"input":"x","weight_by":"w","weights":{"a":-1},
                "default_weight":"x","starts_at":"soon"}"#,
        )
        .expect_err("faults");
        let expected = [
            "key",
            "event_type",
            "aggregation",
            "value_property",
            "filters.$",
            "filters.$",
            "group_by[0]",
            "dimensions",
            "input",
            "default_weight",
            "weights.a",
            "starts_at",
        ];
        assert_eq!(faults, expected);
        assert_eq!(
            read(r#"{"key":"u","aggregation":"unique_count"}"#),
            Err(vec!["value_property".to_owned()])
        );
    }
}
