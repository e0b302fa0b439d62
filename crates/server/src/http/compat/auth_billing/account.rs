//! Registering, logging in, staying logged in, and who one is.
use super::wire::{self, AuthTokens, Credentials, Failure, LoggedIn, Me as ApiMe, Refresh, Registration};
use super::{Me, Named, Origin, Refused, Sent};
use crate::auth::accounts::Login;
use crate::config::Secret;
use crate::http::state::App;
use crate::store::projects::LIVE;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use reckoner_domain::id::ProjectId;

/// Register: a user with a customer of the same id, a trial, a session, and a mail with a link.
#[utoipa::path(
    post, path = "/auth/register", operation_id = "register", tag = "accounts", request_body = Registration,
    responses(
        (status = 201, body = LoggedIn),
        (status = 400, body = Failure, description = "The address or the password cannot be"),
        (status = 404, body = Failure, description = "No such project"),
        (status = 409, body = Failure, description = "Somebody has the address"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Too many registrations from this client"),
    ),
)]
pub async fn register(
    State(app): State<App>,
    Origin(client): Origin,
    Named(project): Named,
    Sent(sent): Sent<Registration>,
) -> Result<(StatusCode, Json<LoggedIn>), Refused> {
    let (project, password) = (project.unwrap_or(LIVE), Secret::new(sent.password));
    let made = app.accounts.register(&client, project, &sent.email, password).await?;
    Ok((StatusCode::CREATED, Json(wire::to_logged_in(&made.profile, &made.tokens, true))))
}

/// Log in. Five failures lock the address for 15 minutes, whether anybody has it or not.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = "accounts", request_body = Credentials,
    responses(
        (status = 200, body = LoggedIn),
        (status = 400, body = Failure, description = "No address, or no password"),
        (status = 401, body = Failure, description = "The address, the password or the code is wrong; a `code` is needed, which `message` says"),
        (status = 403, body = Failure, description = "No member of the named project"),
        (status = 404, body = Failure, description = "No such project"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn login(
    State(app): State<App>,
    Origin(client): Origin,
    Named(project): Named,
    Sent(sent): Sent<Credentials>,
) -> Result<Json<LoggedIn>, Refused> {
    let found = app.accounts.login(&client, to_login(sent, project)).await?;
    Ok(Json(wire::to_logged_in(&found.profile, &found.tokens, false)))
}

/// Renew both tokens. A refresh token works once: used again, it ends the whole session.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh_tokens", tag = "accounts", request_body = Refresh,
    responses(
        (status = 200, body = AuthTokens),
        (status = 400, body = Failure, description = "No token"),
        (status = 401, body = Failure, description = "Unknown, used or expired"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Tried too often"),
    ),
)]
pub async fn refresh(
    State(app): State<App>,
    Origin(client): Origin,
    Sent(sent): Sent<Refresh>,
) -> Result<Json<AuthTokens>, Refused> {
    Ok(Json(wire::to_tokens(&app.accounts.refresh(&client, &sent.refresh_token).await?)))
}

/// What somebody shows to log in.
pub fn to_login(sent: Credentials, named: Option<ProjectId>) -> Login {
    Login { email: sent.email, password: Secret::new(sent.password), code: sent.code, named }
}

/// Who one is.
#[utoipa::path(
    get, path = "/auth/me", operation_id = "get_me", tag = "accounts",
    responses(
        (status = 200, body = ApiMe),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
    ),
)]
pub async fn me(State(app): State<App>, me: Me) -> Result<Json<ApiMe>, Refused> {
    Ok(Json(wire::to_me(&app.accounts.profile(&me.user, Some(me.project)).await?)))
}
