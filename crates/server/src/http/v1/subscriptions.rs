//! `/v1/subscriptions`.
mod wire;

use super::customers::{self, Narrowed};
use crate::auth::caller::Caller;
use crate::billing::subscriptions::{New, SubscriptionError, Whose};
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Change, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::subscriptions::{self as stored, Filter, Stored};
use crate::store::{StoreError, subscription_phases};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::{List, PageParams};
use reckoner_api::subscription::{
    Cancellation, NewSubscription, Phase as ApiPhase, PlanChange, Subscription as ApiSubscription,
};
use reckoner_domain::id::SubscriptionId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::plan::TRIAL_DAYS_MAX;
use reckoner_domain::proration::Timing;
use reckoner_domain::subscription::{AfterTrial, Collection, SubscriptionEvent, SubscriptionStatus};
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

/// When something happens to a subscription, as named in requests.
pub const TIMINGS: [&str; 2] = ["now", "period_end"];

/// Which subscriptions are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionParams {
    /// Those of this customer: its own id, or `cus_...`.
    customer: Option<String>,
    /// Those to this plan.
    plan: Option<String>,
    /// Those that stand so: `trialing`, `active`, `past_due`, `paused`, `canceled` or `expired`.
    status: Option<String>,
    /// Most subscriptions of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List subscriptions, in the order of making.
#[utoipa::path(
    get, path = "/v1/subscriptions", operation_id = "list_subscriptions", tag = "subscriptions",
    params(SubscriptionParams),
    responses(
        (status = 200, body = List<ApiSubscription>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut faults): Params<SubscriptionParams>,
) -> Result<Json<List<ApiSubscription>>, ApiError> {
    let status = params.status.as_deref().map(SubscriptionStatus::from_str).transpose();
    if status.is_err() {
        faults.push(choice_error("status", &SubscriptionStatus::NAMES));
    }
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let named = customers::narrowed(&app, &caller, params.customer.as_deref()).await?;
    let Some(Narrowed(customer)) = named else {
        return Ok(Json(List { data: Vec::new(), next_cursor: None }));
    };
    let filter = Filter {
        customer: customer.as_ref(),
        plan: params.plan.as_deref(),
        status: status.unwrap_or_default(),
    };
    let page = stored::list(&app.db, caller.project, &filter, after.as_ref(), limit).await?;
    let now = app.clock.of_project(caller.project);
    Ok(Json(pagination::to_api_list(page, |one| wire::to_api(&one, now))))
}

/// Begin a subscription now.
///
/// A customer has at most one subscription that is not over, and one currency for ever.
#[utoipa::path(
    post, path = "/v1/subscriptions", operation_id = "create_subscription", tag = "subscriptions",
    request_body = NewSubscription,
    responses(
        (status = 201, body = ApiSubscription),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such customer", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The customer has a subscription, or another currency", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewSubscription>,
) -> Result<(StatusCode, Json<ApiSubscription>), ApiError> {
    let mut errors = Vec::new();
    let plan = read_key(&new.plan, &mut errors);
    let after_trial = read_name(
        "after_trial",
        new.after_trial.as_deref(),
        AfterTrial::Activate,
        &AfterTrial::NAMES,
        &mut errors,
    );
    let collection = read_name(
        "collection",
        new.collection.as_deref(),
        Collection::Reckoner,
        &Collection::NAMES,
        &mut errors,
    );
    if new.trial_days.is_some_and(|days| days > TRIAL_DAYS_MAX) {
        errors.push(field_error("trial_days", format!("must be at most {TRIAL_DAYS_MAX}")));
    }
    let (Some(plan), true) = (plan, errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    let customer = super::customers::find_or_make(&app, &caller, &new.customer).await?;
    let new = New {
        customer,
        plan: (plan, new.plan_version),
        trial_days: new.trial_days,
        after_trial,
        collection,
        started_at: None,
    };
    let made = app.billing.subscriptions.start(&caller.actor, new).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, &made))))
}

/// Get a subscription.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}", operation_id = "get_subscription", tag = "subscriptions",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = ApiSubscription),
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
) -> Result<Json<ApiSubscription>, ApiError> {
    let found = stored::get(&app.db, caller.project, &read_id(&id)?).await;
    let found = app.billing.subscriptions.settled(found.map_err(SubscriptionError::from)?).await?;
    Ok(Json(shown(&app, &found)))
}

/// List what a subscription was from when on: usage is rated by the plan that was in force.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}/phases", operation_id = "list_subscription_phases", tag = "subscriptions",
    params(PageParams, ("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = List<ApiPhase>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn phases(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiPhase>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let id = read_id(&id)?;
    stored::get(&app.db, caller.project, &id).await.map_err(SubscriptionError::from)?;
    let all = subscription_phases::of(&app.db, &id).await?;
    let numbered: Vec<_> = (0_u32..).zip(all).collect();
    let name = |(number, _): &(u32, subscription_phases::Phase)| format!("{number:010}");
    Ok(Json(pagination::of_names(numbered, name, page, |(_, phase)| wire::to_api_phase(&phase))))
}

/// Give a subscription another plan, or another version of its plan.
///
/// The plan that it has already takes back what was scheduled.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/change-plan", operation_id = "change_plan", tag = "subscriptions",
    request_body = PlanChange,
    params(
        ("id" = String, Path, description = "`sub_...`"),
        ("If-Match" = Option<String>, Header, description = "The version that is changed."),
    ),
    responses(
        (status = 200, body = ApiSubscription),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It changed since it was read, is over, or the plan has another currency", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn change_plan(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    Change { body: change, version, faults: mut errors }: Change<PlanChange>,
) -> Result<Json<ApiSubscription>, ApiError> {
    let plan = read_key(&change.plan, &mut errors);
    let when = read_timing(change.when.as_deref(), &mut errors);
    let (Some(plan), true) = (plan, errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    let id = read_id(&id)?;
    let whose = whose(&caller, &id, version);
    let plan = (plan, change.plan_version);
    let invoice_now = change.invoice_now.unwrap_or_default();
    let changed = app.billing.subscriptions.change_plan(whose, &plan, when, invoice_now).await?;
    Ok(Json(shown(&app, &changed)))
}

/// End a subscription: at the end of the period (of the trial, in one), or now.
///
/// Ending now bills what was used until then, and gives nothing of the base fee back.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/cancel", operation_id = "cancel_subscription", tag = "subscriptions",
    request_body = Cancellation,
    params(
        ("id" = String, Path, description = "`sub_...`"),
        ("If-Match" = Option<String>, Header, description = "The version that is changed."),
    ),
    responses(
        (status = 200, body = ApiSubscription),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It changed since it was read, or is over", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn cancel(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    Change { body: cancellation, version, faults: mut errors }: Change<Cancellation>,
) -> Result<Json<ApiSubscription>, ApiError> {
    let when = read_timing(cancellation.when.as_deref(), &mut errors).unwrap_or(Timing::PeriodEnd);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let id = read_id(&id)?;
    let changed = app.billing.subscriptions.cancel(whose(&caller, &id, version), when).await?;
    Ok(Json(shown(&app, &changed)))
}

/// Stop a subscription for a while: it grants nothing, and its base fee is not due.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/pause", operation_id = "pause_subscription", tag = "subscriptions",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = ApiSubscription),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be paused as it stands", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn pause(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiSubscription>, ApiError> {
    let id = read_id(&id)?;
    let changed = app.billing.subscriptions.pass(whose(&caller, &id, None), SubscriptionEvent::Pause).await?;
    Ok(Json(shown(&app, &changed)))
}

/// Let a paused subscription go on.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/resume", operation_id = "resume_subscription", tag = "subscriptions",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = ApiSubscription),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not paused", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn resume(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiSubscription>, ApiError> {
    let id = read_id(&id)?;
    let changed =
        app.billing.subscriptions.pass(whose(&caller, &id, None), SubscriptionEvent::Resume).await?;
    Ok(Json(shown(&app, &changed)))
}

/// Take back what was scheduled: a change of plan, or the end.
#[utoipa::path(
    delete, path = "/v1/subscriptions/{id}/scheduled", operation_id = "keep_subscription", tag = "subscriptions",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = ApiSubscription),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn keep(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiSubscription>, ApiError> {
    let id = read_id(&id)?;
    let changed = app.billing.subscriptions.keep(whose(&caller, &id, None)).await?;
    Ok(Json(shown(&app, &changed)))
}

fn shown(app: &App, stored: &Stored) -> ApiSubscription {
    wire::to_api(stored, app.clock.of_project(stored.project))
}

/// Which subscription a caller changes.
pub fn whose<'a>(caller: &'a Caller, id: &'a SubscriptionId, version: Option<u32>) -> Whose<'a> {
    Whose { by: &caller.actor, project: caller.project, id, version }
}

/// The id in a path.
pub fn read_id(text: &str) -> Result<SubscriptionId, ApiError> {
    SubscriptionId::parse(text).map_err(|_| ApiError::not_found("subscription"))
}

fn read_key(text: &str, errors: &mut Vec<FieldError>) -> Option<PlanKey> {
    PlanKey::parse(text).map_err(|error| errors.push(field_error("plan", error.to_string()))).ok()
}

/// When something is to happen, as requests name it; what is wrong is noted.
pub fn read_timing(text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Timing> {
    match text? {
        "now" => Some(Timing::Now),
        "period_end" => Some(Timing::PeriodEnd),
        _ => {
            errors.push(choice_error("when", &TIMINGS));
            None
        }
    }
}

fn read_name<T: FromStr>(
    field: &str,
    text: Option<&str>,
    usual: T,
    names: &[&str],
    errors: &mut Vec<FieldError>,
) -> T {
    let Some(text) = text else { return usual };
    text.parse().unwrap_or_else(|_| {
        errors.push(choice_error(field, names));
        usual
    })
}

impl From<SubscriptionError> for ApiError {
    fn from(error: SubscriptionError) -> Self {
        let text = error.to_string();
        match error {
            SubscriptionError::Store(StoreError::NotFound) => Self::not_found("subscription"),
            SubscriptionError::Store(error) => error.into(),
            SubscriptionError::Open => Self::conflict("subscription_open", text),
            SubscriptionError::NoSuchPlan => Self::field("plan", "is not the key of a plan"),
            SubscriptionError::NoSuchVersion => Self::field("plan_version", "is not a version of the plan"),
            SubscriptionError::Archived => Self::field("plan", "is archived"),
            SubscriptionError::Currency { .. } | SubscriptionError::CouponCurrency { .. } => {
                Self::conflict("currency_differs", text)
            }
            SubscriptionError::InvoiceNow(why) => {
                Self::field("invoice_now", format!("is for what changes at once: this {why}"))
            }
            SubscriptionError::NoSuchCoupon => Self::field("coupon", "is not the key of a coupon"),
            SubscriptionError::CouponArchived => Self::field("coupon", "is archived"),
            SubscriptionError::CouponNotGiven => Self::not_found("coupon of the subscription"),
            SubscriptionError::CouponGiven | SubscriptionError::TooManyCoupons | SubscriptionError::Over => {
                Self::conflict("subscription_state", text)
            }
            SubscriptionError::Transition(_) => Self::conflict("subscription_state", text),
            SubscriptionError::Money(error) => Self::internal(error),
            SubscriptionError::Mail(error) => Self::internal(error),
            SubscriptionError::Random(error) => error.into(),
        }
    }
}
