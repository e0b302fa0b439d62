//! What the person who calls is to projects, and how one becomes that.
use super::wire::{Acceptance, Accepted, AuthMembership, AuthMemberships, Failure};
use super::{Me, Origin, Refused, Sent};
use crate::auth::error::AuthError;
use crate::config::Secret;
use crate::http::state::App;
use crate::store::memberships;
use axum::Json;
use axum::extract::State;
use reckoner_domain::id::ProjectId;

/// List the projects that one is a member of.
#[utoipa::path(
    get, path = "/auth/memberships", operation_id = "list_memberships", tag = "accounts",
    responses((status = 200, body = AuthMemberships), (status = 401, body = Failure), (status = 403, body = Failure)),
)]
pub async fn list(State(app): State<App>, me: Me) -> Result<Json<AuthMemberships>, Refused> {
    let found = memberships::of_user(&app.db, &me.user).await.map_err(AuthError::from)?;
    let data = found
        .into_iter()
        .map(|one| AuthMembership { project: name(&app, one.project), role: one.role.to_string() });
    Ok(Json(AuthMemberships { data: data.collect() }))
}

/// Accept an invitation, by the token of its mail. Who has no account yet gets one with the password.
#[utoipa::path(
    post, path = "/auth/accept-invitation", operation_id = "accept_invitation", tag = "accounts", request_body = Acceptance,
    responses(
        (status = 200, body = Accepted),
        (status = 400, body = Failure, description = "The token is unknown, used or expired, or the password cannot be"),
        (status = 409, body = Failure, description = "Somebody registered the address at the same moment"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
        (status = 429, body = Failure, description = "Tried too often"),
    ),
)]
pub async fn accept(
    State(app): State<App>,
    Origin(client): Origin,
    Sent(sent): Sent<Acceptance>,
) -> Result<Json<Accepted>, Refused> {
    let password = sent.password.map(Secret::new);
    let (user, membership) = app.accounts.accept_invitation(&client, &sent.token, password).await?;
    Ok(Json(Accepted {
        user: user.id.to_string(),
        email: user.email,
        project: name(&app, membership.project),
        role: membership.role.to_string(),
    }))
}

fn name(app: &App, project: ProjectId) -> String {
    app.project(project).map(|project| project.name.clone()).unwrap_or_default()
}
