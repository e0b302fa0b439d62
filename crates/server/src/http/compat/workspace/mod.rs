//! System B: usage of workspaces and organisations, in traffic, storage and compute.
//!
//! A workspace is a subject; whose usage its events are, [`crate::ingest`] finds out. An organisation is a
//! customer.
pub mod aggregations;
pub mod alerts;
mod billed;
pub mod dashboard;
mod document;
pub mod events;
pub mod export;
mod feed;
mod figures;
pub mod invoices;
mod months;
mod numbers;
pub mod record;
mod resources;
mod sent;
pub mod summary;

use super::metering::{BodyFault, as_container, read_body};
use super::{Refused, failure};
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Rows of a list when nothing is said.
const LIMIT_DEFAULT: usize = 50;
/// Most rows of a list.
const LIMIT_MAX: usize = 1_000;
/// Most rows that a list passes over: what is further back is found by its dates.
const OFFSET_MAX: usize = 100_000;

/// Whether a route is one of system B.
pub fn is_route(pattern: &str) -> bool {
    const ROOTS: [&str; 6] = [
        "/api/usage/events",
        "/api/usage/summary",
        "/api/usage/aggregations",
        "/api/usage/alerts",
        "/api/usage/dashboard",
        "/api/usage/invoices",
    ];
    ROOTS.iter().any(|root| pattern.starts_with(root))
}

/// A refusal before any handler ran, in system B's words.
pub fn refusal(query: Option<&str>, error: &ApiError) -> Response {
    if error.status() != StatusCode::FORBIDDEN {
        return super::refusal(error);
    }
    let names = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.any(|(key, value)| key == name && !value.is_empty())
    };
    let of_organization = names("organizationId") && !names("workspaceId");
    let text = if of_organization { "Organization admin access required" } else { "Admin access required" };
    failure(StatusCode::FORBIDDEN, text, None)
}

/// What these paths take as a query; each takes a part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    workspace_id: Option<String>,
    organization_id: Option<String>,
    project_id: Option<String>,
    resource_type: Option<String>,
    source: Option<String>,
    period: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    start_period: Option<String>,
    end_period: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
    format: Option<String>,
}

/// Whose usage is asked about: of a workspace, of an organisation, or of a workspace as far as it is the
/// organisation's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    workspace: Option<String>,
    organization: Option<String>,
}

impl Owner {
    fn of(params: &Params) -> Result<Self, Refusal> {
        Self::new(given(params.workspace_id.as_ref()), given(params.organization_id.as_ref()))
    }

    fn new(workspace: Option<String>, organization: Option<String>) -> Result<Self, Refusal> {
        if workspace.is_none() && organization.is_none() {
            return Err(Refusal::wrong("Either workspaceId or organizationId is required"));
        }
        Ok(Self { workspace, organization })
    }

    /// The narrower of the names.
    fn name(&self) -> &str {
        self.workspace.as_deref().or(self.organization.as_deref()).unwrap_or_default()
    }

    /// Whose time zone counts.
    fn customer(&self) -> &str {
        self.organization.as_deref().or(self.workspace.as_deref()).unwrap_or_default()
    }

    /// The fields that name it in answers.
    fn put(&self, document: &mut Value) {
        for (field, name) in [("workspaceId", &self.workspace), ("organizationId", &self.organization)] {
            if let (Some(name), Some(fields)) = (name, document.as_object_mut()) {
                fields.insert(field.to_owned(), json!(name));
            }
        }
    }
}

/// A parameter that says something.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// Limit and offset of a list; what is wrong is noted.
fn page(params: &Params, wrong: &mut Vec<String>) -> (usize, usize) {
    let mut read = |name: &str, text: Option<&String>, usual: usize, least: usize, most: usize| {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return usual };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.unwrap_or_else(|| {
            wrong.push(format!("{name} must be a whole number from {least} to {most}"));
            usual
        })
    };
    let limit = read("limit", params.limit.as_ref(), LIMIT_DEFAULT, 1, LIMIT_MAX);
    (limit, read("offset", params.offset.as_ref(), 0, 0, OFFSET_MAX))
}

/// 400 with everything that is wrong.
fn all_wrong(wrongs: &[String]) -> Response {
    wrong(&wrongs.join("; "))
}

fn wrong(text: &str) -> Response {
    Refusal::wrong(text).into()
}

/// A refusal that is no answer yet.
pub struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    /// 400, with what is wrong.
    fn wrong(text: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.to_owned() }
    }
}

impl From<Refusal> for Response {
    fn from(Refusal { status, text }: Refusal) -> Self {
        failure(status, &text, None)
    }
}

fn failed(error: impl Into<ApiError>) -> Response {
    Refused(error.into()).into_response()
}

/// The JSON object that a request sends.
async fn read_object(app: &App, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Response> {
    let no_object = || wrong("Request body must be a JSON object");
    let bytes = match read_body(app, headers, body).await {
        Ok(bytes) => bytes,
        Err(BodyFault::Missing) => return Err(no_object()),
        Err(BodyFault::Unreadable(error)) => return Err(failed(error)),
    };
    let text = as_container(&bytes).map_err(|_| no_object())?;
    serde_json::from_str(text).map_err(|_| no_object())
}

/// `{"data": ...}`.
fn data(value: Value) -> Json<Value> {
    Json(object([("data", value)]))
}

/// `{"documents": [...], "total": n}`.
fn documents(documents: Vec<Value>, total: u64) -> Value {
    object([("documents", Value::Array(documents)), ("total", total.into())])
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        let read = |limit: &str, offset: &str| {
            let params =
                Params { limit: Some(limit.into()), offset: Some(offset.into()), ..Params::default() };
            let mut wrong = Vec::new();
            (page(&params, &mut wrong), wrong.len())
        };
        assert_eq!(read("", ""), ((50, 0), 0));
        assert_eq!(read("1000", "100000"), ((1_000, 100_000), 0));
        assert_eq!(read("0", "-1"), ((50, 0), 2));
        assert_eq!(read("1001", "100001"), ((50, 0), 2));
    }

    #[test]
    fn routes_of_system_c_are_not_its() {
        assert!(is_route("/api/usage/events/export") && is_route("/api/usage/aggregations/calculate"));
        assert!(!is_route("/api/usage/current") && !is_route("/api/usage/endpoints"));
    }
}
