//! Second factors of the person who calls.
use super::wire::{
    self, FactorCode, FactorProof, Failure, Message, PasswordProof, RecoveryCodes, SecondFactorSecret,
    SecondFactorState,
};
use super::{Me, Refused, Sent};
use crate::config::Secret;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;

/// How one's second factor stands.
#[utoipa::path(
    get, path = "/auth/second-factor", operation_id = "get_second_factor", tag = "accounts",
    responses((status = 200, body = SecondFactorState), (status = 401, body = Failure), (status = 403, body = Failure)),
)]
pub async fn get(State(app): State<App>, me: Me) -> Result<Json<SecondFactorState>, Refused> {
    let found = app.accounts.second_factor(&me.user).await?;
    Ok(Json(SecondFactorState { enabled: found.is_enabled, recovery_codes: found.recovery_codes }))
}

/// Get a secret for an authenticator; it counts once a code of it is confirmed.
#[utoipa::path(
    post, path = "/auth/second-factor", operation_id = "enrol_second_factor", tag = "accounts", request_body = PasswordProof,
    responses(
        (status = 200, body = SecondFactorSecret),
        (status = 400, body = Failure, description = "No password"),
        (status = 401, body = Failure, description = "No access token, or the password is wrong"),
        (status = 403, body = Failure),
        (status = 409, body = Failure, description = "There is an authenticator already"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn enrol(
    State(app): State<App>,
    me: Me,
    Sent(sent): Sent<PasswordProof>,
) -> Result<Json<SecondFactorSecret>, Refused> {
    let made = app.accounts.enrol(&me.user, Secret::new(sent.password)).await?;
    let (secret, otpauth_url) = (made.secret.expose().to_owned(), made.url.expose().to_owned());
    Ok(Json(SecondFactorSecret { secret, otpauth_url }))
}

/// Confirm the authenticator with a code of it: from now on logins ask for one. The other sessions end.
#[utoipa::path(
    post, path = "/auth/second-factor/confirm", operation_id = "confirm_second_factor", tag = "accounts", request_body = FactorCode,
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 400, body = Failure, description = "No code"),
        (status = 401, body = Failure, description = "No access token, or the code is wrong"),
        (status = 403, body = Failure),
        (status = 409, body = Failure, description = "There is no authenticator to be confirmed"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn confirm(
    State(app): State<App>,
    me: Me,
    Sent(sent): Sent<FactorCode>,
) -> Result<Json<RecoveryCodes>, Refused> {
    let codes = app.accounts.confirm_factor((&me.user, &me.session), &sent.code).await?;
    Ok(Json(wire::to_recovery_codes(&codes)))
}

/// Take the second factor away: logins ask for the password only.
#[utoipa::path(
    post, path = "/auth/second-factor/disable", operation_id = "disable_second_factor", tag = "accounts", request_body = FactorProof,
    responses(
        (status = 200, body = Message),
        (status = 400, body = Failure, description = "No password, or no code"),
        (status = 401, body = Failure, description = "No access token, or the password or the code is wrong"),
        (status = 403, body = Failure),
        (status = 409, body = Failure, description = "There is no second factor"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn disable(
    State(app): State<App>,
    me: Me,
    Sent(sent): Sent<FactorProof>,
) -> Result<Json<Message>, Refused> {
    app.accounts.disable_factor(&me.user, Secret::new(sent.password), &sent.code).await?;
    Ok(Json(wire::message("The second factor is off")))
}

/// Get new recovery codes; all others cease to work.
#[utoipa::path(
    post, path = "/auth/second-factor/recovery-codes", operation_id = "replace_recovery_codes", tag = "accounts", request_body = FactorProof,
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 400, body = Failure, description = "No password, or no code"),
        (status = 401, body = Failure, description = "No access token, or the password or the code is wrong"),
        (status = 403, body = Failure),
        (status = 409, body = Failure, description = "There is no second factor"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn recovery_codes(
    State(app): State<App>,
    me: Me,
    Sent(sent): Sent<FactorProof>,
) -> Result<Json<RecoveryCodes>, Refused> {
    let codes = app.accounts.replace_codes(&me.user, Secret::new(sent.password), &sent.code).await?;
    Ok(Json(wire::to_recovery_codes(&codes)))
}
