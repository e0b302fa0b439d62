//! Callers who show a session's cookie. A browser sends it with requests of any site, so a change takes
//! what only pages of this server know and send.
use super::authenticate::in_project;
use super::cors;
use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::http::{HeaderMap, header};

/// Carries the token of pages.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// Who holds the cookie of a request.
pub async fn caller(app: &App, headers: &HeaderMap, changes: bool) -> Result<Caller, ApiError> {
    let cookie = cookie(app, headers).ok_or_else(ApiError::unauthenticated)?;
    let person = app.accounts.people.person_of_cookie(cookie).await?.ok_or_else(ApiError::unauthenticated)?;
    if changes {
        let sent = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !app.accounts.cookies.is_csrf_token(&person.session.id, sent) {
            let detail = "with a session's cookie, send the csrfToken of GET /auth/session as X-CSRF-Token";
            return Err(ApiError::not_from_a_page(detail));
        }
        check_origin(app, headers)?;
    }
    in_project(app, headers, &person)
}

/// The session's token in the cookies of a request.
pub fn cookie<'h>(app: &App, headers: &'h HeaderMap) -> Option<&'h str> {
    let mut lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.find_map(|line| app.accounts.cookies.read(line))
}

/// Refuses a page that is neither this server's nor listed. Browsers name the page with every change.
pub fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).map(|host| host.as_bytes()).unwrap_or_default();
    let own =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host.as_bytes());
    let of_url = app.accounts.cookies.is_own_origin(origin.as_bytes());
    if own == Some(host) || of_url || cors::allowed(app, headers).is_some() {
        return Ok(());
    }
    Err(ApiError::not_from_a_page("the page that asks is neither this server's nor in http.cors_origins"))
}
