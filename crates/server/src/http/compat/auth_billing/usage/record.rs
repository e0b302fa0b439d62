//! `POST /usage/record`: a service tells what a user used. Quotas do not matter: what was used is recorded.
use super::super::Refused;
use super::super::wire::Failure;
use super::{Resource, no_resource, tier};
use crate::auth::caller::Caller;
use crate::billing::standing::Has;
use crate::events::Outcome;
use crate::http::compat::analytics::numbers::number;
use crate::http::compat::metering::{BodyFault, CONFLICT, as_container, read_body, rules};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::http::v1::events::ingest::idempotency_key;
use crate::ingest::draft::{self, Checked, Rules};
use crate::ingest::fields::{Raw, each};
use crate::ingest::rejections::Rejection;
use crate::random;
use crate::store::rejected_events::Code;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reckoner_domain::decimal::{self, Decimal, Excess};
use reckoner_domain::event::{CUSTOMER_BYTES_MAX, ID_BYTES_MAX};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::Timestamp;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Names the user whose usage it is, whatever the body says.
const USER_HEADER: &str = "x-user-id";
/// What is said of a body that is no object.
const NO_OBJECT: &str = "Request body must be a JSON object";

/// What was sent; empty and null fields count as missing.
#[derive(Default)]
struct Sent<'a> {
    user: Option<Raw<'a>>,
    resource: Option<Raw<'a>>,
    amount: Option<Raw<'a>>,
    metadata: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    timestamp: Option<Raw<'a>>,
}

impl<'a> Sent<'a> {
    fn read(object: &'a str) -> Result<Self, String> {
        let mut sent = Self::default();
        each(object, |key, raw| {
            let raw = (!raw.is_null() && raw.as_json() != "\"\"").then_some(raw);
            match key.as_ref() {
                "userId" => sent.user = raw,
                "resourceType" => sent.resource = raw,
                "amount" => sent.amount = raw,
                "metadata" => sent.metadata = raw,
                "id" => sent.id = raw.or(sent.id),
                "idempotencyKey" => sent.id = sent.id.or(raw),
                "timestamp" => sent.timestamp = raw,
                _ => {}
            }
        })?;
        Ok(sent)
    }

    fn resource(&self) -> Option<Resource> {
        self.resource?.as_text().and_then(|name| Resource::parse(&name))
    }

    /// The event that is meant, or everything that is wrong with it.
    fn check(
        &self,
        (user, key): (Option<&'a str>, Option<&'a str>),
        rules: &Rules<'_>,
        new_id: String,
    ) -> Result<(Resource, Checked<'a>), Vec<String>> {
        let mut faults = Vec::new();
        let customer = self.user(user, &mut faults);
        let resource = self.resource();
        if resource.is_none() {
            faults.push(no_resource());
        }
        let value = self.amount(&mut faults);
        let properties = self.metadata.map(|raw| raw.as_json());
        match properties.filter(|text| text.starts_with('{')).map(draft::properties_fault) {
            None if properties.is_some() => faults.push("metadata must be an object".to_owned()),
            Some(Some(reason)) => faults.push(format!("metadata {reason}")),
            _ => {}
        }
        let id = text(self.id, "id", &mut faults);
        let time = self.time(rules, &mut faults);
        if let Some(resource) = resource.filter(|_| faults.is_empty()) {
            let mut unread = Vec::new();
            draft::check_meters(resource.as_str(), properties, rules, &mut unread);
            faults.extend(unread.into_iter().map(|fault| format!("metadata {}", fault.reason)));
        }
        match (resource, customer, value) {
            (Some(resource), Some(customer), Some(value)) if faults.is_empty() => {
                let event = Checked {
                    id: id.or(key.map(Cow::Borrowed)).unwrap_or(Cow::Owned(new_id)),
                    customer,
                    event_type: Cow::Borrowed(resource.as_str()),
                    value,
                    time,
                    subject: None,
                    properties: properties.map(Cow::Borrowed),
                    source_context: None,
                    attributed: false,
                };
                Ok((resource, event))
            }
            _ => Err(faults),
        }
    }

    fn user(&self, of_header: Option<&'a str>, faults: &mut Vec<String>) -> Option<Cow<'a, str>> {
        let sent = self.user.map(|raw| raw.as_text());
        let user = match (of_header, sent) {
            (Some(user), _) => Cow::Borrowed(user),
            (None, Some(Some(user))) => user,
            (None, Some(None)) => {
                faults.push("userId must be a string".to_owned());
                return None;
            }
            (None, None) => {
                faults.push("userId is required".to_owned());
                return None;
            }
        };
        let fault = draft::text_fault(&user, CUSTOMER_BYTES_MAX).or_else(|| {
            let reserved = user.starts_with(draft::CUSTOMER_ID_PREFIX);
            reserved.then(|| format!("may not begin with {}", draft::CUSTOMER_ID_PREFIX))
        });
        match fault {
            Some(reason) => faults.push(format!("userId {reason}")),
            None => return Some(user),
        }
        None
    }

    fn amount(&self, faults: &mut Vec<String>) -> Option<Decimal> {
        let number = self.amount.and_then(Raw::as_number);
        let read = number.and_then(|number| Decimal::parse_with(number, Excess::Round).ok());
        if read.is_none() {
            let what = if self.amount.is_some() { "must be a number" } else { "is required" };
            faults.push(format!("amount {what}"));
        }
        read
    }

    fn time(&self, rules: &Rules<'_>, faults: &mut Vec<String>) -> Option<Timestamp> {
        let text = text(self.timestamp, "timestamp", faults)?;
        let parsed = Timestamp::parse(&text).map_err(|error| error.to_string());
        let checked = parsed.and_then(|time| rules.check_time(time).map(|()| time));
        checked.map_err(|reason| faults.push(format!("timestamp {reason}"))).ok()
    }
}

fn text<'a>(raw: Option<Raw<'a>>, name: &str, faults: &mut Vec<String>) -> Option<Cow<'a, str>> {
    let Some(text) = raw?.as_text() else {
        faults.push(format!("{name} must be a string"));
        return None;
    };
    if let Some(reason) = draft::text_fault(&text, ID_BYTES_MAX) {
        faults.push(format!("{name} {reason}"));
        return None;
    }
    Some(text)
}

/// 503: no meter counts this.
pub(super) fn misconfigured(resource: Resource) -> Refused {
    let text = format!("Service misconfigured: no meter reads {}", resource.as_str());
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Record what a user used, whatever the user's quota. With an `id` it counts once, however often it is
/// sent.
#[utoipa::path(
    post, path = "/usage/record", operation_id = "record_usage", tag = "usage of users",
    params(
        ("X-User-Id" = Option<String>, Header, description = "The user, instead of `userId`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The event's id, where the body has none."),
    ),
    request_body(content = Object, description = "`{userId, resourceType, amount, metadata?}`; optional: `id` or `idempotencyKey`, `timestamp`", content_type = "application/json"),
    responses(
        (status = 200, description = "`{success, message, userId, resourceType, amount}`", body = Object),
        (status = 400, body = Failure),
        (status = 401, body = Failure),
        (status = 403, body = Failure, description = "Another credential than a token of a service that may record usage"),
        (status = 409, body = Failure, description = "The id is taken by an event with other content"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 507, body = Failure),
    ),
)]
pub async fn record(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Refused> {
    let no_object = || Refused::new(StatusCode::BAD_REQUEST, NO_OBJECT);
    let bytes = match read_body(&app, &headers, body).await {
        Ok(bytes) => bytes,
        Err(BodyFault::Missing) => return Err(no_object()),
        Err(BodyFault::Unreadable(error)) => return Err(error.into()),
    };
    let sent_text = as_container(&bytes).map_err(|_| no_object())?;
    let sent = Sent::read(sent_text).map_err(|_| no_object())?;
    let resource = sent.resource();
    let outcome = try_record(&app, &caller, &headers, (&sent, sent_text)).await;
    let result = match &outcome {
        Ok((_, is_new)) => {
            if *is_new {
                "success"
            } else {
                "duplicate"
            }
        }
        Err(error) if error.status.is_client_error() => "refused",
        Err(_) => "failure",
    };
    metrics::counter!(
        "usage_recording_attempts_total",
        "resource_type" => resource.map_or("unknown", Resource::as_str),
        "result" => result
    )
    .increment(1);
    outcome.map(|(body, _)| Json(body))
}

/// Records an event; answers the body, and whether the event is new.
async fn try_record(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (sent, sent_text): (&Sent<'_>, &str),
) -> Result<(Value, bool), Refused> {
    let catalogue = app.recorder.catalogues.of(caller.project);
    let now = app.clock.of_project(caller.project);
    let rules = rules(app, &catalogue, now, caller);
    if let Some(resource) = sent.resource()
        && catalogue.reading(resource.as_str()).is_none()
        && !rules.accept_unmetered
    {
        return Err(misconfigured(resource));
    }
    let keep = |code, reasons: &[String]| keep_rejected(app, (caller, now, code), (sent, sent_text), reasons);
    let user = headers.get(USER_HEADER).map(|value| value.to_str().unwrap_or("\0").trim());
    let names = (user.filter(|user| !user.is_empty()), idempotency_key(headers)?);
    let new_id = random::uuid_text(app.clock.real()).map_err(ApiError::from)?;
    let (resource, event) = sent.check(names, &rules, new_id).map_err(|faults| {
        keep(Code::Invalid, &faults);
        Refused::new(StatusCode::BAD_REQUEST, faults.join("; "))
    })?;
    let (user, amount) = (event.customer.to_string(), event.value);
    let outcomes = app.recorder.record(caller.project, now, &[event]).await.map_err(ApiError::from)?;
    let is_new = match outcomes.first() {
        Some(Outcome::Accepted { .. }) => true,
        Some(Outcome::Duplicate { .. }) => false,
        Some(Outcome::Conflict { .. }) => {
            keep(Code::Conflict, &[CONFLICT.to_owned()]);
            return Err(Refused::new(StatusCode::CONFLICT, CONFLICT));
        }
        None => return Err(ApiError::internal("the event engine told nothing of an event").into()),
    };
    if is_new && resource == Resource::LlmTokens {
        count_tokens(app, caller, &user, amount).await;
    }
    let body = json!({
        "success": true,
        "message": "Usage recorded successfully",
        "userId": user,
        "resourceType": resource.as_str(),
        "amount": number(Ratio::from(amount)),
    });
    Ok((body, is_new))
}

fn keep_rejected(
    app: &App,
    (caller, received_at, code): (&Caller, Timestamp, Code),
    (sent, sent_text): (&Sent<'_>, &str),
    reasons: &[String],
) {
    let [id, user, resource] = [sent.id, sent.user, sent.resource].map(|raw| raw.and_then(Raw::as_text));
    app.rejections.note(&Rejection {
        project: caller.project,
        received_at,
        index: 0,
        code,
        event_id: id.as_deref(),
        customer: user.as_deref(),
        meter: resource.as_deref(),
        reasons: reasons.iter().map(|reason| ("event", reason.as_str())).collect(),
        sent: sent_text.as_bytes(),
    });
}

/// Counts whole tokens by the user's tier.
async fn count_tokens(app: &App, caller: &Caller, user: &str, amount: Decimal) {
    let standing = app.billing.standing.of(caller.project, user).await;
    let plan = standing.as_ref().ok().and_then(|standing| match &standing.has {
        Has::Plan { plan, .. } => Some(plan.as_ref()),
        Has::Nothing | Has::Unlimited => None,
    });
    let tokens = u64::try_from(amount.units() / decimal::ONE).unwrap_or(0);
    metrics::counter!("usage_tokens_total", "user_tier" => tier(plan).to_owned()).increment(tokens);
}
