//! `/billing/*`: pages of Stripe for users, what they used, and what Stripe tells.
use super::usage::history::amount;
use super::usage::{Own, Resource};
use super::wire::Failure;
use super::{Refused, Sent};
use crate::billing::stripe::TakeError;
use crate::http::body;
use crate::http::compat::analytics::numbers::number;
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::payments::stripe::{Account, CallError};
use crate::store::stripe::subscriptions;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::DAY;
use reckoner_domain::window::Window;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Carries the signature of an event.
const SIGNATURE_HEADER: &str = "stripe-signature";
/// Most bytes of an event.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// How many days are summed up.
const DAYS: i64 = 30;

/// What somebody subscribes to.
#[derive(Deserialize, ToSchema)]
pub struct Checkout {
    /// The key of a plan that has a price at Stripe: `basic` or `pro`.
    pub tier: String,
}

/// Where a browser is to go.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutPage {
    /// The page at Stripe.
    pub url: String,
    /// What Stripe calls it.
    pub session_id: String,
}

/// Where a browser is to go.
#[derive(Serialize, ToSchema)]
pub struct PortalPage {
    /// The page at Stripe.
    pub url: String,
}

/// That an event was taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// Always true.
    pub received: bool,
    /// The event's type.
    pub event_type: String,
}

/// Get a page of Stripe's where the user subscribes to a plan.
#[utoipa::path(
    post, path = "/billing/create-checkout", operation_id = "create_checkout", tag = "payments", request_body = Checkout,
    responses(
        (status = 200, body = CheckoutPage),
        (status = 400, body = Failure, description = "No plan, or one without a price"),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
        (status = 409, body = Failure, description = "Stripe bills the customer already: the portal changes its plan"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 503, body = Failure, description = "Stripe is not configured, or does not answer"),
    ),
)]
pub async fn create_checkout(
    State(app): State<App>,
    own: Own,
    Sent(sent): Sent<Checkout>,
) -> Result<Json<CheckoutPage>, Refused> {
    let (project, customer) = customer_of(&own)?;
    let account = account(&app, project)?;
    if account.price_of(&sent.tier).is_none() {
        let tiers = account.plans().collect::<Vec<_>>().join(", ");
        let text = format!("tier must be one of the following values: {tiers}");
        return Err(Refused::new(StatusCode::BAD_REQUEST, text));
    }
    // Two subscriptions would both be charged.
    if subscriptions::is_billed(&app.db, project, &customer).await.map_err(ApiError::from)? {
        let text = "There is a subscription already: change it in the billing portal";
        return Err(Refused::new(StatusCode::CONFLICT, text));
    }
    let (session_id, url) = account.checkout(&app.db, (&customer, &own.user), &sent.tier).await?;
    Ok(Json(CheckoutPage { url, session_id }))
}

/// Get a page of Stripe's where the user looks after subscription, invoices and cards.
#[utoipa::path(
    get, path = "/billing/portal", operation_id = "get_billing_portal", tag = "payments",
    responses(
        (status = 200, body = PortalPage),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
        (status = 503, body = Failure, description = "Stripe is not configured, or does not answer"),
    ),
)]
pub async fn portal(State(app): State<App>, own: Own) -> Result<Json<PortalPage>, Refused> {
    let (project, customer) = customer_of(&own)?;
    let (_, url) = account(&app, project)?.portal(&app.db, (&customer, &own.user)).await?;
    Ok(Json(PortalPage { url }))
}

/// What the user used of each resource in the last 30 days.
#[utoipa::path(
    get, path = "/billing/usage", operation_id = "billing_usage", tag = "payments",
    responses(
        (status = 200, description = "`{userId, period, usage: {<resource>: n}}`", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn usage(State(app): State<App>, own: Own) -> Result<Json<Value>, Refused> {
    let now = app.clock.of_project(own.project());
    let window = Window { start: now.plus_micros(-DAYS * DAY), end: now.plus_micros(1) };
    let mut usage = Map::new();
    for resource in Resource::ALL {
        usage.insert(resource.as_str().to_owned(), number(amount(&app, &own, resource, window).await?));
    }
    Ok(Json(json!({"userId": own.user, "period": format!("last_{DAYS}_days"), "usage": usage})))
}

/// Take an event of Stripe, which proves itself by its signature.
///
/// An event that was taken before, or that nothing follows from, is answered alike.
#[utoipa::path(
    post, path = "/billing/webhooks", operation_id = "take_stripe_event", tag = "payments",
    request_body(content = Object, description = "The event, as Stripe signed it."),
    params(("Stripe-Signature" = Option<String>, Header, description = "`t=SECONDS,v1=HEX`.")),
    responses(
        (status = 200, body = Received),
        (status = 400, body = Failure, description = "The signature is missing, wrong or older than five minutes, or the body is no event"),
        (status = 413, body = Failure),
        (status = 503, body = Failure, description = "No account takes events"),
    ),
)]
pub async fn webhooks(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Received>, Refused> {
    // The signature is of the bytes as they were sent.
    let bytes = body::collect(body, EVENT_BYTES_MAX, app.bodies.share()).await?;
    let Some(events) = &app.billing.stripe else { return Err(not_configured()) };
    let signature = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match events.take(&bytes, signature).await {
        Ok(event) => Ok(Json(Received { received: true, event_type: event.event_type })),
        Err(TakeError::NotConfigured) => Err(not_configured()),
        Err(TakeError::Failed(error)) => Err(ApiError::from(error).into()),
        Err(error) => Err(Refused::new(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

fn customer_of(own: &Own) -> Result<(ProjectId, CustomerId), Refused> {
    let customer = own.caller.customer.clone();
    customer.map(|customer| (own.project(), customer)).ok_or_else(|| ApiError::not_found("customer").into())
}

fn account(app: &App, project: ProjectId) -> Result<&Account, Refused> {
    let events = app.billing.stripe.as_ref();
    events.and_then(|events| events.stripe.account(project)).ok_or_else(not_configured)
}

fn not_configured() -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "Stripe is not configured")
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        ApiError::from(error).into()
    }
}
