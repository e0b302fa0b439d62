//! `/v1/members`.
use crate::auth::accounts::MemberError;
use crate::http::error::{ApiError, choice_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::memberships::{self, Member};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::Problem;
use reckoner_api::list::{List, PageParams};
use reckoner_api::member::{Member as ApiMember, MemberChange};
use reckoner_domain::access::Role;
use reckoner_domain::id::UserId;

/// List the project's members, in the order in which they registered.
#[utoipa::path(
    get, path = "/v1/members", operation_id = "list_members", tag = "members", params(PageParams),
    responses(
        (status = 200, body = List<ApiMember>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiMember>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = memberships::list(&app.db, caller.project, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Get a member.
#[utoipa::path(
    get, path = "/v1/members/{user}", operation_id = "get_member", tag = "members",
    params(("user" = String, Path, description = "`usr_...`")),
    responses(
        (status = 200, body = ApiMember),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(user): Path<String>,
) -> Result<Json<ApiMember>, ApiError> {
    let found = memberships::find_member(&app.db, caller.project, &read_user(&user)?).await?;
    found.map(|member| Json(to_api(member))).ok_or_else(|| ApiError::not_found("member"))
}

/// Give a member another role. Only owners, logged in, make owners and change what they are.
#[utoipa::path(
    patch, path = "/v1/members/{user}", operation_id = "update_member", tag = "members", request_body = MemberChange,
    params(("user" = String, Path, description = "`usr_...`")),
    responses(
        (status = 200, body = ApiMember),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The project would have no owner", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn update(
    State(app): State<App>,
    By(caller): By,
    Path(user): Path<String>,
    JsonBody(change): JsonBody<MemberChange>,
) -> Result<Json<ApiMember>, ApiError> {
    let role: Result<Role, _> = change.role.parse();
    let role = role.map_err(|_| ApiError::invalid(vec![choice_error("role", &Role::NAMES)]))?;
    let user = read_user(&user)?;
    app.accounts.change_role(&caller, &user, role).await?;
    let found = memberships::find_member(&app.db, caller.project, &user).await?;
    found.map(|member| Json(to_api(member))).ok_or_else(|| ApiError::not_found("member"))
}

/// Remove a member. Its account stays, and what it did.
#[utoipa::path(
    delete, path = "/v1/members/{user}", operation_id = "remove_member", tag = "members",
    params(("user" = String, Path, description = "`usr_...`")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The project would have no owner", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn remove(
    State(app): State<App>,
    By(caller): By,
    Path(user): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.accounts.remove_member(&caller, &read_user(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_user(text: &str) -> Result<UserId, ApiError> {
    UserId::parse(text).map_err(|_| ApiError::not_found("member"))
}

fn to_api(member: Member) -> ApiMember {
    ApiMember {
        user: member.user.to_string(),
        email: member.email,
        role: member.role.to_string(),
        customer: member.customer,
        email_verified: member.email_verified_at.is_some(),
        created_at: member.created_at.to_string(),
    }
}

impl From<MemberError> for ApiError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::NoMember => Self::not_found("member"),
            MemberError::LastOwner => Self::conflict("last_owner", error.to_string()),
            MemberError::OwnersOnly => Self::forbidden(error.to_string()),
            MemberError::NoCustomer => Self::field("role", error.to_string()),
            MemberError::Store(error) => error.into(),
        }
    }
}
