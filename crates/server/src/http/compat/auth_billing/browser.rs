//! Sessions of browsers: a cookie in the place of tokens.
use super::account::to_login;
use super::wire::{self, BrowserSession, Credentials, Failure};
use super::{Me, Named, Origin, Refused, Sent};
use crate::http::middleware::browser::check_origin;
use crate::http::state::App;
use crate::store::sessions;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

/// Log in with a browser: the session is a cookie that no script reads.
///
/// It lasts seven days. Changes take `csrfToken` as `X-CSRF-Token` beside it.
#[utoipa::path(
    post, path = "/auth/session", operation_id = "begin_browser_session", tag = "accounts", request_body = Credentials,
    responses(
        (status = 200, body = BrowserSession),
        (status = 400, body = Failure, description = "No address, or no password"),
        (status = 401, body = Failure, description = "The address, the password or the code is wrong; a `code` is needed, which `message` says"),
        (status = 403, body = Failure, description = "No member of the named project, or the page is of another site"),
        (status = 404, body = Failure, description = "No such project"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Locked, or tried too often"),
    ),
)]
pub async fn begin(
    State(app): State<App>,
    headers: HeaderMap,
    Origin(client): Origin,
    Named(project): Named,
    Sent(sent): Sent<Credentials>,
) -> Result<Response, Refused> {
    check_origin(&app, &headers)?;
    let begun = app.accounts.login_browser(&client, to_login(sent, project)).await?;
    let cookies = &app.accounts.cookies;
    let body = BrowserSession {
        user: wire::to_user(&begun.profile, false),
        csrf_token: cookies.csrf_token(&begun.session.id),
        expires_at: begun.session.expires_at.to_string(),
    };
    Ok(([(header::SET_COOKIE, cookies.set(&begun.cookie))], Json(body)).into_response())
}

/// Who one is, and what a page sends with changes.
#[utoipa::path(
    get, path = "/auth/session", operation_id = "get_browser_session", tag = "accounts",
    responses(
        (status = 200, body = BrowserSession),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
    ),
)]
pub async fn get(State(app): State<App>, me: Me) -> Result<Json<BrowserSession>, Refused> {
    let session = sessions::get(&app.db, &me.session).await.map_err(crate::auth::error::AuthError::from)?;
    let profile = app.accounts.profile(&me.user, Some(me.project)).await?;
    Ok(Json(BrowserSession {
        user: wire::to_user(&profile, false),
        csrf_token: app.accounts.cookies.csrf_token(&me.session),
        expires_at: session.expires_at.to_string(),
    }))
}
