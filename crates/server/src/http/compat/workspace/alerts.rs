//! `GET|POST /api/usage/alerts`, `PATCH|DELETE /api/usage/alerts/{id}`: alerts on usage of a calendar month, the
//! same that `/v1/alerts` shows.
use super::numbers::{GB_BYTES, gigabytes, number};
use super::resources::{Meters, Resource};
use super::{
    LIMIT_DEFAULT, Owner, Params, Refusal, all_wrong, data, documents, failed, given, object, page,
    read_object,
};
use crate::alerts::{AlertError, ChangeError, Changes, Draft};
use crate::auth::caller::Caller;
use crate::http::compat::{Asked as Query, failure};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::alerts::{self as stored, Alert, Filter};
use crate::store::{Limit, StoreError};
use crate::webhooks::service::Webhooks;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_domain::alert::{ALERTS_MAX, AlertKind, AlertPeriod, Channel, ThresholdUnit};
use reckoner_domain::decimal::{Decimal, Excess};
use reckoner_domain::id::{AlertId, ProjectId};
use reckoner_domain::ratio::Ratio;
use serde_json::{Map, Value, json};

/// The types of alerts, beside what they are on `/v1`.
const TYPES: [(&str, Channel); 3] =
    [("email", Channel::Mail), ("in_app", Channel::InApp), ("webhook", Channel::Webhook)];

/// Alerts of a workspace or an organisation, in the order of making.
#[utoipa::path(
    get, path = "/api/usage/alerts", operation_id = "list_workspace_alerts", tag = "system B",
    params(
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("resourceType" = Option<String>, Query, description = "traffic, storage or compute."),
        ("limit" = Option<u32>, Query, description = "1 to 1,000, 50 by default."),
        ("offset" = Option<u32>, Query, description = "0 to 100,000."),
    ),
    responses(
        (status = 200, description = "`{data: {documents: [{$id, workspaceId, resourceType, threshold, alertType, isEnabled, webhookUrl?, createdBy, lastTriggeredAt?}], total}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Response> {
    let owner = Owner::of(&params)?;
    let mut wrongs = Vec::new();
    let window = page(&params, &mut wrongs);
    let resource = given(params.resource_type.as_ref()).map(|name| Resource::parse(&name));
    if resource == Some(None) {
        wrongs.push(no_resource());
    }
    if !wrongs.is_empty() {
        return Err(all_wrong(&wrongs));
    }
    let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
    Ok(data(listed(&app, &caller, (&owner, &meters), resource.flatten(), window).await?))
}

/// The alerts that a dashboard shows.
pub async fn of_dashboard(app: &App, caller: &Caller, of: (&Owner, &Meters)) -> Result<Value, Response> {
    listed(app, caller, of, None, (LIMIT_DEFAULT, 0)).await
}

/// A project has so few alerts that all of an owner are read.
async fn listed(
    app: &App,
    caller: &Caller,
    (owner, meters): (&Owner, &Meters),
    only: Option<Resource>,
    (limit, offset): (usize, usize),
) -> Result<Value, Response> {
    let filter = Filter {
        kind: Some(AlertKind::Usage),
        customer: owner.organization.as_deref(),
        subject: owner.workspace.as_deref(),
    };
    let all = Limit::new(ALERTS_MAX).unwrap_or_default();
    let found = stored::list(&app.db, caller.project, &filter, None, all).await.map_err(failed)?;
    let shown: Vec<Value> = found
        .items
        .iter()
        .filter_map(|alert| resource_of(alert, meters).map(|resource| (alert, resource)))
        .filter(|(_, resource)| only.is_none_or(|only| only == *resource))
        .map(|(alert, resource)| document(alert, resource))
        .collect();
    let total = shown.len() as u64;
    Ok(documents(shown.into_iter().skip(offset).take(limit).collect(), total))
}

/// Make an alert on what a workspace or an organisation uses in a calendar month.
///
/// The threshold is in GB for traffic and storage, of which the mean over the time that has passed counts, and in
/// weighted units for compute, as the summary shows them.
#[utoipa::path(
    post, path = "/api/usage/alerts", operation_id = "create_workspace_alert", tag = "system B",
    request_body(content = Object, description = "`{workspaceId, resourceType, threshold, alertType, isEnabled?, webhookUrl?}`", content_type = "application/json"),
    responses(
        (status = 201, description = "`{data: {$id, workspaceId, resourceType, threshold, alertType, isEnabled, webhookUrl?, createdBy, lastTriggeredAt?}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 409, description = "`{error}`", body = Object),
        (status = 413, description = "`{error}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
        (status = 503, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let fields = read_object(&app, &headers, body).await?;
    let webhooks = app.webhooks.by(&caller.actor);
    let mut reader = Reader { fields: &fields, wrong: Vec::new() };
    let owner = Owner::new(reader.owner("workspaceId"), reader.owner("organizationId"));
    let owner = owner.map_err(|refusal| reader.wrong.insert(0, refusal.text)).unwrap_or_default();
    let resource = reader.resource();
    if resource.is_none() {
        reader.wrong.push(no_resource());
    }
    let threshold = reader.threshold();
    if reader.get("threshold").is_none() {
        reader.wrong.push(NO_THRESHOLD.to_owned());
    }
    let channel = reader.channel();
    if channel.is_none() {
        reader.wrong.push(no_type());
    }
    let enabled = reader.flag("isEnabled");
    let webhook_url = reader.webhook_url(channel, &webhooks);
    let (Some(resource), Some(threshold), Some(channel), []) =
        (resource, threshold, channel, reader.wrong.as_slice())
    else {
        return Err(all_wrong(&reader.wrong));
    };
    let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
    let draft = Draft {
        kind: AlertKind::Usage.as_str().to_owned(),
        customer: owner.organization.clone(),
        subject: owner.workspace.clone(),
        meter: Some(meters.get(resource).key.to_string()),
        threshold: in_meter_units(resource, threshold)?.to_string(),
        period: Some(AlertPeriod::Month.as_str().to_owned()),
        channels: vec![channel.as_str().to_owned()],
        webhook_url,
        enabled: enabled.unwrap_or(true),
        ..Draft::default()
    };
    let made = app.alerts.create(&caller.actor, caller.project, &draft, &webhooks).await.map_err(refused)?;
    Ok((StatusCode::CREATED, data(document(&made, resource))).into_response())
}

/// Change an alert.
#[utoipa::path(
    patch, path = "/api/usage/alerts/{id}", operation_id = "update_workspace_alert", tag = "system B",
    params(("id" = String, Path, description = "`$id` of the alert.")),
    request_body(content = Object, description = "`{resourceType?, threshold?, alertType?, isEnabled?, webhookUrl?}`", content_type = "application/json"),
    responses(
        (status = 200, description = "`{data: {$id, workspaceId, resourceType, threshold, alertType, isEnabled, webhookUrl?, createdBy, lastTriggeredAt?}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
        (status = 409, description = "`{error}`", body = Object),
        (status = 413, description = "`{error}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
        (status = 503, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn update(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Response> {
    let fields = read_object(&app, &headers, body).await?;
    let (before, meters, was) = find(&app, caller.project, &id).await?;
    let webhooks = app.webhooks.by(&caller.actor);
    let mut reader = Reader { fields: &fields, wrong: Vec::new() };
    let resource = reader.resource();
    if resource.is_none() && reader.get("resourceType").is_some() {
        reader.wrong.push(no_resource());
    }
    let threshold = reader.threshold();
    let channel = reader.channel();
    if channel.is_none() && reader.get("alertType").is_some() {
        reader.wrong.push(no_type());
    }
    let enabled = reader.flag("isEnabled");
    let kept = channel.or_else(|| before.terms.channels.first().copied());
    let webhook_url = reader.webhook_url(kept, &webhooks);
    if !reader.wrong.is_empty() {
        return Err(all_wrong(&reader.wrong));
    }
    let resource = resource.unwrap_or(was);
    // Another resource has another unit: the number stays.
    let threshold = threshold.or_else(|| shown_threshold(&before, was).to_decimal());
    let threshold = in_meter_units(resource, threshold.unwrap_or(before.terms.threshold))?;
    let changes = Changes {
        meter: Some(meters.get(resource).key.to_string()),
        threshold: Some(threshold.to_string()),
        channels: channel.map(|channel| vec![channel.as_str().to_owned()]),
        webhook_url: webhook_url.map(Some),
        enabled,
        ..Changes::default()
    };
    let changed = app.alerts.update(&caller.actor, (caller.project, &before.id), &changes, &webhooks).await;
    Ok(data(document(&changed.map_err(refused)?, resource)))
}

/// Delete an alert.
#[utoipa::path(
    delete, path = "/api/usage/alerts/{id}", operation_id = "delete_workspace_alert", tag = "system B",
    params(("id" = String, Path, description = "`$id` of the alert.")),
    responses(
        (status = 200, description = "`{data: {$id}}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn delete(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<Value>, Response> {
    let id = AlertId::parse(&id).map_err(|_| not_found())?;
    let webhooks = app.webhooks.by(&caller.actor);
    app.alerts.delete(&caller.actor, (caller.project, &id), &webhooks).await.map_err(refused)?;
    Ok(data(object([("$id", json!(id.as_str()))])))
}

const NO_THRESHOLD: &str = "threshold must be a number greater than 0";

fn no_resource() -> String {
    format!("resourceType must be one of {}", Resource::ALL.map(Resource::as_str).join(", "))
}

fn no_type() -> String {
    format!("alertType must be one of {}", TYPES.map(|(name, _)| name).join(", "))
}

fn not_found() -> Response {
    failure(StatusCode::NOT_FOUND, "Alert not found", None)
}

fn refused(error: ChangeError) -> Response {
    match error {
        ChangeError::Alert(AlertError::Store(StoreError::NotFound)) => not_found(),
        ChangeError::Invalid(problems) => {
            all_wrong(&problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        error @ ChangeError::TooMany => failure(StatusCode::CONFLICT, &error.to_string(), None),
        error => failed(ApiError::from(error)),
    }
}

/// An alert that is one of system B's, with what it is about.
async fn find(app: &App, project: ProjectId, id: &str) -> Result<(Alert, Meters, Resource), Response> {
    let id = AlertId::parse(id).map_err(|_| not_found())?;
    let alert = match stored::get(&app.db, project, &id).await {
        Err(StoreError::NotFound) => return Err(not_found()),
        found => found.map_err(failed)?,
    };
    let meters = Meters::of(&app.recorder.catalogues.of(project))?;
    let resource = resource_of(&alert, &meters).ok_or_else(not_found)?;
    Ok((alert, meters, resource))
}

/// What of system B's an alert is about; `None` where it is none of its.
fn resource_of(alert: &Alert, meters: &Meters) -> Option<Resource> {
    let is_its = alert.terms.kind == AlertKind::Usage
        && alert.terms.unit == ThresholdUnit::Absolute
        && (alert.terms.customer.is_some() || alert.terms.subject.is_some());
    let counts =
        |resource: &Resource| alert.terms.meter.as_deref() == Some(meters.get(*resource).key.as_str());
    Resource::ALL.into_iter().find(counts).filter(|_| is_its)
}

/// A threshold in the unit that the meter counts in.
fn in_meter_units(resource: Resource, threshold: Decimal) -> Result<Decimal, Refusal> {
    let factor = if resource == Resource::Compute { 1 } else { GB_BYTES };
    let units = Ratio::from(threshold).times(Ratio::from_count(factor)).ok().and_then(Ratio::to_decimal);
    units.ok_or_else(|| Refusal::wrong("threshold is too large"))
}

/// The threshold in the unit that the summary shows.
fn shown_threshold(alert: &Alert, resource: Resource) -> Ratio {
    let threshold = Ratio::from(alert.terms.threshold);
    if resource == Resource::Compute { threshold } else { gigabytes(threshold) }
}

fn document(alert: &Alert, resource: Resource) -> Value {
    let mut shown = object([("$id", json!(alert.id.as_str()))]);
    let terms = &alert.terms;
    Owner { workspace: terms.subject.clone(), organization: terms.customer.clone() }.put(&mut shown);
    let Some(fields) = shown.as_object_mut() else { return shown };
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let named = |channel: &Channel| TYPES.iter().find(|(_, one)| one == channel).map(|(name, _)| *name);
    put("resourceType", json!(resource.as_str()));
    put("threshold", number(shown_threshold(alert, resource)));
    put("alertType", json!(terms.channels.first().and_then(named)));
    put("isEnabled", json!(terms.enabled));
    if let Some(url) = &terms.webhook_url {
        put("webhookUrl", json!(url));
    }
    put("createdBy", json!(alert.created_by));
    if let Some(at) = alert.last_triggered_at {
        put("lastTriggeredAt", json!(at.to_millis_text()));
    }
    shown
}

/// Reads the fields of a request, and notes what is wrong with them.
struct Reader<'v> {
    fields: &'v Map<String, Value>,
    wrong: Vec<String>,
}

impl Reader<'_> {
    /// Null and the empty text count as missing.
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn owner(&mut self, name: &str) -> Option<String> {
        let text = self.get(name)?.as_str().map(str::to_owned);
        let fault = match &text {
            None => Some("must be a string".to_owned()),
            Some(text) => crate::ingest::draft::text_fault(text, reckoner_domain::event::SUBJECT_BYTES_MAX),
        };
        self.wrong.extend(fault.map(|reason| format!("{name} {reason}")));
        // One that is there and wrong is not missing as well.
        Some(text.unwrap_or_else(|| name.to_owned()))
    }

    fn resource(&self) -> Option<Resource> {
        self.get("resourceType").and_then(Value::as_str).and_then(Resource::parse)
    }

    fn threshold(&mut self) -> Option<Decimal> {
        let read = match self.get("threshold")? {
            Value::Number(number) => Decimal::parse_with(number.as_str(), Excess::Round).ok(),
            _ => None,
        };
        let read = read.filter(|threshold| *threshold > Decimal::ZERO);
        if read.is_none() {
            self.wrong.push(NO_THRESHOLD.to_owned());
        }
        read
    }

    fn channel(&self) -> Option<Channel> {
        let name = self.get("alertType").and_then(Value::as_str)?;
        TYPES.iter().find(|(one, _)| *one == name).map(|(_, channel)| *channel)
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong.push(format!("{name} must be a boolean"));
        }
        flag
    }

    fn webhook_url(&mut self, channel: Option<Channel>, webhooks: &Webhooks) -> Option<String> {
        let value = self.get("webhookUrl")?;
        let read = match value.as_str() {
            None => Err("must be a string".to_owned()),
            Some(text) => webhooks.read_url(text).map_err(|refused| refused.to_string()),
        };
        if channel.is_some_and(|channel| channel != Channel::Webhook) {
            self.wrong.push("webhookUrl is only for the alertType webhook".to_owned());
        }
        read.map_err(|reason| self.wrong.push(format!("webhookUrl {reason}"))).ok()
    }
}
