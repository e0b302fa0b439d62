//! Verified addresses, and passwords set anew.
use super::wire::{self, Failure, Message, PasswordChange, Reset, ResetRequest, VerifyParams};
use super::{Me, Origin, Refused, Sent};
use crate::auth::error::AuthError;
use crate::config::Secret;
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

/// Verify one's address, by the link of a mail.
#[utoipa::path(
    get, path = "/auth/verify-email", operation_id = "verify_email", tag = "accounts", params(VerifyParams),
    responses(
        (status = 200, body = Message),
        (status = 400, body = Failure, description = "No token, or one that is unknown, used or expired"),
        (status = 429, body = Failure, description = "Tried too often"),
    ),
)]
pub async fn verify_email(
    State(app): State<App>,
    Origin(client): Origin,
    params: Result<Query<VerifyParams>, QueryRejection>,
) -> Result<Json<Message>, Refused> {
    let Query(params) = params.map_err(|rejection| ApiError::malformed(rejection.body_text()))?;
    let token = params.token.ok_or(AuthError::Link)?;
    app.accounts.verify_email(&client, &token).await?;
    Ok(Json(wire::message("Email verified successfully")))
}

/// Mail another link that verifies one's address.
#[utoipa::path(
    post, path = "/auth/resend-verification", operation_id = "resend_verification", tag = "accounts",
    responses(
        (status = 200, body = Message),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 429, body = Failure, description = "Tried too often"),
    ),
)]
pub async fn resend(
    State(app): State<App>,
    Origin(client): Origin,
    me: Me,
) -> Result<Json<Message>, Refused> {
    let sent = app.accounts.resend_verification(&client, me.project, &me.user).await?;
    Ok(Json(wire::message(if sent { "Verification email sent" } else { "Email is already verified" })))
}

/// Mail a link that sets a new password; the answer is the same whether anybody has the address.
#[utoipa::path(
    post, path = "/auth/request-password-reset", operation_id = "request_password_reset", tag = "accounts",
    request_body = ResetRequest,
    responses(
        (status = 200, body = Message),
        (status = 400, body = Failure, description = "No address"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Tried too often"),
    ),
)]
pub async fn request_reset(
    State(app): State<App>,
    Origin(client): Origin,
    Sent(sent): Sent<ResetRequest>,
) -> Result<Json<Message>, Refused> {
    app.resets.request(&client, &sent.email)?;
    Ok(Json(wire::message("If the address is registered, a link to reset the password is on its way")))
}

/// Set a new password, by the token of a mail. All sessions end.
#[utoipa::path(
    post, path = "/auth/reset-password", operation_id = "reset_password", tag = "accounts", request_body = Reset,
    responses(
        (status = 200, body = Message),
        (status = 400, body = Failure, description = "The token is unknown, used or expired, or the password cannot be"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Tried too often"),
    ),
)]
pub async fn reset(
    State(app): State<App>,
    Origin(client): Origin,
    Sent(sent): Sent<Reset>,
) -> Result<Json<Message>, Refused> {
    app.accounts.reset_password(&client, &sent.token, Secret::new(sent.password)).await?;
    Ok(Json(wire::message("Password reset successfully")))
}

/// Change one's password. The other sessions end.
#[utoipa::path(
    post, path = "/auth/change-password", operation_id = "change_password", tag = "accounts",
    request_body = PasswordChange,
    responses(
        (status = 200, body = Message),
        (status = 400, body = Failure, description = "The new password cannot be"),
        (status = 401, body = Failure, description = "No access token, or the current password is wrong"),
        (status = 403, body = Failure),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn change_password(
    State(app): State<App>,
    me: Me,
    Sent(sent): Sent<PasswordChange>,
) -> Result<Json<Message>, Refused> {
    let (current, new) = (Secret::new(sent.current_password), Secret::new(sent.new_password));
    app.accounts.change_password((&me.user, &me.session), current, new).await?;
    Ok(Json(wire::message("Password changed successfully")))
}
