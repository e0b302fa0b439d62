//! `/v1/customers/{customer}/wallet`.
use super::customers;
use super::invoices::money;
use crate::auth::caller::Caller;
use crate::billing::wallet::{Asked, Movement, MovementError};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::middleware::idempotency;
use crate::http::pagination;
use crate::http::state::App;
use crate::store::wallets::{self as stored, Entry};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::invoice::Money as ApiMoney;
use reckoner_api::list::{List, PageParams};
use reckoner_api::wallet::{NewHold, TopUp, Wallet as ApiWallet, WalletAmount, WalletEntry};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use reckoner_domain::wallet::{Account, WalletError};

/// Most characters of what an entry says.
const DESCRIPTION_CHARS_MAX: usize = 500;
/// Most bytes of a hold's name.
const HOLD_BYTES_MAX: usize = 128;

/// What is in a customer's wallet.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/wallet", operation_id = "get_wallet", tag = "invoices",
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 200, body = ApiWallet),
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
) -> Result<Json<ApiWallet>, ApiError> {
    let customer = customers::find(&app, &caller, &name).await?;
    let wallet = app.billing.wallets.get(&customer).await?;
    let now = app.clock.of_project(caller.project);
    let available = wallet.as_ref().map(|one| one.wallet.available_at(now)).transpose();
    Ok(Json(ApiWallet {
        customer: customer.external_id,
        available: available.map_err(ApiError::internal)?.map(money),
        held: wallet.as_ref().map(|one| money(one.wallet.balance(Account::Held))),
        entries: wallet.map_or(0, |one| one.entries),
    }))
}

/// List what happened to a wallet, the newest first.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/wallet/entries", operation_id = "list_wallet_entries", tag = "invoices",
    params(PageParams, ("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 200, body = List<WalletEntry>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn entries(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<WalletEntry>>, ApiError> {
    let (limit, before) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let customer = customers::find(&app, &caller, &name).await?;
    let page = stored::entries(&app.db, caller.project, &customer.id, before.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, |entry| to_api(&entry))))
}

/// Put credit into a wallet. Its first entry decides its currency.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/wallet/top-ups", operation_id = "top_wallet_up", tag = "invoices",
    request_body = TopUp,
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 201, body = WalletEntry),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The customer has another currency, or the request was done before", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn top_up(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TopUp>,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    let mut errors = Vec::new();
    let amount = read_amount(&body.amount, &mut errors);
    let now = app.clock.of_project(caller.project);
    let expires_at = body.expires_at.as_deref().and_then(|text| match Timestamp::parse(text) {
        Ok(at) if at > now => Some(at),
        Ok(_) => {
            errors.push(field_error("expires_at", format!("must be after {now}")));
            None
        }
        Err(error) => {
            errors.push(field_error("expires_at", error.to_string()));
            None
        }
    });
    check_description(body.description.as_deref(), &mut errors);
    let (Some(amount), true) = (amount, errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    let movement = Movement::TopUp { amount, expires_at };
    pass(&app, &caller, (&name, &headers), body.description, movement).await
}

/// Give back what an invoice or a deduction took.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/wallet/refunds", operation_id = "refund_to_wallet", tag = "invoices",
    request_body = WalletAmount,
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 201, body = WalletEntry),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The customer has another currency, or the request was done before", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn refund(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<WalletAmount>,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    let amount = read(&body)?;
    pass(&app, &caller, (&name, &headers), body.description, Movement::Refund(amount)).await
}

/// Take credit out of a wallet: all of it, or nothing where there is less.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/wallet/deductions", operation_id = "deduct_from_wallet", tag = "invoices",
    request_body = WalletAmount,
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 201, body = WalletEntry),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Less is available, or the customer has another currency", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn deduct(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<WalletAmount>,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    let amount = read(&body)?;
    pass(&app, &caller, (&name, &headers), body.description, Movement::Deduct(amount)).await
}

/// Reserve credit under a name. What is reserved does not expire while it is.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/wallet/holds", operation_id = "hold_in_wallet", tag = "invoices",
    request_body = NewHold,
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 201, body = WalletEntry),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Less is available, or the hold exists", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn hold(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewHold>,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    let mut errors = Vec::new();
    if body.hold.is_empty() || body.hold.len() > HOLD_BYTES_MAX {
        errors.push(field_error("hold", format!("must have 1 to {HOLD_BYTES_MAX} bytes")));
    }
    let amount = read_amount(&body.amount, &mut errors);
    check_description(body.description.as_deref(), &mut errors);
    let (Some(amount), true) = (amount, errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    pass(&app, &caller, (&name, &headers), body.description, Movement::Hold(body.hold, amount)).await
}

/// End a hold: its credit is available again.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/wallet/holds/{hold}/release", operation_id = "release_hold", tag = "invoices",
    params(
        ("customer" = String, Path, description = "The customer's own id, or `cus_...`"),
        ("hold" = String, Path, description = "The hold's name"),
    ),
    responses(
        (status = 201, body = WalletEntry),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The request was done before", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn release(
    State(app): State<App>,
    By(caller): By,
    Path((name, hold)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    pass(&app, &caller, (&name, &headers), None, Movement::Release(hold)).await
}

/// Pay with a hold, which ends: what is left of it is available again.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/wallet/holds/{hold}/deduct", operation_id = "deduct_hold", tag = "invoices",
    request_body = WalletAmount,
    params(
        ("customer" = String, Path, description = "The customer's own id, or `cus_...`"),
        ("hold" = String, Path, description = "The hold's name"),
    ),
    responses(
        (status = 201, body = WalletEntry),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The hold reserves less, or the request was done before", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn deduct_held(
    State(app): State<App>,
    By(caller): By,
    Path((name, hold)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<WalletAmount>,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    let amount = read(&body)?;
    pass(&app, &caller, (&name, &headers), body.description, Movement::DeductHeld(hold, amount)).await
}

async fn pass(
    app: &App,
    caller: &Caller,
    (name, headers): (&str, &HeaderMap),
    description: Option<String>,
    movement: Movement,
) -> Result<(StatusCode, Json<WalletEntry>), ApiError> {
    let customer = customers::find(app, caller, name).await?;
    let dedupe_key = idempotency::once(app, headers)?;
    let asked = Asked { by: &caller.actor, customer: &customer, description, dedupe_key };
    let (_, entry) = app.billing.wallets.pass(asked, movement).await?;
    Ok((StatusCode::CREATED, Json(to_api(&entry))))
}

fn read(body: &WalletAmount) -> Result<Money, ApiError> {
    let mut errors = Vec::new();
    let amount = read_amount(&body.amount, &mut errors);
    check_description(body.description.as_deref(), &mut errors);
    match amount {
        Some(amount) if errors.is_empty() => Ok(amount),
        _ => Err(ApiError::invalid(errors)),
    }
}

fn read_amount(amount: &ApiMoney, errors: &mut Vec<FieldError>) -> Option<Money> {
    let Ok(currency) = amount.currency.parse() else {
        errors.push(field_error("amount.currency", "must be an ISO 4217 code"));
        return None;
    };
    match Money::parse(&amount.amount, currency) {
        Ok(money) if money.is_positive() => Some(money),
        Ok(_) => {
            errors.push(field_error("amount.amount", "must be greater than 0"));
            None
        }
        Err(error) => {
            errors.push(field_error("amount.amount", error.to_string()));
            None
        }
    }
}

fn check_description(text: Option<&str>, errors: &mut Vec<FieldError>) {
    if text.is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
        errors.push(field_error(
            "description",
            format!("must have at most {DESCRIPTION_CHARS_MAX} characters"),
        ));
    }
}

fn to_api(entry: &Entry) -> WalletEntry {
    WalletEntry {
        number: entry.number,
        kind: entry.kind.clone(),
        amount: money(entry.amount),
        hold: entry.hold.clone(),
        expires_at: entry.expires_at.map(|at| at.to_string()),
        invoice: entry.invoice.as_ref().map(ToString::to_string),
        description: entry.description.clone(),
        created_at: entry.made_at.to_string(),
    }
}

impl From<MovementError> for ApiError {
    fn from(error: MovementError) -> Self {
        let text = error.to_string();
        match error {
            MovementError::Store(error) => error.into(),
            MovementError::Currency { .. } => Self::conflict("currency_differs", text),
            MovementError::Wallet(WalletError::NoSuchHold) => Self::not_found("hold"),
            MovementError::Wallet(WalletError::HoldExists) => Self::conflict("already_exists", text),
            MovementError::Wallet(WalletError::Insufficient { .. } | WalletError::ExceedsHold { .. }) => {
                Self::conflict("insufficient_credit", text)
            }
            MovementError::Wallet(WalletError::NotPositive) => Self::field("amount.amount", text),
            MovementError::Wallet(WalletError::Money(_)) => Self::internal(text),
        }
    }
}
