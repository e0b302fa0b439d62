//! `/v1/invoices`, and the draft of a subscription's next one.
pub mod documents;
mod export;
pub mod lines;
mod wanted;
mod wire;

pub use wire::{bill_to, money};

use self::wanted::{Asked, InvoiceParams};
use crate::billing::debts::DebtError;
use crate::billing::invoicing::{InvoicingError, Upcoming};
use crate::http::error::ApiError;
use crate::http::export::respond;
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::invoices as stored;
use crate::store::{Page, StoreError, subscriptions};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use reckoner_api::error::Problem;
use reckoner_api::invoice::Invoice as ApiInvoice;
use reckoner_api::list::List;
use reckoner_domain::id::{InvoiceId, ProjectId, SubscriptionId};
use reckoner_domain::invoice::InvoiceEvent;

/// List or export final invoices, in the order of their numbers.
///
/// JSON comes in pages. `format`, or `Accept: application/x-ndjson` (an invoice a line), `text/csv` or
/// `application/vnd.apache.parquet`, gets all that pass the filters, streamed; tables leave out the
/// lines, which are exported by themselves. Exports take neither `limit` nor `cursor`; one that fails on
/// its way breaks off before its end.
#[utoipa::path(
    get, path = "/v1/invoices", operation_id = "list_invoices", tag = "invoices",
    params(InvoiceParams),
    responses(
        (status = 200, content((List<ApiInvoice> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    Params(params, faults): Params<InvoiceParams>,
) -> Result<Response, ApiError> {
    let asked = Asked::read(&app, &caller, &headers, params, faults).await?;
    if let Some(form) = asked.form {
        return respond("invoices", form, wanted::all(app.db.clone(), asked.wanted)).await;
    }
    let page = match asked.wanted {
        Some(wanted) => wanted.page(&app.db, asked.after.as_ref(), asked.limit).await?,
        None => Page { items: Vec::new(), next: None },
    };
    Ok(Json(pagination::to_api_list(page, |one| wire::to_api(&one))).into_response())
}

/// Get a final invoice.
#[utoipa::path(
    get, path = "/v1/invoices/{id}", operation_id = "get_invoice", tag = "invoices",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, body = ApiInvoice),
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
) -> Result<Json<ApiInvoice>, ApiError> {
    let found = stored::get(&app.db, caller.project, &read_id(&id)?).await;
    Ok(Json(wire::to_api(&found.map_err(InvoicingError::from)?)))
}

/// Write down that an invoice was paid.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/pay", operation_id = "pay_invoice", tag = "invoices",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, body = ApiInvoice),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is paid already, or void", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn pay(
    State(app): State<App>,
    by: By,
    Path(id): Path<String>,
) -> Result<Json<ApiInvoice>, ApiError> {
    pass(&app, by, &id, InvoiceEvent::Pay).await
}

/// Withdraw an invoice that is not paid. Its number stays used.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/void", operation_id = "void_invoice", tag = "invoices",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, body = ApiInvoice),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is paid, or void already", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn void(
    State(app): State<App>,
    by: By,
    Path(id): Path<String>,
) -> Result<Json<ApiInvoice>, ApiError> {
    pass(&app, by, &id, InvoiceEvent::Void).await
}

/// Give up on an invoice. It may still be paid.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/write-off", operation_id = "write_invoice_off", tag = "invoices",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, body = ApiInvoice),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is paid, void, or given up on already", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn write_off(
    State(app): State<App>,
    by: By,
    Path(id): Path<String>,
) -> Result<Json<ApiInvoice>, ApiError> {
    pass(&app, by, &id, InvoiceEvent::WriteOff).await
}

/// Preview a subscription's next invoice: what was used so far, and the fees of the next period.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}/upcoming-invoice", operation_id = "preview_invoice", tag = "invoices",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = ApiInvoice),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such subscription, or nothing is billed any more, or yet", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn upcoming(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiInvoice>, ApiError> {
    let (subscription, upcoming) = find_upcoming(&app, caller.project, &id).await?;
    let draft = wire::to_api_draft(&subscription, &upcoming);
    draft.map(Json).ok_or_else(|| ApiError::not_found("invoice"))
}

/// A subscription with what its next invoice would be.
async fn find_upcoming(
    app: &App,
    project: ProjectId,
    id: &str,
) -> Result<(subscriptions::Stored, Upcoming), ApiError> {
    let id = SubscriptionId::parse(id).map_err(|_| ApiError::not_found("subscription"))?;
    let subscription = match subscriptions::get(&app.db, project, &id).await {
        Err(StoreError::NotFound) => return Err(ApiError::not_found("subscription")),
        found => found?,
    };
    let upcoming = app.billing.invoicing.upcoming(subscription.clone()).await?;
    Ok((subscription, upcoming.ok_or_else(|| ApiError::not_found("invoice"))?))
}

async fn pass(
    app: &App,
    By(caller): By,
    id: &str,
    event: InvoiceEvent,
) -> Result<Json<ApiInvoice>, ApiError> {
    let id = read_id(id)?;
    let passed = app.billing.invoicing.pass(&caller.actor, (caller.project, &id), None, event).await?;
    Ok(Json(wire::to_api(&passed)))
}

/// The id in a path.
pub fn read_id(text: &str) -> Result<InvoiceId, ApiError> {
    InvoiceId::parse(text).map_err(|_| ApiError::not_found("invoice"))
}

impl From<InvoicingError> for ApiError {
    fn from(error: InvoicingError) -> Self {
        let text = error.to_string();
        match error {
            InvoicingError::Store(StoreError::NotFound) => Self::not_found("invoice"),
            InvoicingError::Store(error) | InvoicingError::Debt(DebtError::Store(error)) => error.into(),
            InvoicingError::Events(error) => error.into(),
            InvoicingError::Subscription(error) => error.into(),
            InvoicingError::Wallet(error) => error.into(),
            InvoicingError::Random(error) => error.into(),
            InvoicingError::Credit(_) => Self::field("lines", text),
            InvoicingError::NotCreditable(_)
            | InvoicingError::HasCreditNotes
            | InvoicingError::State { .. } => Self::conflict("invoice_state", text),
            InvoicingError::Debt(_)
            | InvoicingError::Money(_)
            | InvoicingError::Overflow
            | InvoicingError::Mail(_)
            | InvoicingError::NoMeter(_) => Self::internal(text),
        }
    }
}
