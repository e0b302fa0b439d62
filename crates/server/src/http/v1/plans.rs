//! `/v1/plans` and `/v1/coupons`.
use super::catalog::{self, wire};
use crate::billing::catalog::Place;
use crate::http::error::ApiError;
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::audit;
use crate::store::catalog::{self as stored, Entry, Stored};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::Problem;
use reckoner_api::list::{List, PageParams};
use reckoner_api::plan::{Coupon as ApiCoupon, NewCoupon, NewPlan, Plan as ApiPlan};
use reckoner_domain::coupon::Coupon;
use reckoner_domain::plan::Plan;

/// List the newest version of every plan that is not archived, by key.
#[utoipa::path(
    get, path = "/v1/plans", operation_id = "list_plans", tag = "plans", params(PageParams),
    responses(
        (status = 200, body = List<ApiPlan>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiPlan>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let all = current::<Plan>(&app, &caller).await?;
    Ok(Json(pagination::of_names(all, |plan| plan.entry.key.to_string(), page, |plan| to_api(&plan))))
}

/// Make a plan, or a new version of one.
///
/// What a version says never changes, and subscriptions stay on theirs until they are moved. The same
/// definition again is no change (200); another one makes the next version (201).
#[utoipa::path(
    post, path = "/v1/plans", operation_id = "create_plan", tag = "plans", request_body = NewPlan,
    responses(
        (status = 200, description = "It is there already", body = ApiPlan),
        (status = 201, description = "Made", body = ApiPlan),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another request made a version at the same time", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewPlan>,
) -> Result<(StatusCode, Json<ApiPlan>), ApiError> {
    let plan = wire::plan(&new)?;
    catalog::check_plan(&app, caller.project, &plan)?;
    let (status, made) = catalog::put_one(&app, &caller, plan).await?;
    Ok((status, Json(to_api(&made))))
}

/// Get the newest version of a plan.
#[utoipa::path(
    get, path = "/v1/plans/{key}", operation_id = "get_plan", tag = "plans",
    params(("key" = String, Path, description = "The plan's key.")),
    responses(
        (status = 200, body = ApiPlan),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
) -> Result<Json<ApiPlan>, ApiError> {
    newest::<Plan>(&app, &caller, &key).await.map(|plan| Json(to_api(&plan)))
}

/// List every version of a plan, the newest first.
#[utoipa::path(
    get, path = "/v1/plans/{key}/versions", operation_id = "list_plan_versions", tag = "plans",
    params(PageParams, ("key" = String, Path, description = "The plan's key.")),
    responses(
        (status = 200, body = List<ApiPlan>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn versions(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiPlan>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let all = stored::versions::<Plan>(&app.db, caller.project, &key).await?;
    if all.is_empty() {
        return Err(ApiError::not_found("plan"));
    }
    // Versions count up; their complements, in digits of one width, are in the order of the list.
    let name = |plan: &Stored<Plan>| format!("{:010}", u32::MAX - plan.version);
    Ok(Json(pagination::of_names(all, name, page, |plan| to_api(&plan))))
}

/// Archive a plan: nobody subscribes to it any more, and those who have it keep it.
#[utoipa::path(
    delete, path = "/v1/plans/{key}", operation_id = "archive_plan", tag = "plans",
    params(("key" = String, Path, description = "The plan's key.")),
    responses(
        (status = 204, description = "Archived"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn archive(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    archive_one::<Plan>(&app, &caller, &key).await
}

/// List the newest version of every coupon that is not archived, by key.
#[utoipa::path(
    get, path = "/v1/coupons", operation_id = "list_coupons", tag = "plans", params(PageParams),
    responses(
        (status = 200, body = List<ApiCoupon>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list_coupons(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiCoupon>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let all = current::<Coupon>(&app, &caller).await?;
    let name = |coupon: &Stored<Coupon>| coupon.entry.key.to_string();
    Ok(Json(pagination::of_names(all, name, page, |coupon| to_api_coupon(&coupon))))
}

/// Make a coupon, or a new version of one: those who have it keep theirs.
#[utoipa::path(
    post, path = "/v1/coupons", operation_id = "create_coupon", tag = "plans", request_body = NewCoupon,
    responses(
        (status = 200, description = "It is there already", body = ApiCoupon),
        (status = 201, description = "Made", body = ApiCoupon),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another request made a version at the same time", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create_coupon(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewCoupon>,
) -> Result<(StatusCode, Json<ApiCoupon>), ApiError> {
    let (status, made) = catalog::put_one(&app, &caller, wire::coupon(&new)?).await?;
    Ok((status, Json(to_api_coupon(&made))))
}

/// Get the newest version of a coupon.
#[utoipa::path(
    get, path = "/v1/coupons/{key}", operation_id = "get_coupon", tag = "plans",
    params(("key" = String, Path, description = "The coupon's key.")),
    responses(
        (status = 200, body = ApiCoupon),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get_coupon(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
) -> Result<Json<ApiCoupon>, ApiError> {
    newest::<Coupon>(&app, &caller, &key).await.map(|coupon| Json(to_api_coupon(&coupon)))
}

/// Archive a coupon: nobody gets it any more, and those who have it keep it.
#[utoipa::path(
    delete, path = "/v1/coupons/{key}", operation_id = "archive_coupon", tag = "plans",
    params(("key" = String, Path, description = "The coupon's key.")),
    responses(
        (status = 204, description = "Archived"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn archive_coupon(
    State(app): State<App>,
    By(caller): By,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    archive_one::<Coupon>(&app, &caller, &key).await
}

type Caller = crate::auth::caller::Caller;

async fn current<E: Entry>(app: &App, caller: &Caller) -> Result<Vec<Stored<E>>, ApiError> {
    let mut all = stored::list::<E>(&app.db, caller.project).await?;
    all.retain(|one| one.archived_at.is_none());
    Ok(all)
}

async fn newest<E: Entry>(app: &App, caller: &Caller, key: &str) -> Result<Stored<E>, ApiError> {
    let versions = stored::versions::<E>(&app.db, caller.project, key).await?;
    versions.into_iter().next().ok_or_else(|| ApiError::not_found(E::KIND))
}

async fn archive_one<E: Entry>(app: &App, caller: &Caller, key: &str) -> Result<StatusCode, ApiError> {
    let known = newest::<E>(app, caller, key).await?;
    if known.archived_at.is_some() {
        return Err(ApiError::not_found(E::KIND));
    }
    let (mut tx, mut changes) = (app.db.begin().await?, Vec::new());
    let mut place = Place {
        tx: &mut tx,
        clock: &app.clock,
        project: caller.project,
        by: &caller.actor,
        audit: &mut changes,
    };
    crate::billing::catalog::archive(&mut place, &known).await?;
    audit::write(&mut tx, &app.clock, changes).await?;
    tx.commit().await?;
    app.billing.standings.forget_all(caller.project);
    Ok(StatusCode::NO_CONTENT)
}

fn to_api(plan: &Stored<Plan>) -> ApiPlan {
    ApiPlan {
        version: plan.version,
        definition: wire::rewritten(&plan.entry.form()).unwrap_or_default(),
        created_at: plan.created_at.to_string(),
        archived_at: plan.archived_at.map(|at| at.to_string()),
    }
}

fn to_api_coupon(coupon: &Stored<Coupon>) -> ApiCoupon {
    ApiCoupon {
        version: coupon.version,
        definition: wire::rewritten(&coupon.entry.form()).unwrap_or_default(),
        created_at: coupon.created_at.to_string(),
        archived_at: coupon.archived_at.map(|at| at.to_string()),
    }
}
