//! `/v1/rejected-events`.
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::customers;
use crate::store::rejected_events::{self, Code, Filter, RejectedEvent};
use axum::Json;
use axum::extract::State;
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_api::rejected_event::{RejectedEvent as ApiRejectedEvent, RejectedEventParams};

/// List events that were not stored, the newest first.
///
/// Events that were invalid, or whose id was taken, with the reasons: the newest 10,000 of a project, for seven days of
/// its clock. The list is for people to look at: after a crash, or under a flood of bad events, some may be missing.
#[utoipa::path(
    get, path = "/v1/rejected-events", operation_id = "list_rejected_events", tag = "events", params(RejectedEventParams),
    responses(
        (status = 200, body = List<ApiRejectedEvent>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut errors): Params<RejectedEventParams>,
) -> Result<Json<List<ApiRejectedEvent>>, ApiError> {
    let (limit, after) =
        pagination::read_page(params.limit.as_deref(), params.cursor.as_deref(), &mut errors);
    let code = params.code.as_deref().map(Code::parse);
    if code == Some(None) {
        errors.push(choice_error("code", &Code::NAMES));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let customer = customers::own_id(&app.db, caller.project, params.customer).await?;
    // Who was just told of a rejection finds it here.
    app.rejections.flush().await;
    let filter =
        Filter { customer: customer.as_deref(), meter: params.meter.as_deref(), code: code.flatten() };
    let now = app.clock.of_project(caller.project);
    let page = rejected_events::list(&app.db, caller.project, &filter, now, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

fn to_api(rejected: RejectedEvent) -> ApiRejectedEvent {
    let errors = rejected.errors.into_iter().map(|error| field_error(&error.field, error.reason));
    ApiRejectedEvent {
        id: rejected.id.to_string(),
        received_at: rejected.received_at.to_string(),
        index: rejected.index,
        code: rejected.code.as_str().to_owned(),
        event_id: rejected.event_id,
        customer: rejected.customer,
        meter: rejected.meter,
        errors: errors.collect(),
        event: rejected.event,
        is_cut: rejected.is_cut,
    }
}
