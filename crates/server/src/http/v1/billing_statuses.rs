//! `/v1/customers/{customer}/billing-status` and `/v1/owing-customers`.
use super::customers;
use super::invoices::money;
use crate::http::error::{ApiError, choice_error};
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::billing_standings::{self, Standing, Unpaid};
use axum::Json;
use axum::extract::{Path, State};
use reckoner_api::billing_status::{BillingStatus as ApiStatus, OwingCustomer, UnpaidInvoice};
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_domain::billing_status::{BillingStatus, GRACE_MICROS, NOTICES, Notice, suspended_at};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

/// Most unpaid invoices that are shown of a customer.
const UNPAID_MAX: u32 = 100;

/// Which customers are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OwingParams {
    /// Those that stand so: `due` or `suspended`; both when absent.
    status: Option<String>,
    /// Most customers of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// How a customer stands with its payments.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/billing-status", operation_id = "get_billing_status", tag = "invoices",
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 200, body = ApiStatus),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
) -> Result<Json<ApiStatus>, ApiError> {
    let customer = customers::find(&app, &caller, &name).await?;
    let now = app.clock.of_project(caller.project);
    let owing = billing_standings::of_customer(&app.db, caller.project, &customer.external_id).await?;
    let unpaid = billing_standings::unpaid(&app.db, caller.project, &customer.id, UNPAID_MAX).await?;
    let told = NOTICES.iter().take(owing.told);
    Ok(Json(ApiStatus {
        customer: customer.external_id,
        status: owing.status_at(now).as_str().to_owned(),
        due_since: owing.due_since.map(|since| since.to_string()),
        suspended_at: owing.due_since.map(|since| suspended_at(since).to_string()),
        reminders: told.fold(0, |sum, (_, notice)| sum + u32::from(matches!(notice, Notice::Reminder(_)))),
        overdue: overdue(&unpaid, now)?.map(money),
        unpaid: unpaid.iter().map(to_api).collect(),
    }))
}

/// List customers that owe, those who have owed longest first.
#[utoipa::path(
    get, path = "/v1/owing-customers", operation_id = "list_owing_customers", tag = "invoices",
    params(OwingParams),
    responses(
        (status = 200, body = List<OwingCustomer>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut faults): Params<OwingParams>,
) -> Result<Json<List<OwingCustomer>>, ApiError> {
    let status = match params.status.as_deref().map(BillingStatus::from_str) {
        None => None,
        Some(Ok(status)) if status != BillingStatus::Active => Some(status),
        Some(_) => {
            faults.push(choice_error("status", &["due", "suspended"]));
            None
        }
    };
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let now = app.clock.of_project(caller.project);
    let suspended_since = now.plus_micros(-GRACE_MICROS);
    let since = match status {
        Some(BillingStatus::Suspended) => (None, suspended_since),
        Some(_) => (Some(suspended_since), now),
        None => (None, now),
    };
    let page = billing_standings::list(&app.db, caller.project, since, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, |one| owing(&one, now))))
}

fn overdue(unpaid: &[Unpaid], now: Timestamp) -> Result<Option<Money>, ApiError> {
    let mut overdue = unpaid.iter().filter(|invoice| invoice.due_at <= now).map(|invoice| invoice.due);
    let Some(first) = overdue.next() else { return Ok(None) };
    overdue.try_fold(first, Money::plus).map(Some).map_err(ApiError::internal)
}

fn to_api(invoice: &Unpaid) -> UnpaidInvoice {
    UnpaidInvoice {
        id: invoice.id.to_string(),
        number: invoice.number,
        amount_due: money(invoice.due),
        due_at: invoice.due_at.to_string(),
    }
}

fn owing(standing: &Standing, now: Timestamp) -> OwingCustomer {
    let since = standing.owing.due_since.unwrap_or(Timestamp::EPOCH);
    OwingCustomer {
        customer: standing.external_id.clone(),
        status: standing.owing.status_at(now).as_str().to_owned(),
        due_since: since.to_string(),
        suspended_at: suspended_at(since).to_string(),
    }
}
