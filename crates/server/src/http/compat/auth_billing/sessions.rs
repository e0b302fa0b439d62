//! Sessions of the person who calls.
use super::wire::{self, AuthSessions, Failure, Message};
use super::{Me, Refused};
use crate::auth::error::AuthError;
use crate::http::state::App;
use crate::store::sessions::Ended;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use reckoner_domain::id::SessionId;

/// Log out: this session ends, with all of its tokens, and a browser forgets its cookie.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = "accounts",
    responses(
        (status = 200, body = Message),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
    ),
)]
pub async fn logout(State(app): State<App>, me: Me) -> Result<Response, Refused> {
    match app.accounts.end_session(&me.user, &me.session, Ended::Logout).await {
        Ok(()) | Err(AuthError::NoSession) => {
            let cleared = [(header::SET_COOKIE, app.accounts.cookies.clear())];
            Ok((cleared, Json(wire::message("Logged out"))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// List one's open sessions, the newest first.
#[utoipa::path(
    get, path = "/auth/sessions", operation_id = "list_sessions", tag = "accounts",
    responses(
        (status = 200, body = AuthSessions),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
    ),
)]
pub async fn list(State(app): State<App>, me: Me) -> Result<Json<AuthSessions>, Refused> {
    let sessions = app.accounts.sessions(&me.user).await?;
    let data = sessions.into_iter().map(|session| wire::to_session(session, &me.session)).collect();
    Ok(Json(AuthSessions { data }))
}

/// End one of one's sessions, with all of its tokens.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", operation_id = "revoke_session", tag = "accounts",
    params(("id" = String, Path, description = "`ses_...`")),
    responses(
        (status = 200, body = Message),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "No such open session of this user"),
    ),
)]
pub async fn revoke(
    State(app): State<App>,
    me: Me,
    Path(id): Path<String>,
) -> Result<Json<Message>, Refused> {
    let id = SessionId::parse(&id).map_err(|_| AuthError::NoSession)?;
    app.accounts.end_session(&me.user, &id, Ended::Revoked).await?;
    Ok(Json(wire::message("Session ended")))
}
