//! `GET` and `POST /v1/meters/{key}/query`.
use super::time;
use crate::clock;
use crate::events::{GroupBy, Row, UsageQuery};
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::state::App;
use crate::http::{accept, csv};
use crate::store::customers;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::meter::OneOrMany;
use reckoner_api::query::{Usage, UsageQuery as ApiQuery, UsageRow};
use reckoner_domain::id::ProjectId;
use reckoner_domain::json;
use reckoner_domain::meter::{Filter, GROUP_BY_MAX, Meter};
use reckoner_domain::window::{WindowSize, windows};
use std::collections::BTreeMap;

/// Most windows of a query.
pub const WINDOWS_MAX: usize = 50_000;
/// Most customers or subjects a query may name.
const NAMES_MAX: usize = 1_000;

/// Query a meter.
///
/// Values are exact decimals as texts. `from` and `to` are half-open; windows at the edges are
/// clipped, and empty ones are left out unless `fill=zero`. With `window=none` one row always comes, and
/// with customers or subjects named one for each of them.
#[utoipa::path(
    get, path = "/v1/meters/{key}/query", operation_id = "query_meter", tag = "meters",
    params(
        ("key" = String, Path, description = "The meter's key."),
        ("from" = String, Query, description = "The start, inclusive (RFC 3339)."),
        ("to" = String, Query, description = "The end, exclusive."),
        ("window" = Option<String>, Query, description = "minute, hour, day, week, month, year or none (the default)."),
        ("time_zone" = Option<String>, Query, description = "The IANA time zone of the windows, by default UTC."),
        ("customer" = Option<Vec<String>>, Query, description = "Only these customers: their own ids, or `cus_...` (repeatable)."),
        ("subject" = Option<Vec<String>>, Query, description = "Only these subjects (repeatable)."),
        ("group_by" = Option<String>, Query, description = "customer, subject or properties, with commas between."),
        ("filter" = Option<Object>, Query, style = DeepObject, explode, description = "Properties and the values they must have: `filter[region]=eu`."),
        ("as_of" = Option<String>, Query, description = "Usage as it was known at this time."),
        ("fill" = Option<String>, Query, description = "zero: windows without events are shown too."),
    ),
    responses(
        (status = 200, content((Usage = "application/json"), (String = "text/csv"))),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (query, errors) = from_parameters(query.as_deref().unwrap_or_default());
    answer(&app, caller.project, &key, (query, errors), &headers).await
}

/// Query a meter, with the parameters as JSON.
#[utoipa::path(
    post, path = "/v1/meters/{key}/query", operation_id = "query_meter_with_body", tag = "meters",
    params(("key" = String, Path, description = "The meter's key.")),
    request_body = ApiQuery,
    responses(
        (status = 200, content((Usage = "application/json"), (String = "text/csv"))),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn post(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
    headers: HeaderMap,
    JsonBody(query): JsonBody<ApiQuery>,
) -> Result<Response, ApiError> {
    answer(&app, caller.project, &key, (query, Vec::new()), &headers).await
}

async fn answer(
    app: &App,
    project: ProjectId,
    key: &str,
    (query, errors): (ApiQuery, Vec<FieldError>),
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let catalogue = app.recorder.catalogues.of(project);
    let meter = catalogue.get(key).ok_or_else(|| ApiError::not_found("meter"))?;
    let mut checked = Checked::from_api(project, meter, query, errors)?;
    checked.query.customers = own_ids(app, project, checked.query.customers).await?;
    let names = checked.names.clone();
    let (window, ends) = (checked.window, (checked.from.clone(), checked.to.clone()));
    let rows = app.events.query(checked.query).await?;
    let data: Vec<UsageRow> = rows.into_iter().map(|row| to_api(row, &names)).collect();
    if accept::preferred(headers, &[accept::JSON, csv::MEDIA_TYPE]) == csv::MEDIA_TYPE {
        return Ok(([(header::CONTENT_TYPE, csv::CONTENT_TYPE)], to_csv(&data, &names)).into_response());
    }
    let usage =
        Usage { meter: key.to_owned(), from: ends.0, to: ends.1, window: window.as_str().to_owned(), data };
    Ok(Json(usage).into_response())
}

/// The query parameters as the body of `POST` would have them, and those it could not have.
fn from_parameters(query: &str) -> (ApiQuery, Vec<FieldError>) {
    let mut parsed = ApiQuery::default();
    let (mut customers, mut subjects) = (Vec::new(), Vec::new());
    let mut filter: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut errors = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = value.into_owned();
        let single = match name.as_ref() {
            "from" => Some(&mut parsed.from),
            "to" => Some(&mut parsed.to),
            "window" => Some(&mut parsed.window),
            "time_zone" => Some(&mut parsed.time_zone),
            "as_of" => Some(&mut parsed.as_of),
            "fill" => Some(&mut parsed.fill),
            _ => None,
        };
        if let Some(single) = single {
            if single.replace(value).is_some() {
                errors.push(field_error(&name, "is given more than once"));
            }
            continue;
        }
        match name.as_ref() {
            "customer" => customers.push(value),
            "subject" => subjects.push(value),
            "group_by" => {
                let names = value.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
                parsed.group_by.get_or_insert_default().extend(names);
            }
            other => match other.strip_prefix("filter[").and_then(|rest| rest.strip_suffix(']')) {
                Some(path) => filter.entry(path.to_owned()).or_default().push(value),
                None => errors.push(field_error(other, "is no parameter of a usage query")),
            },
        }
    }
    parsed.customer = (!customers.is_empty()).then_some(OneOrMany::Many(customers));
    parsed.subject = (!subjects.is_empty()).then_some(OneOrMany::Many(subjects));
    parsed.filter = (!filter.is_empty())
        .then(|| filter.into_iter().map(|(path, texts)| (path, OneOrMany::Many(texts))).collect());
    (parsed, errors)
}

/// A query that can be answered, and how its rows are named.
struct Checked {
    query: UsageQuery,
    names: Names,
    window: WindowSize,
    from: String,
    to: String,
}

/// Which fields rows have.
#[derive(Clone, Debug, Default)]
struct Names {
    customer: bool,
    subject: bool,
    properties: Vec<String>,
    /// Whether there is a value without weights.
    base: bool,
}

impl Checked {
    /// Checks a query of which `errors` are known already.
    fn from_api(
        project: ProjectId,
        meter: &Meter,
        query: ApiQuery,
        mut errors: Vec<FieldError>,
    ) -> Result<Self, ApiError> {
        let from = required_time("from", query.from.as_deref(), &mut errors);
        let to = required_time("to", query.to.as_deref(), &mut errors);
        let as_of = time::optional("as_of", query.as_of.as_deref(), &mut errors);
        let window = read_window(query.window.as_deref(), &mut errors);
        let zone = read_zone(query.time_zone.as_deref(), &mut errors);
        let customers = names("customer", query.customer, &mut errors);
        let subjects = names("subject", query.subject, &mut errors);
        let filters = read_filters(query.filter.unwrap_or_default(), &mut errors);
        let (group_by, properties) = read_groups(query.group_by.unwrap_or_default(), &mut errors);
        let fill_zero = read_fill(query.fill.as_deref(), &mut errors);
        let (Some(from), Some(to)) = (from, to) else { return Err(ApiError::invalid(errors)) };
        if from >= to {
            errors.push(field_error("to", "must be after from"));
        }
        let cut = windows(window, &zone, from, to, WINDOWS_MAX).unwrap_or_else(|error| {
            errors.push(field_error("window", format!("the range {error}")));
            Vec::new()
        });
        if !errors.is_empty() {
            return Err(ApiError::invalid(errors));
        }
        let names = Names {
            customer: !customers.is_empty() || group_by.contains(&GroupBy::Customer),
            subject: !subjects.is_empty() || group_by.contains(&GroupBy::Subject),
            properties,
            base: meter.has_base(),
        };
        let group_by = told_apart_by(group_by, customers.len() > 1, subjects.len() > 1);
        let query = UsageQuery {
            customers,
            subjects,
            filters,
            group_by,
            as_of,
            // The one window of `none` always has a row.
            fill_zero: fill_zero || window == WindowSize::None,
            ..UsageQuery::new(project, meter.clone(), cut)
        };
        Ok(Self { query, names, window, from: from.to_string(), to: to.to_string() })
    }
}

/// The customers' own ids; one that is named twice is one.
async fn own_ids(app: &App, project: ProjectId, names: Vec<String>) -> Result<Vec<String>, ApiError> {
    let mut own = customers::own_ids(&app.db, project, names).await?;
    own.sort_unstable();
    own.dedup();
    Ok(own)
}

/// Rows name the customers and subjects that a query filters by: where it names several of them,
/// rows are told apart by them too.
fn told_apart_by(mut group_by: Vec<GroupBy>, customers: bool, subjects: bool) -> Vec<GroupBy> {
    for (several, group) in [(customers, GroupBy::Customer), (subjects, GroupBy::Subject)] {
        if several && !group_by.contains(&group) {
            group_by.push(group);
        }
    }
    group_by
}

fn required_time(
    field: &str,
    text: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> Option<reckoner_domain::time::Timestamp> {
    if text.is_none() {
        errors.push(field_error(field, "is required"));
    }
    time::optional(field, text, errors)
}

fn read_window(text: Option<&str>, errors: &mut Vec<FieldError>) -> WindowSize {
    text.map_or(Ok(WindowSize::None), str::parse).unwrap_or_else(|_| {
        errors.push(choice_error("window", &WindowSize::NAMES));
        WindowSize::None
    })
}

fn read_zone(name: Option<&str>, errors: &mut Vec<FieldError>) -> TimeZone {
    let Some(name) = name else { return TimeZone::UTC };
    clock::zone(name).unwrap_or_else(|| {
        errors.push(field_error("time_zone", "must be an IANA time zone such as Europe/Berlin"));
        TimeZone::UTC
    })
}

fn read_fill(text: Option<&str>, errors: &mut Vec<FieldError>) -> bool {
    match text {
        None | Some("none") => false,
        Some("zero") => true,
        Some(_) => {
            errors.push(choice_error("fill", &["zero", "none"]));
            false
        }
    }
}

fn names(field: &str, value: Option<OneOrMany>, errors: &mut Vec<FieldError>) -> Vec<String> {
    let mut all = many(value);
    all.sort_unstable();
    all.dedup();
    if all.len() > NAMES_MAX {
        errors.push(field_error(field, format!("must name at most {NAMES_MAX}")));
    }
    all
}

fn many(value: Option<OneOrMany>) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(all)) => all,
    }
}

/// Conditions on properties; what is wrong is noted.
pub fn read_filters(filters: BTreeMap<String, OneOrMany>, errors: &mut Vec<FieldError>) -> Vec<Filter> {
    let mut read = Vec::new();
    for (path, texts) in filters {
        match json::Path::parse(&path) {
            Ok(path) => read.push(Filter { path, any_of: many(Some(texts)) }),
            Err(error) => errors.push(field_error(&format!("filter.{path}"), error.to_string())),
        }
    }
    read
}

fn read_groups(names: Vec<String>, errors: &mut Vec<FieldError>) -> (Vec<GroupBy>, Vec<String>) {
    if names.len() > GROUP_BY_MAX {
        errors.push(field_error("group_by", format!("must name at most {GROUP_BY_MAX}")));
    }
    let (mut groups, mut properties) = (Vec::new(), Vec::new());
    for (index, name) in names.into_iter().enumerate() {
        let group = match name.as_str() {
            "customer" => GroupBy::Customer,
            "subject" => GroupBy::Subject,
            path => match json::Path::parse(path) {
                Ok(path) => GroupBy::Property(path),
                Err(error) => {
                    errors.push(field_error(&format!("group_by[{index}]"), error.to_string()));
                    continue;
                }
            },
        };
        if groups.contains(&group) {
            continue;
        }
        if matches!(group, GroupBy::Property(_)) {
            properties.push(name);
        }
        groups.push(group);
    }
    (groups, properties)
}

fn to_api(row: Row, names: &Names) -> UsageRow {
    let group = names.properties.iter().cloned().zip(row.group).collect::<BTreeMap<_, _>>();
    UsageRow {
        value: row.usage.map(reckoner_domain::tally::Usage::to_text),
        base_value: row.base.map(reckoner_domain::tally::Usage::to_text),
        window_start: row.window.start.to_string(),
        window_end: row.window.end.to_string(),
        customer: row.customer.filter(|_| names.customer),
        subject: names.subject.then_some(row.subject),
        group: (!names.properties.is_empty()).then_some(group),
        was_negative: row.was_negative,
        is_other: row.is_other,
    }
}

fn to_csv(rows: &[UsageRow], names: &Names) -> String {
    let mut head = vec!["window_start".to_owned(), "window_end".to_owned()];
    head.extend(names.customer.then(|| "customer".to_owned()));
    head.extend(names.subject.then(|| "subject".to_owned()));
    head.extend(names.properties.iter().cloned());
    head.push("value".to_owned());
    head.extend(names.base.then(|| "base_value".to_owned()));
    let mut text = csv::line(head.iter().map(String::as_str));
    for row in rows {
        let mut cells = vec![row.window_start.as_str(), row.window_end.as_str()];
        cells.extend(names.customer.then(|| row.customer.as_deref().unwrap_or_default()));
        cells.extend(
            names.subject.then(|| row.subject.as_ref().and_then(Option::as_deref).unwrap_or_default()),
        );
        let group = |name: &String| row.group.as_ref().and_then(|group| group.get(name)?.as_deref());
        cells.extend(names.properties.iter().map(|name| group(name).unwrap_or_default()));
        cells.push(row.value.as_deref().unwrap_or_default());
        cells.extend(names.base.then(|| row.base_value.as_deref().unwrap_or_default()));
        text.push_str(&csv::line(cells.into_iter()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_read_like_the_body() {
        let (query, errors) = from_parameters(
            "from=a&to=b&customer=x&customer=y&group_by=customer,region&filter[k]=1&filter[k]=2",
        );
        assert_eq!(many(query.customer), ["x", "y"]);
        assert_eq!(query.group_by, Some(vec!["customer".to_owned(), "region".to_owned()]));
        assert_eq!(
            query.filter.map(|filter| filter.into_values().map(|v| many(Some(v))).collect()),
            Some(vec![vec!["1".to_owned(), "2".to_owned()]])
        );
        assert_eq!(errors, []);
        assert_eq!(from_parameters("form=a").1, [field_error("form", "is no parameter of a usage query")]);
        let again = from_parameters("to=a&from=b&to=c").1;
        assert_eq!(again, [field_error("to", "is given more than once")]);
    }
}
