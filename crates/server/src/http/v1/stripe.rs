//! `/v1/stripe`: what Stripe has, held against what is written down.
use crate::http::error::ApiError;
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::payments::stripe::{CallError, Looked};
use crate::store::stripe::differences::{self, Difference};
use axum::Json;
use axum::extract::State;
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_api::stripe::{Reconciliation, StripeDifference};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which differences are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DifferenceParams {
    /// `open` (default), or `all`: those that are gone too.
    #[param(pattern = "^(open|all)$")]
    state: Option<String>,
    /// Most differences of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Hold what Stripe has of the last 35 days against what is written down.
///
/// Nothing changes by it but the list of differences, and again it finds the same.
#[utoipa::path(
    post, path = "/v1/stripe/reconcile", operation_id = "reconcile_stripe", tag = "payments",
    responses(
        (status = 200, body = Reconciliation),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Stripe is not configured for the project, or does not answer"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn reconcile(State(app): State<App>, By(caller): By) -> Result<Json<Reconciliation>, ApiError> {
    let events = app.billing.stripe.as_ref();
    let account = events.and_then(|events| events.stripe.account(caller.project));
    let account = account.ok_or(CallError::NotConfigured)?;
    Ok(Json(to_api_looked(account.reconcile(&app.db).await?)))
}

/// List what Stripe has and what is written down, where they differ, in the order in which that was found.
#[utoipa::path(
    get, path = "/v1/stripe/differences", operation_id = "list_stripe_differences", tag = "payments", params(DifferenceParams),
    responses(
        (status = 200, body = List<StripeDifference>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list_differences(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut faults): Params<DifferenceParams>,
) -> Result<Json<List<StripeDifference>>, ApiError> {
    let is_open = match params.state.as_deref() {
        None | Some("open") => true,
        Some("all") => false,
        Some(_) => {
            faults.push(crate::http::error::field_error("state", "must be open or all"));
            true
        }
    };
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = differences::list(&app.db, caller.project, is_open, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

fn to_api_looked(looked: Looked) -> Reconciliation {
    Reconciliation {
        since: looked.since.to_string(),
        sent: looked.here,
        found: looked.there,
        differences: looked.differences,
        new_differences: looked.new,
        resolved: looked.resolved,
        is_complete: looked.is_whole,
    }
}

fn to_api(one: Difference) -> StripeDifference {
    StripeDifference {
        kind: one.kind.as_str().to_owned(),
        item: one.item,
        charge: one.charge.map(|charge| charge.to_string()),
        currency: one.currency,
        sent_minor: one.here_minor,
        found_minor: one.there_minor,
        first_seen_at: one.first_seen_at.to_string(),
        last_seen_at: one.last_seen_at.to_string(),
        resolved_at: one.resolved_at.map(|at| at.to_string()),
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Store(error) => error.into(),
            CallError::NotConfigured => Self::stripe_unavailable("Stripe is not configured"),
            error => {
                tracing::warn!(%error, "Stripe could not be asked");
                Self::stripe_unavailable("Stripe does not answer as it should: try again later")
            }
        }
    }
}
