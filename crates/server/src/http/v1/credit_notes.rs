//! `/v1/credit-notes`, and those of an invoice.
use super::customers::{self, Narrowed};
use super::invoices::{bill_to, money, read_id};
use crate::billing::invoicing::{InvoicingError, NewCreditNote};
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::middleware::idempotency;
use crate::http::pagination;
use crate::http::state::App;
use crate::store::credit_notes::{self as stored, Filter, Stored};
use crate::store::{StoreError, invoices};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use reckoner_api::credit_note::{
    CreditNote as ApiCreditNote, CreditedLine as ApiLine, CreditedTax, LineToCredit,
    NewCreditNote as ApiNewCreditNote,
};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::List;
use reckoner_domain::credit_note::CreditedLine;
use reckoner_domain::currency::Currency;
use reckoner_domain::id::{CreditNoteId, InvoiceId};
use reckoner_domain::money::Money;
use serde::Deserialize;
use utoipa::IntoParams;

/// Most parts of lines of a credit note.
const LINES_MAX: usize = 1_000;
/// Most characters of a reason.
const REASON_CHARS_MAX: usize = 500;
/// Where goes what was paid already.
const REFUNDS: [&str; 2] = ["wallet", "outside"];

/// Which credit notes are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CreditNoteParams {
    /// Those of this customer: its own id, or `cus_...`.
    customer: Option<String>,
    /// Those of this invoice: `inv_...`.
    invoice: Option<String>,
    /// Most credit notes of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List credit notes, in the order of their numbers.
#[utoipa::path(
    get, path = "/v1/credit-notes", operation_id = "list_credit_notes", tag = "invoices", params(CreditNoteParams),
    responses(
        (status = 200, body = List<ApiCreditNote>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<CreditNoteParams>,
) -> Result<Json<List<ApiCreditNote>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let nothing = || Ok(Json(List { data: Vec::new(), next_cursor: None }));
    let named = customers::narrowed(&app, &caller, params.customer.as_deref()).await?;
    let Some(Narrowed(customer)) = named else { return nothing() };
    let invoice = match params.invoice.as_deref().map(InvoiceId::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return nothing(),
    };
    let filter = Filter { customer: customer.as_ref(), invoice: invoice.as_ref() };
    let page = stored::list(&app.db, caller.project, &filter, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, |one| to_api(&one))))
}

/// Get a credit note.
#[utoipa::path(
    get, path = "/v1/credit-notes/{id}", operation_id = "get_credit_note", tag = "invoices",
    params(("id" = String, Path, description = "`crn_...`")),
    responses(
        (status = 200, body = ApiCreditNote),
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
) -> Result<Json<ApiCreditNote>, ApiError> {
    let id = CreditNoteId::parse(&id).map_err(|_| ApiError::not_found("credit note"))?;
    match stored::get(&app.db, caller.project, &id).await {
        Ok(note) => Ok(Json(to_api(&note))),
        Err(StoreError::NotFound) => Err(ApiError::not_found("credit note")),
        Err(error) => Err(error.into()),
    }
}

/// Give back parts of a final invoice, with their tax: first off what is left to pay of it.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/credit-notes", operation_id = "issue_credit_note", tag = "invoices",
    request_body = ApiNewCreditNote,
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 201, body = ApiCreditNote),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is void, or the request was done before", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn issue(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ApiNewCreditNote>,
) -> Result<(StatusCode, Json<ApiCreditNote>), ApiError> {
    let id = read_id(&id)?;
    let found = invoices::get(&app.db, caller.project, &id).await.map_err(InvoicingError::from)?;
    let currency = found.invoice.totals().due.currency();
    let mut errors = Vec::new();
    let lines = read_lines(&body.lines, currency, &mut errors);
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        errors.push(field_error("reason", format!("must be at most {REASON_CHARS_MAX} characters")));
    }
    let refund = body.refund.as_deref().unwrap_or("wallet");
    if !REFUNDS.contains(&refund) {
        errors.push(choice_error("refund", &REFUNDS));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let new = NewCreditNote {
        lines,
        reason: body.reason,
        outside: refund == "outside",
        dedupe_key: idempotency::once(&app, &headers)?,
    };
    let issued = app.billing.invoicing.issue_credit_note(&caller.actor, (caller.project, &id), new).await?;
    Ok((StatusCode::CREATED, Json(to_api(&issued))))
}

fn read_lines(lines: &[LineToCredit], currency: Currency, errors: &mut Vec<FieldError>) -> Vec<CreditedLine> {
    if !(1..=LINES_MAX).contains(&lines.len()) {
        errors.push(field_error("lines", format!("must have 1 to {LINES_MAX} entries")));
        return Vec::new();
    }
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match Money::parse(&line.amount, currency) {
            Ok(amount) => read.push(CreditedLine { line: line.line as usize, amount }),
            Err(error) => errors.push(field_error(&format!("lines[{index}].amount"), error.to_string())),
        }
    }
    read
}

fn to_api(stored: &Stored) -> ApiCreditNote {
    let (header, note) = (stored.note.header(), stored.note.note());
    let settlement = stored.note.settlement();
    ApiCreditNote {
        id: stored.id.to_string(),
        number: header.number,
        customer: stored.external_id.clone(),
        invoice: stored.invoice.to_string(),
        invoice_number: header.invoice,
        issued_at: header.issued_at.to_string(),
        reason: header.reason.clone(),
        lines: note
            .lines
            .iter()
            .map(|line| ApiLine { line: line.line as u64, amount: money(line.amount) })
            .collect(),
        taxes: note
            .taxes
            .iter()
            .map(|tax| CreditedTax { tax: tax.tax.to_string(), amount: money(tax.amount) })
            .collect(),
        total: money(note.total),
        off_invoice: money(settlement.invoice),
        to_wallet: money(settlement.wallet),
        outside: money(settlement.outside),
        bill_to: bill_to(&header.bill_to),
        hash: stored.note.hash().to_owned(),
    }
}
