//! `/v1/customers`.
use crate::auth::caller::Caller;
use crate::clock;
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Change, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::ingest::draft::{CUSTOMER_ID_PREFIX, text_fault};
use crate::random;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::changes;
use crate::store::customers::{self, Customer, Details, Filter};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::customer::{Customer as ApiCustomer, CustomerChange, NewCustomer};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::List;
use reckoner_domain::event::CUSTOMER_BYTES_MAX;
use reckoner_domain::id::CustomerId;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// Most bytes of a name shown.
const NAME_BYTES_MAX: usize = 255;
/// Most entries of a customer's metadata.
const METADATA_ENTRIES_MAX: usize = 50;
/// Most bytes of a key or value of metadata.
const METADATA_BYTES_MAX: usize = 500;

/// Which customers are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CustomerParams {
    /// Those whose own id begins with this.
    external_id_prefix: Option<String>,
    /// Most customers of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List customers, in the order of making.
#[utoipa::path(
    get, path = "/v1/customers", operation_id = "list_customers", tag = "customers", params(CustomerParams),
    responses(
        (status = 200, body = List<ApiCustomer>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<CustomerParams>,
) -> Result<Json<List<ApiCustomer>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let filter = Filter { external_id_prefix: params.external_id_prefix.as_deref(), ..Filter::default() };
    let page = customers::list(&app.db, caller.project, &filter, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Make a customer. Customers are also made by their first event.
#[utoipa::path(
    post, path = "/v1/customers", operation_id = "create_customer", tag = "customers", request_body = NewCustomer,
    responses(
        (status = 201, body = ApiCustomer),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The own id is taken", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewCustomer>,
) -> Result<(StatusCode, Json<ApiCustomer>), ApiError> {
    let mut errors = Vec::new();
    if let Some(reason) = text_fault(&new.external_id, CUSTOMER_BYTES_MAX) {
        errors.push(field_error("external_id", reason));
    }
    if new.external_id.starts_with(CUSTOMER_ID_PREFIX) {
        errors.push(field_error("external_id", format!("may not begin with {CUSTOMER_ID_PREFIX}")));
    }
    check_zone(new.time_zone.as_deref(), &mut errors);
    check_name(new.display_name.as_deref(), &mut errors);
    let metadata = read_metadata(new.metadata.unwrap_or_default(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let customer = Customer {
        id: CustomerId::from_bits(random::id_bits(app.clock.real())?),
        project: caller.project,
        external_id: new.external_id,
        details: Details { display_name: new.display_name, time_zone: new.time_zone, metadata },
        created_at: app.clock.of_project(caller.project),
        version: 1,
    };
    let mut tx = app.db.begin().await?;
    customers::create(&mut tx, &customer).await?;
    let change = changes::customer_created(&caller.actor, &customer);
    audit::write(&mut tx, &app.clock, vec![change]).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(to_api(customer))))
}

/// Get a customer by its own id or Reckoner's.
#[utoipa::path(
    get, path = "/v1/customers/{customer}", operation_id = "get_customer", tag = "customers",
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`.")),
    responses(
        (status = 200, body = ApiCustomer),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(customer): Path<String>,
) -> Result<Json<ApiCustomer>, ApiError> {
    Ok(Json(to_api(find(&app, &caller, &customer).await?)))
}

/// Change a customer.
///
/// A time zone takes effect when the day, week, month or year that is open ends, each by itself: the
/// next one is the new zone's from there on, or, where that has the same key, part of the one that
/// ends. Of several changes before then the last counts. Past periods stay as they were cut. Quotas of days
/// and months follow likewise, billing periods from the next one on.
#[utoipa::path(
    patch, path = "/v1/customers/{customer}", operation_id = "update_customer", tag = "customers", request_body = CustomerChange,
    params(
        ("customer" = String, Path, description = "The customer's own id, or `cus_...`."),
        ("If-Match" = Option<String>, Header, description = "The version that is changed."),
    ),
    responses(
        (status = 200, body = ApiCustomer),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It changed since it was read", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn update(
    State(app): State<App>,
    By(caller): By,
    Path(customer): Path<String>,
    Change { body: change, version, faults: mut errors }: Change<CustomerChange>,
) -> Result<Json<ApiCustomer>, ApiError> {
    let known = find(&app, &caller, &customer).await?;
    let version = version.unwrap_or(known.version);
    check_name(change.display_name.as_deref(), &mut errors);
    check_zone(change.time_zone.as_ref().and_then(Option::as_deref), &mut errors);
    let metadata = change.metadata.map(|metadata| read_metadata(metadata, &mut errors));
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let details = Details {
        display_name: change.display_name.or(known.details.display_name),
        time_zone: change.time_zone.unwrap_or_else(|| known.details.time_zone.clone()),
        metadata: metadata.unwrap_or(known.details.metadata),
    };
    let changed = if details.time_zone == known.details.time_zone {
        let mut tx = app.db.begin().await?;
        let before = customers::lock(&mut tx, caller.project, &known.id).await?;
        let changed = customers::update(&mut tx, caller.project, &known.id, version, &details).await?;
        let change = changes::customer_updated(&caller.actor, &before, &changed);
        audit::write(&mut tx, &app.clock, vec![change]).await?;
        tx.commit().await?;
        changed
    } else {
        app.jobs.change_zone(&caller.actor, (caller.project, &known.id), version, &details).await?
    };
    // Windows of the default plan follow the customer's clock.
    app.billing.standings.forget(caller.project, &changed.external_id);
    Ok(Json(to_api(changed)))
}

/// The customer of this name; one that is named by an own id that nobody has is made.
pub async fn find_or_make(app: &App, caller: &Caller, name: &str) -> Result<Customer, ApiError> {
    match find(app, caller, name).await {
        Err(error) if error.status() == StatusCode::NOT_FOUND && !name.starts_with(CUSTOMER_ID_PREFIX) => {}
        found => return found,
    }
    if let Some(reason) = text_fault(name, CUSTOMER_BYTES_MAX) {
        return Err(ApiError::field("customer", reason));
    }
    app.recorder.ensure_customers(caller.project, vec![name.to_owned()]).await?;
    find(app, caller, name).await
}

/// The customer that a list is narrowed to, where it is.
pub struct Narrowed(pub Option<CustomerId>);

/// The customer that a list names; `None` where there is no such customer, and so nothing to list.
pub async fn narrowed(app: &App, caller: &Caller, name: Option<&str>) -> Result<Option<Narrowed>, ApiError> {
    let Some(name) = name else { return Ok(Some(Narrowed(None))) };
    match customers::find(&app.db, caller.project, name).await {
        Ok(customer) => Ok(Some(Narrowed(Some(customer.id)))),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The customer of this name.
pub async fn find(app: &App, caller: &Caller, name: &str) -> Result<Customer, ApiError> {
    let found = customers::find(&app.db, caller.project, name).await;
    found.map_err(|error| match error {
        StoreError::NotFound => ApiError::not_found("customer"),
        error => error.into(),
    })
}

fn check_name(name: Option<&str>, errors: &mut Vec<FieldError>) {
    if let Some(reason) = name.and_then(|name| text_fault(name, NAME_BYTES_MAX)) {
        errors.push(field_error("display_name", reason));
    }
}

fn check_zone(name: Option<&str>, errors: &mut Vec<FieldError>) {
    if name.is_some_and(|name| clock::zone(name).is_none()) {
        errors.push(field_error("time_zone", "must be an IANA time zone such as Europe/Berlin"));
    }
}

fn read_metadata(metadata: BTreeMap<String, String>, errors: &mut Vec<FieldError>) -> Map<String, Value> {
    if metadata.len() > METADATA_ENTRIES_MAX {
        errors.push(field_error("metadata", format!("must have at most {METADATA_ENTRIES_MAX} entries")));
    }
    for (key, value) in &metadata {
        let wrong = |text: &str| text.len() > METADATA_BYTES_MAX || text.contains('\0');
        if wrong(key) || wrong(value) {
            let reason = format!("must have keys and values of at most {METADATA_BYTES_MAX} bytes");
            errors
                .push(field_error(&format!("metadata.{}", key.chars().take(50).collect::<String>()), reason));
        }
    }
    metadata.into_iter().map(|(key, value)| (key, Value::String(value))).collect()
}

fn to_api(customer: Customer) -> ApiCustomer {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ApiCustomer {
        id: customer.id.to_string(),
        external_id: customer.external_id,
        display_name: customer.details.display_name,
        time_zone: customer.details.time_zone,
        metadata: customer.details.metadata.into_iter().map(|(key, value)| (key, text(value))).collect(),
        created_at: customer.created_at.to_string(),
        version: i64::from(customer.version),
    }
}
