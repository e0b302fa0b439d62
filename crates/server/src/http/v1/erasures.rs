//! `/v1/customers/{customer}/erase` and `/v1/erasures`.
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::random;
use crate::store::audit::{self, Change};
use crate::store::erasures::{self, Erasure};
use crate::store::{StoreError, customers};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::erasure::{Erase, Erasure as ApiErasure};
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_domain::id::ErasureId;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// Which erasures are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ErasureParams {
    /// Most erasures of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Erase a customer.
///
/// Events keep their ids, times and values, and bear a pseudonym from then on. Subjects, source contexts
/// and properties go, but for numbers and words that meters read. Totals and finalised invoices stay.
/// The customer's id is free for another one, accounts of users who are the customer are closed, and what
/// the record of changes says of it goes. It is done in the background; asked again, it answers how far
/// that is.
#[utoipa::path(
    post, path = "/v1/customers/{customer}/erase", operation_id = "erase_customer", tag = "customers", request_body = Erase,
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`.")),
    responses(
        (status = 202, body = ApiErasure),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn erase(
    State(app): State<App>,
    By(caller): By,
    Path(customer): Path<String>,
    JsonBody(wanted): JsonBody<Erase>,
) -> Result<(StatusCode, Json<ApiErasure>), ApiError> {
    let (project, now) = (caller.project, app.clock.real());
    let found = customers::find(&app.db, project, &customer).await.map_err(missing("customer"))?;
    if wanted.confirm != found.external_id {
        return Err(ApiError::invalid(vec![field_error("confirm", "must be the customer's own id")]));
    }
    // What was rejected before goes with the customer.
    app.rejections.flush().await;
    let mut tx = app.db.begin().await?;
    customers::lock(&mut tx, project, &found.id).await?;
    let known = erasures::find(&mut tx, project, &found.id).await?;
    let erasure = if let Some(known) = known {
        known
    } else {
        let erasure = Erasure {
            id: ErasureId::from_bits(random::id_bits(now)?),
            project,
            customer_id: found.id,
            customer: Some(found.external_id),
            pseudonym: format!("erased_{:032x}", u128::from_le_bytes(random::bytes()?)),
            requested_at: now,
            finished_at: None,
        };
        erasures::create(&mut tx, &erasure).await?;
        let change = Change::new(Some(project), &caller.actor, "customer.erasure_requested", &erasure.id);
        let change = change.after(json!({"customer": erasure.customer_id.as_str()}));
        audit::write(&mut tx, &app.clock, vec![change]).await?;
        erasure
    };
    tx.commit().await?;
    let jobs = app.jobs.clone();
    tokio::spawn(async move { jobs.carry_out_erasures().await });
    Ok((StatusCode::ACCEPTED, Json(to_api(erasure))))
}

/// List erasures, in the order in which they were asked for.
#[utoipa::path(
    get, path = "/v1/erasures", operation_id = "list_erasures", tag = "customers", params(ErasureParams),
    responses(
        (status = 200, body = List<ApiErasure>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<ErasureParams>,
) -> Result<Json<List<ApiErasure>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = erasures::list(&app.db, caller.project, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Get an erasure.
#[utoipa::path(
    get, path = "/v1/erasures/{id}", operation_id = "get_erasure", tag = "customers",
    params(("id" = String, Path, description = "`ers_...`")),
    responses(
        (status = 200, body = ApiErasure),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiErasure>, ApiError> {
    let id = ErasureId::parse(&id).map_err(|_| ApiError::not_found("erasure"))?;
    let found = erasures::get(&app.db, caller.project, &id).await.map_err(missing("erasure"))?;
    Ok(Json(to_api(found)))
}

fn missing(what: &'static str) -> impl Fn(StoreError) -> ApiError {
    move |error| match error {
        StoreError::NotFound => ApiError::not_found(what),
        error => error.into(),
    }
}

fn to_api(erasure: Erasure) -> ApiErasure {
    ApiErasure {
        erasure_id: erasure.id.to_string(),
        customer_id: erasure.customer_id.to_string(),
        pseudonym: erasure.pseudonym,
        status: if erasure.finished_at.is_some() { "done" } else { "pending" }.to_owned(),
        requested_at: erasure.requested_at.to_string(),
        finished_at: erasure.finished_at.map(|at| at.to_string()),
    }
}
