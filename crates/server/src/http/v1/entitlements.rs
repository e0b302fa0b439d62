//! `/v1/entitlements`: what customers may use.
pub mod held;
pub mod wire;

use super::events::ingest::{idempotency_key, read_single, refusal};
use super::events::judge::{Form, Judge};
use crate::auth::caller::Caller;
use crate::entitlements::{DecideError, Decision, Granted, Lease, Wanted, Wish};
use crate::events::Outcome;
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::middleware::rates::Rates;
use crate::http::state::App;
use crate::ingest::draft::{Checked, SYSTEM_CUSTOMER};
use crate::ingest::fields::Raw;
use crate::store::customers;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_api::entitlement::{
    EntitlementCheck, Lease as ApiLease, LeaseReport, NewLease, Verdict as ApiVerdict,
};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::event::NewEvent;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::LeaseId;
use reckoner_domain::json;
use reckoner_domain::meter::Readable;
use reckoner_domain::ratio::Ratio;
use serde_json::{Map, Value};
use std::hash::{Hash, Hasher};

/// Ask what a customer may still use; nothing is consumed.
#[utoipa::path(
    post, path = "/v1/entitlements/check", operation_id = "check_entitlement", tag = "entitlements",
    request_body = EntitlementCheck,
    responses(
        (status = 200, description = "It may be used", body = ApiVerdict),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "It may not be used", content((ApiVerdict = "application/json"), (Problem = "application/problem+json"))),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn check(
    State(app): State<App>,
    By(caller): By,
    rates: Rates,
    JsonBody(asked): JsonBody<EntitlementCheck>,
) -> Result<Response, ApiError> {
    let mut errors = Vec::new();
    let units = read_units("value", asked.value.as_deref().unwrap_or("1"), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let customer = whose(&app, &caller, asked.customer, asked.subject).await?;
    rates.customer(&app, caller.project, &customer)?;
    let verdict = app.entitlements.check(caller.project, &customer, &asked.meter, units).await?;
    Ok(wire::answer(&verdict, app.clock.of_project(caller.project)))
}

/// Record an event if the customer may use what it says: check and record in one step.
///
/// Of any number that are sent at once, those that are allowed never pass a limit together. A refusal
/// records nothing. Sent again, an event answers its first verdict and counts once; one that was refused
/// is decided anew once the quota is counted anew or the customer has another plan.
#[utoipa::path(
    post, path = "/v1/entitlements/consume", operation_id = "consume", tag = "entitlements",
    request_body = NewEvent,
    params(("Idempotency-Key" = Option<String>, Header, description = "The event's id, where the event has none.")),
    responses(
        (status = 200, description = "Allowed and recorded", body = ApiVerdict),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The id is taken by an event with other content", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Refused: nothing is recorded", content((ApiVerdict = "application/json"), (Problem = "application/problem+json"))),
        (status = 507, description = "The disk is full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn consume(
    State(app): State<App>,
    By(caller): By,
    rates: Rates,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = read_single(&app, &headers, body).await?;
    let key = idempotency_key(&headers)?.map(str::to_owned);
    // To its end, whether or not somebody still waits: what is promised is held until it is committed.
    let done =
        tokio::spawn(async move { decide_and_record(&app, (&caller, &rates), &body, key.as_deref()).await });
    done.await.unwrap_or_else(|error| Err(ApiError::internal(error)))
}

async fn decide_and_record(
    app: &App,
    (caller, rates): (&Caller, &Rates),
    body: &str,
    key: Option<&str>,
) -> Result<Response, ApiError> {
    let catalogue = app.recorder.catalogues.of(caller.project);
    let judge = Judge::new(app, caller, &catalogue, Form::OfMeters);
    let judged = judge.check_single(Raw::new(body), key).map_err(refusal)?;
    let checked = judged.checked().ok_or_else(|| ApiError::internal("an event that was checked is none"))?;
    rates.customer(app, caller.project, &checked.customer)?;
    let now = app.clock.of_project(caller.project);
    let properties = checked.properties.as_deref().map(serde_json::from_str::<Value>);
    let properties = properties.transpose().unwrap_or_default().unwrap_or_default();
    let wish = Wish {
        customer: &checked.customer,
        event_type: &checked.event_type,
        subject: checked.subject.as_deref(),
        readable: Readable {
            time: checked.time.unwrap_or(now),
            sequence: 0,
            value: checked.value,
            properties: &properties,
        },
    };
    let Checked { id, customer, event_type, value, subject, .. } = checked;
    let content = (customer, event_type, value, subject, Meaning(&properties));
    let wanted = Wanted { project: caller.project, id, content };
    if let Some(verdict) = app.entitlements.refused_before(&wanted, customer).await? {
        // Unless it was recorded meanwhile, by who does not ask.
        if app.events.get(caller.project, id.to_string()).await?.is_none() {
            return Ok(wire::answer(&verdict, now));
        }
    }
    match app.entitlements.decide(caller.project, &wish).await? {
        Decision::Allowed(permit) => {
            let is_repeat = record(app, caller, &judge, checked).await?;
            let mut verdict = app.entitlements.verdict(caller.project, &permit).await?;
            verdict.is_repeat = is_repeat;
            Ok(wire::answer(&verdict, now))
        }
        Decision::Refused(denial) => {
            // What was recorded before was allowed then: its repeat records nothing.
            let known = app.events.get(caller.project, checked.id.to_string()).await?;
            if known.is_none() {
                app.entitlements.note_refused(&wanted, &denial);
                return Ok(wire::answer(&denial.verdict, now));
            }
            let is_repeat = record(app, caller, &judge, checked).await?;
            let mut verdict = denial.verdict.refusing(None);
            verdict.is_repeat = is_repeat;
            Ok(wire::answer(&verdict, now))
        }
    }
}

/// Properties, which are hashed by what they mean.
struct Meaning<'a>(&'a Value);

impl Hash for Meaning<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // Without properties is with none.
        match self.0 {
            Value::Null => json::hash_meaning(&Value::Object(Map::new()), hasher),
            properties => json::hash_meaning(properties, hasher),
        }
    }
}

/// Records an event that is allowed; says whether it was there before.
async fn record(
    app: &App,
    caller: &Caller,
    judge: &Judge<'_>,
    checked: &Checked<'_>,
) -> Result<bool, ApiError> {
    let outcomes = app.recorder.record(caller.project, judge.now(), std::slice::from_ref(checked)).await?;
    match outcomes.first() {
        Some(Outcome::Accepted { .. }) => Ok(false),
        Some(Outcome::Duplicate { .. }) => Ok(true),
        Some(Outcome::Conflict { .. }) => {
            Err(ApiError::conflict("event_conflict", "the id is taken by an event with other content"))
        }
        None => Err(ApiError::internal("the event engine told nothing of an event")),
    }
}

/// Take units of a customer's quota ahead, to decide without asking.
///
/// They are nobody else's until they are reported, returned, or the lease expires. Fewer than wanted
/// may be granted.
#[utoipa::path(
    post, path = "/v1/entitlements/leases", operation_id = "create_lease", tag = "entitlements",
    request_body = NewLease,
    responses(
        (status = 201, body = ApiLease),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "There is nothing to grant", content((ApiVerdict = "application/json"), (Problem = "application/problem+json"))),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn lease(
    State(app): State<App>,
    By(caller): By,
    rates: Rates,
    JsonBody(wanted): JsonBody<NewLease>,
) -> Result<Response, ApiError> {
    let mut errors = Vec::new();
    let units = read_units("value", &wanted.value, &mut errors);
    if errors.is_empty() && units <= Ratio::ZERO {
        errors.push(field_error("value", "must be greater than 0"));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let customer = whose(&app, &caller, wanted.customer, wanted.subject).await?;
    rates.customer(&app, caller.project, &customer)?;
    let asked = (customer.as_str(), wanted.meter.as_str());
    Ok(match app.entitlements.lease(caller.project, asked, units).await? {
        Granted::Lease(lease) => {
            (StatusCode::CREATED, wire::lease(&lease, app.clock.of_project(caller.project))).into_response()
        }
        Granted::Refused(verdict) => wire::answer(&verdict, app.clock.of_project(caller.project)),
    })
}

/// Tell how much of a lease was used so far, after the events of that use were acknowledged.
#[utoipa::path(
    post, path = "/v1/entitlements/leases/{lease_id}/report", operation_id = "report_lease", tag = "entitlements",
    request_body = LeaseReport,
    params(("lease_id" = String, Path, description = "`lse_...`")),
    responses(
        (status = 200, body = ApiLease),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "It has ended", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn report(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    JsonBody(report): JsonBody<LeaseReport>,
) -> Result<Response, ApiError> {
    let (id, used) = (read_id(&id)?, read_used(&report)?);
    let renew = report.renew.unwrap_or(false);
    let lease = app.entitlements.report(caller.project, &id, used, renew).await?;
    shown(&app, &caller, lease)
}

/// Return a lease: tell how much of it was used in all; the rest is free again.
#[utoipa::path(
    post, path = "/v1/entitlements/leases/{lease_id}/return", operation_id = "return_lease", tag = "entitlements",
    request_body = LeaseReport,
    params(("lease_id" = String, Path, description = "`lse_...`")),
    responses(
        (status = 200, body = ApiLease),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "It has ended", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn give_back(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    JsonBody(report): JsonBody<LeaseReport>,
) -> Result<Response, ApiError> {
    let (id, used) = (read_id(&id)?, read_used(&report)?);
    let lease = app.entitlements.give_back(caller.project, &id, used).await?;
    shown(&app, &caller, lease)
}

/// A lease, unless it has ended.
fn shown(app: &App, caller: &Caller, lease: Option<Lease>) -> Result<Response, ApiError> {
    let lease = lease.ok_or_else(|| ApiError::not_found("lease"))?;
    Ok(wire::lease(&lease, app.clock.of_project(caller.project)))
}

fn read_id(text: &str) -> Result<LeaseId, ApiError> {
    LeaseId::parse(text).map_err(|_| ApiError::not_found("lease"))
}

fn read_used(report: &LeaseReport) -> Result<Ratio, ApiError> {
    let mut errors = Vec::new();
    let used = read_units("used", &report.used, &mut errors);
    if errors.is_empty() && used < Ratio::ZERO {
        errors.push(field_error("used", "must not be negative"));
    }
    if errors.is_empty() { Ok(used) } else { Err(ApiError::invalid(errors)) }
}

fn read_units(field: &str, text: &str, errors: &mut Vec<FieldError>) -> Ratio {
    let read = Decimal::parse(text).map_err(|error| errors.push(field_error(field, error.to_string())));
    read.map_or(Ratio::ZERO, Ratio::from)
}

/// The own id of the customer whose usage it would be: of a subject that is assigned, as an event's is.
async fn whose(
    app: &App,
    caller: &Caller,
    customer: Option<String>,
    subject: Option<String>,
) -> Result<String, ApiError> {
    let now = app.clock.of_project(caller.project);
    let stands_in = customer
        .as_deref()
        .is_none_or(|customer| [Some(SYSTEM_CUSTOMER), subject.as_deref()].contains(&Some(customer)));
    let assigned = subject
        .as_deref()
        .filter(|_| stands_in)
        .and_then(|subject| app.recorder.assignments.customer_of(caller.project, subject, now));
    match (assigned, customer) {
        (Some(assigned), _) => Ok(assigned),
        (None, Some(customer)) => {
            Ok(customers::own_id(&app.db, caller.project, Some(customer)).await?.unwrap_or_default())
        }
        (None, None) if subject.is_some() => {
            Err(ApiError::field("customer", "is required: the subject is assigned to no customer"))
        }
        (None, None) => Err(ApiError::field("customer", "is required")),
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Store(error) => error.into(),
            DecideError::Events(error) => error.into(),
            DecideError::Mail(error) => Self::internal(error),
            DecideError::TooManyLeases => Self::busy(error.to_string()),
            DecideError::NoMeter => Self::field("meter", error.to_string()),
        }
    }
}
