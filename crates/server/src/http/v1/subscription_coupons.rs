//! `/v1/subscriptions/{id}/coupons`.
use super::subscriptions::{read_id, whose};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::state::App;
use crate::store::subscription_coupons::Given;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::coupon::{CouponToGive, GivenCoupon};
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_domain::key::CouponKey;

/// List the coupons that a subscription was given, in that order.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}/coupons", operation_id = "list_subscription_coupons", tag = "subscriptions",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = List<GivenCoupon>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<List<GivenCoupon>>, ApiError> {
    let given = app.billing.subscriptions.coupons(caller.project, &read_id(&id)?).await?;
    Ok(Json(List { data: given.iter().map(to_api).collect(), next_cursor: None }))
}

/// Give a coupon to a subscription: it takes off its next invoices.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/coupons", operation_id = "give_coupon", tag = "subscriptions",
    request_body = CouponToGive,
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 201, body = GivenCoupon),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has the coupon, or as many as it may, or another currency; or it is over", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn give(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<CouponToGive>,
) -> Result<(StatusCode, Json<GivenCoupon>), ApiError> {
    let id = read_id(&id)?;
    let key = CouponKey::parse(&body.coupon)
        .map_err(|error| ApiError::invalid(vec![field_error("coupon", error.to_string())]))?;
    let given = app.billing.subscriptions.give_coupon(whose(&caller, &id, None), &key).await?;
    Ok((StatusCode::CREATED, Json(to_api(&given))))
}

/// Take a coupon away from a subscription: it takes nothing off the next invoice.
#[utoipa::path(
    delete, path = "/v1/subscriptions/{id}/coupons/{coupon}", operation_id = "take_coupon", tag = "subscriptions",
    params(
        ("id" = String, Path, description = "`sub_...`"),
        ("coupon" = String, Path, description = "The coupon's key"),
    ),
    responses(
        (status = 200, body = GivenCoupon),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such subscription, or it does not have the coupon", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn take(
    State(app): State<App>,
    By(caller): By,
    Path((id, coupon)): Path<(String, String)>,
) -> Result<Json<GivenCoupon>, ApiError> {
    let id = read_id(&id)?;
    let key = CouponKey::parse(&coupon).map_err(|_| ApiError::not_found("coupon of the subscription"))?;
    let given = app.billing.subscriptions.take_coupon(whose(&caller, &id, None), &key).await?;
    Ok(Json(to_api(&given)))
}

fn to_api(given: &Given) -> GivenCoupon {
    GivenCoupon {
        coupon: given.coupon.to_string(),
        coupon_version: given.version,
        given_at: given.given_at.to_string(),
        ended_at: given.ended_at.map(|at| at.to_string()),
    }
}
