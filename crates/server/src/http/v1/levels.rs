//! `/v1/customers/{customer}/levels` and `/v1/level-snapshots`.
use super::{customers, time};
use crate::billing::levels;
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::customers as stored_customers;
use crate::store::level_snapshots::{self, Filter, LevelSnapshot};
use axum::Json;
use axum::extract::{Path, State};
use reckoner_api::error::Problem;
use reckoner_api::level::{Level, LevelParams, LevelSnapshot as ApiSnapshot, LevelSnapshotParams};
use reckoner_api::list::List;

/// What a customer holds now, by meter and subject.
///
/// Each meter of `time_weighted_avg` counts a level. A release of more than is held is kept as it was sent: the level is
/// below zero then, says so, and costs nothing.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/levels", operation_id = "list_levels", tag = "customers",
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`."), LevelParams),
    responses(
        (status = 200, body = List<Level>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Path(customer): Path<String>,
    Params(params, faults): Params<LevelParams>,
) -> Result<Json<List<Level>>, ApiError> {
    let customer = customers::find(&app, &caller, &customer).await?.external_id;
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let now = app.clock.of_project(caller.project);
    let mut all = Vec::new();
    for meter in levels::meters(&app.recorder.catalogues.of(caller.project)) {
        if params.meter.as_ref().is_some_and(|asked| asked != meter.key.as_str()) {
            continue;
        }
        // What happens at this very instant counts.
        let (project, end) = (caller.project, now.plus_micros(1));
        let found = levels::before(&app.events, project, &meter, vec![customer.clone()], end).await?;
        let asked = |one: &levels::Level| params.subject.is_none() || one.subject == params.subject;
        all.extend(found.into_iter().filter(asked).map(|one| Level {
            meter: meter.key.to_string(),
            subject: one.subject,
            level: one.level.to_string(),
            is_negative: one.level.is_negative(),
            as_of: now.to_string(),
        }));
    }
    // Keys of meters have no slash.
    let name = |one: &Level| format!("{}/{}", one.meter, one.subject.as_deref().unwrap_or_default());
    all.sort_by_key(name);
    Ok(Json(pagination::of_names(all, name, page, |one| one)))
}

/// List what customers held at each midnight of UTC, the latest first.
///
/// Snapshots are made once, of what was known then: events that arrive later change no snapshot, and do change what is
/// billed, the mean over time.
#[utoipa::path(
    get, path = "/v1/level-snapshots", operation_id = "list_level_snapshots", tag = "customers",
    params(LevelSnapshotParams),
    responses(
        (status = 200, body = List<ApiSnapshot>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn snapshots(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut errors): Params<LevelSnapshotParams>,
) -> Result<Json<List<ApiSnapshot>>, ApiError> {
    let (limit, after) =
        pagination::read_page(params.limit.as_deref(), params.cursor.as_deref(), &mut errors);
    if after.as_ref().is_some_and(|after| !level_snapshots::knows(after)) {
        errors.push(field_error("cursor", "must be the next_cursor of an earlier answer"));
    }
    let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let customer = stored_customers::own_id(&app.db, caller.project, params.customer).await?;
    let filter = Filter {
        customer: customer.as_deref(),
        subject: params.subject.as_deref(),
        meter: params.meter.as_deref(),
        from,
        to,
    };
    let page = level_snapshots::list(&app.db, caller.project, &filter, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

fn to_api(snapshot: LevelSnapshot) -> ApiSnapshot {
    ApiSnapshot {
        taken_at: snapshot.taken_at.to_string(),
        customer: snapshot.customer,
        meter: snapshot.meter,
        subject: snapshot.subject,
        is_negative: snapshot.level.starts_with('-'),
        level: snapshot.level,
    }
}
