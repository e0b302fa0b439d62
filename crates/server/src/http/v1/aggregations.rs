//! `/v1/aggregations`.
mod export;

use super::time;
use crate::http::error::{ApiError, choice_error};
use crate::http::export::{asked, pages, respond};
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::StoreError;
use crate::store::aggregations::{self, Aggregation, Filter};
use crate::store::customers;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use reckoner_api::aggregation::{Aggregation as ApiAggregation, AggregationParams};
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_domain::period::Period;

/// List or export aggregations, those of the newest period first.
///
/// JSON comes in pages. `format`, or `Accept: application/x-ndjson` (an aggregation a line), `text/csv`
/// or `application/vnd.apache.parquet`, gets all that pass the filters, streamed. Exports take neither
/// `limit` nor `cursor`; one that fails on its way breaks off before its end.
#[utoipa::path(
    get, path = "/v1/aggregations", operation_id = "list_aggregations", tag = "aggregations", params(AggregationParams),
    responses(
        (status = 200, content((List<ApiAggregation> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
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
    Params(mut params, mut errors): Params<AggregationParams>,
) -> Result<Response, ApiError> {
    let paging = (&mut params.limit, &mut params.cursor);
    let form = asked(&headers, params.format.as_deref(), paging, &mut errors);
    let (limit, after) =
        pagination::read_page(params.limit.as_deref(), params.cursor.as_deref(), &mut errors);
    if params.period.as_deref().is_some_and(|period| period.parse::<Period>().is_err()) {
        errors.push(choice_error("period", &Period::NAMES));
    }
    let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let customer = customers::own_id(&app.db, caller.project, params.customer).await?;
    let (period, project) = (params.period, caller.project);
    // The store's bound is inclusive.
    let to = to.map(|to| to.plus_micros(-1));
    if let Some(form) = form {
        let db = app.db.clone();
        let rows = pages(move |after| {
            let (db, customer, period) = (db.clone(), customer.clone(), period.clone());
            async move {
                let filter = Filter { customer: customer.as_deref(), period: period.as_deref(), from, to };
                aggregations::list(&db, project, &filter, after.as_ref(), export::PAGE_AGGREGATIONS).await
            }
        });
        return respond("aggregations", form, rows).await;
    }
    let filter = Filter { customer: customer.as_deref(), period: period.as_deref(), from, to };
    let page = aggregations::list(&app.db, project, &filter, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)).into_response())
}

/// Get an aggregation by its id (percent-encoded).
#[utoipa::path(
    get, path = "/v1/aggregations/{id}", operation_id = "get_aggregation", tag = "aggregations",
    params(("id" = String, Path, description = "`{customer}_{period}_{period_key}`")),
    responses(
        (status = 200, body = ApiAggregation),
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
) -> Result<Json<ApiAggregation>, ApiError> {
    match aggregations::get(&app.db, caller.project, &id).await {
        Ok(aggregation) => Ok(Json(to_api(aggregation))),
        Err(StoreError::NotFound) => Err(ApiError::not_found("aggregation")),
        Err(error) => Err(error.into()),
    }
}

fn to_api(aggregation: Aggregation) -> ApiAggregation {
    let counts = aggregation.figures.iter().map(|(key, figure)| (key.clone(), figure.count)).collect();
    ApiAggregation {
        id: aggregation.id,
        customer: aggregation.customer,
        period: aggregation.span.period,
        period_key: aggregation.span.key,
        period_start: aggregation.span.start.to_string(),
        period_end: aggregation.span.end.to_string(),
        values: aggregation.figures.into_iter().map(|(key, figure)| (key, figure.value)).collect(),
        event_counts: counts,
        event_count: aggregation.event_count,
        complete: aggregation.complete,
        revision: i64::from(aggregation.revision),
        created_at: aggregation.created_at.to_string(),
        updated_at: aggregation.updated_at.to_string(),
        imported_at: aggregation.imported.map(|imported| imported.at.to_string()),
    }
}
