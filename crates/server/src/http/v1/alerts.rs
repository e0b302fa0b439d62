//! `/v1/alerts`, and `/v1/alert-notices`, which is what they told of.
use super::customers;
use super::invoices::money;
use crate::alerts::{AlertError, BudgetText, ChangeError, Changes, Draft};
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Change, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::http::v1::catalog::wire::to_api_errors;
use crate::store::alert_notices::{self, Notice};
use crate::store::alerts::{self as stored, Alert, Filter};
use crate::store::{StoreError, customers as known};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::alert::{
    Alert as ApiAlert, AlertChange, AlertNotice, AlertNoticeParams, AlertParams, NewAlert,
};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::invoice::Money as ApiMoney;
use reckoner_api::list::List;
use reckoner_domain::alert::{AlertKind, AlertPeriod, Channel};
use reckoner_domain::id::{AlertId, AlertNoticeId};
use std::str::FromStr;

/// List alerts, in the order of making.
#[utoipa::path(
    get, path = "/v1/alerts", operation_id = "list_alerts", tag = "alerts", params(AlertParams),
    responses(
        (status = 200, body = List<ApiAlert>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut faults): Params<AlertParams>,
) -> Result<Json<List<ApiAlert>>, ApiError> {
    let kind = params.kind.as_deref().map(AlertKind::from_str).transpose();
    if kind.is_err() {
        faults.push(choice_error("kind", AlertKind::NAMES));
    }
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let customer = known::own_id(&app.db, caller.project, params.customer).await?;
    let filter = Filter {
        kind: kind.unwrap_or_default(),
        customer: customer.as_deref(),
        subject: params.subject.as_deref(),
    };
    let page = stored::list(&app.db, caller.project, &filter, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Make an alert. It is held at once against what there is.
#[utoipa::path(
    post, path = "/v1/alerts", operation_id = "create_alert", tag = "alerts", request_body = NewAlert,
    responses(
        (status = 201, body = ApiAlert),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The project has as many alerts, or webhook endpoints, as it may have", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewAlert>,
) -> Result<(StatusCode, Json<ApiAlert>), ApiError> {
    let mut faults = Vec::new();
    let customer = match &new.customer {
        None => None,
        Some(name) => match customers::find(&app, &caller, name).await {
            Ok(customer) => Some(customer.external_id),
            Err(error) if error.status() == StatusCode::NOT_FOUND => {
                faults.push(field_error("customer", "no such customer"));
                None
            }
            Err(error) => return Err(error),
        },
    };
    let draft = Draft {
        name: new.name,
        kind: new.kind,
        customer,
        subject: new.subject,
        meter: new.meter,
        threshold: new.threshold,
        unit: new.unit,
        period: new.period,
        currency: new.currency,
        budget: new.budget.map(budget),
        channels: new.channels,
        recipients: new.recipients.unwrap_or_default(),
        webhook_url: new.webhook_url,
        enabled: new.enabled.unwrap_or(true),
    };
    let webhooks = app.webhooks.by(&caller.actor);
    if !faults.is_empty() {
        let meters = app.recorder.catalogues.of(caller.project);
        faults.extend(draft.check(&meters, &webhooks, None).err().into_iter().flat_map(to_api_errors));
        return Err(ApiError::invalid(faults));
    }
    let made = app.alerts.create(&caller.actor, caller.project, &draft, &webhooks).await?;
    Ok((StatusCode::CREATED, Json(to_api(made))))
}

/// Get an alert.
#[utoipa::path(
    get, path = "/v1/alerts/{id}", operation_id = "get_alert", tag = "alerts",
    params(("id" = String, Path, description = "`alt_...`")),
    responses(
        (status = 200, body = ApiAlert),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiAlert>, ApiError> {
    let found = stored::get(&app.db, caller.project, &read_id(&id)?).await;
    Ok(Json(to_api(found.map_err(ChangeError::from)?)))
}

/// Change an alert.
#[utoipa::path(
    patch, path = "/v1/alerts/{id}", operation_id = "update_alert", tag = "alerts", request_body = AlertChange,
    params(
        ("id" = String, Path, description = "`alt_...`"),
        ("If-Match" = Option<String>, Header, description = "The version that is changed."),
    ),
    responses(
        (status = 200, body = ApiAlert),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It changed since it was read, or the project has as many webhook endpoints as it may have", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn update(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    Change { body, version, faults }: Change<AlertChange>,
) -> Result<Json<ApiAlert>, ApiError> {
    let id = read_id(&id)?;
    let changes = Changes {
        name: body.name,
        meter: body.meter,
        threshold: body.threshold,
        unit: body.unit,
        period: body.period,
        currency: body.currency,
        budget: body.budget.map(|amount| amount.map(budget)),
        channels: body.channels,
        recipients: body.recipients,
        webhook_url: body.webhook_url,
        enabled: body.enabled,
        if_version: version,
    };
    let webhooks = app.webhooks.by(&caller.actor);
    if !faults.is_empty() {
        let problems = app.alerts.check((caller.project, &id), &changes, &webhooks).await?;
        return Err(ApiError::invalid(faults.into_iter().chain(to_api_errors(problems)).collect()));
    }
    let changed = app.alerts.update(&caller.actor, (caller.project, &id), &changes, &webhooks).await?;
    Ok(Json(to_api(changed)))
}

/// Delete an alert. What it told of stays in the list of notices.
#[utoipa::path(
    delete, path = "/v1/alerts/{id}", operation_id = "delete_alert", tag = "alerts",
    params(("id" = String, Path, description = "`alt_...`")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn delete(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let webhooks = app.webhooks.by(&caller.actor);
    app.alerts.delete(&caller.actor, (caller.project, &read_id(&id)?), &webhooks).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what alerts told of, the newest first.
#[utoipa::path(
    get, path = "/v1/alert-notices", operation_id = "list_alert_notices", tag = "alerts",
    params(AlertNoticeParams),
    responses(
        (status = 200, body = List<AlertNotice>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn notices(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut faults): Params<AlertNoticeParams>,
) -> Result<Json<List<AlertNotice>>, ApiError> {
    let read = read_bool(params.read.as_deref(), &mut faults);
    let (limit, before) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let alert = match params.alert.as_deref().map(AlertId::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Ok(Json(List { data: Vec::new(), next_cursor: None })),
    };
    let customer = known::own_id(&app.db, caller.project, params.customer).await?;
    let filter = alert_notices::Filter { alert: alert.as_ref(), customer: customer.as_deref(), read };
    let page = alert_notices::list(&app.db, caller.project, &filter, before.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api_notice)))
}

/// Say that a notice was read; the first time counts.
#[utoipa::path(
    post, path = "/v1/alert-notices/{id}/read", operation_id = "read_alert_notice", tag = "alerts",
    params(("id" = String, Path, description = "`aln_...`")),
    responses(
        (status = 200, body = AlertNotice),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn mark_read(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<AlertNotice>, ApiError> {
    let none = || ApiError::not_found("alert notice");
    let id = AlertNoticeId::parse(&id).map_err(|_| none())?;
    let now = app.clock.of_project(caller.project);
    match alert_notices::mark_read(&app.db, caller.project, &id, now).await {
        Err(StoreError::NotFound) => Err(none()),
        read => Ok(Json(to_api_notice(read?))),
    }
}

fn read_bool(text: Option<&str>, faults: &mut Vec<FieldError>) -> Option<bool> {
    let read = text.map(str::parse::<bool>).transpose();
    if read.is_err() {
        faults.push(choice_error("read", &["true", "false"]));
    }
    read.unwrap_or_default()
}

/// Reads an alert's id; a text that is none names nothing.
pub fn read_id(text: &str) -> Result<AlertId, ApiError> {
    AlertId::parse(text).map_err(|_| ApiError::not_found("alert"))
}

fn budget(amount: ApiMoney) -> BudgetText {
    BudgetText { amount: amount.amount, currency: amount.currency }
}

fn names(channels: &[Channel]) -> Vec<String> {
    channels.iter().map(|channel| channel.as_str().to_owned()).collect()
}

fn to_api(alert: Alert) -> ApiAlert {
    let terms = alert.terms;
    ApiAlert {
        id: alert.id.to_string(),
        name: terms.name,
        kind: terms.kind.as_str().to_owned(),
        customer: terms.customer,
        subject: terms.subject,
        meter: terms.meter,
        threshold: terms.threshold.to_string(),
        unit: terms.unit.as_str().to_owned(),
        period: terms.period.map(AlertPeriod::as_str).map(str::to_owned),
        budget: terms.budget.map(money),
        currency: terms.currency.map(|currency| currency.code().to_owned()),
        channels: names(&terms.channels),
        recipients: terms.recipients,
        webhook_url: terms.webhook_url,
        webhook_endpoint: alert.endpoint.map(|id| id.to_string()),
        enabled: terms.enabled,
        created_by: alert.created_by,
        created_at: alert.created_at.to_string(),
        updated_at: alert.updated_at.to_string(),
        last_triggered_at: alert.last_triggered_at.map(|at| at.to_string()),
        version: i64::from(alert.version),
    }
}

fn to_api_notice(notice: Notice) -> AlertNotice {
    AlertNotice {
        id: notice.id.to_string(),
        alert: notice.alert.to_string(),
        name: notice.name,
        kind: notice.kind.as_str().to_owned(),
        customer: notice.customer,
        subject: notice.subject,
        meter: notice.meter,
        threshold: notice.threshold.to_string(),
        unit: notice.unit.as_str().to_owned(),
        bound: notice.bound,
        value: notice.value,
        currency: notice.currency.map(|currency| currency.code().to_owned()),
        channels: names(&notice.channels),
        period_start: notice.period.map(|period| period.start.to_string()),
        period_end: notice.period.map(|period| period.end.to_string()),
        triggered_at: notice.triggered_at.to_string(),
        read_at: notice.read_at.map(|at| at.to_string()),
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(problems) => Self::invalid(to_api_errors(problems).collect()),
            ChangeError::TooMany => Self::conflict("too_many_alerts", error.to_string()),
            ChangeError::Alert(AlertError::Store(StoreError::NotFound)) => Self::not_found("alert"),
            ChangeError::Alert(AlertError::Store(error)) => error.into(),
            ChangeError::Alert(AlertError::Random(error)) => error.into(),
            ChangeError::Alert(error) => Self::internal(error),
            ChangeError::Webhook(error) => error.into(),
        }
    }
}
