//! `/v1/invitations`.
use crate::auth::accounts::InviteError;
use crate::auth::error::AuthError;
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::invitations::{self, Invitation};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::Problem;
use reckoner_api::list::{List, PageParams};
use reckoner_api::member::{Invitation as ApiInvitation, NewInvitation};
use reckoner_domain::access::Role;
use reckoner_domain::email::Email;
use reckoner_domain::id::InvitationId;
use reckoner_domain::time::Timestamp;

/// What somebody can be invited as; customers register by themselves.
pub const ROLES: [&str; 3] = ["owner", "admin", "analyst"];
/// How an invitation may stand.
pub const STATES: [&str; 4] = ["pending", "accepted", "revoked", "expired"];

/// List invitations, in the order of making.
#[utoipa::path(
    get, path = "/v1/invitations", operation_id = "list_invitations", tag = "members", params(PageParams),
    responses(
        (status = 200, body = List<ApiInvitation>),
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
) -> Result<Json<List<ApiInvitation>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = invitations::list(&app.db, caller.project, after.as_ref(), limit).await?;
    let now = app.clock.real();
    Ok(Json(pagination::to_api_list(page, |one| to_api(one, now))))
}

/// Invite somebody to the project, by a mail whose link works once within seven days.
#[utoipa::path(
    post, path = "/v1/invitations", operation_id = "create_invitation", tag = "members", request_body = NewInvitation,
    responses(
        (status = 201, body = ApiInvitation),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The address is invited already, or a member's", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewInvitation>,
) -> Result<(StatusCode, Json<ApiInvitation>), ApiError> {
    let mut errors = Vec::new();
    let email =
        Email::parse(&new.email).map_err(|error| errors.push(field_error("email", error.to_string()))).ok();
    let role = new.role.parse().ok().filter(|role| *role != Role::Customer);
    if role.is_none() {
        errors.push(choice_error("role", &ROLES));
    }
    let (Some(email), Some(role)) = (email, role) else { return Err(ApiError::invalid(errors)) };
    let made = app.accounts.invite(&caller, &email, role).await?;
    Ok((StatusCode::CREATED, Json(to_api(made, app.clock.real()))))
}

/// Mail an invitation again, with another link; the one before ceases to work.
#[utoipa::path(
    post, path = "/v1/invitations/{id}/resend", operation_id = "resend_invitation", tag = "members",
    params(("id" = String, Path, description = "`ivt_...`")),
    responses(
        (status = 200, body = ApiInvitation),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was accepted or taken back", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many mails to this address", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn resend(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiInvitation>, ApiError> {
    let sent = app.accounts.resend_invitation(&caller, &read_id(&id)?).await?;
    Ok(Json(to_api(sent, app.clock.real())))
}

/// Take an invitation back: its link ceases to work.
#[utoipa::path(
    delete, path = "/v1/invitations/{id}", operation_id = "revoke_invitation", tag = "members",
    params(("id" = String, Path, description = "`ivt_...`")),
    responses(
        (status = 200, body = ApiInvitation),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was accepted or taken back", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn revoke(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiInvitation>, ApiError> {
    let revoked = app.accounts.revoke_invitation(&caller, &read_id(&id)?).await?;
    Ok(Json(to_api(revoked, app.clock.real())))
}

fn read_id(text: &str) -> Result<InvitationId, ApiError> {
    InvitationId::parse(text).map_err(|_| ApiError::not_found("invitation"))
}

fn to_api(one: Invitation, now: Timestamp) -> ApiInvitation {
    ApiInvitation {
        state: one.state(now).to_owned(),
        id: one.id.to_string(),
        email: one.email,
        role: one.role.to_string(),
        invited_by: one.invited_by,
        created_at: one.created_at.to_string(),
        sent_at: one.sent_at.to_string(),
        expires_at: one.expires_at.to_string(),
        accepted_at: one.accepted_at.map(|at| at.to_string()),
        accepted_by: one.accepted_by.map(|user| user.to_string()),
        revoked_at: one.revoked_at.map(|at| at.to_string()),
    }
}

impl From<InviteError> for ApiError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NotFound => Self::not_found("invitation"),
            InviteError::Closed => Self::conflict("invitation_closed", error.to_string()),
            InviteError::Open | InviteError::Member => Self::conflict("already_exists", error.to_string()),
            InviteError::Members(error) => error.into(),
            InviteError::Account(AuthError::Store(error)) => error.into(),
            InviteError::Account(AuthError::TooOften(seconds)) => Self::too_often().retry_after(seconds),
            InviteError::Account(error) => Self::internal(error),
        }
    }
}
