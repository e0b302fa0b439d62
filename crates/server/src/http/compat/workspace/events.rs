//! `GET /api/usage/events`.
use super::feed::{Asked, Feed};
use super::figures::Reader;
use super::months::{Month, Months};
use super::resources::Meters;
use super::{Owner, Params, all_wrong, data, document, documents, failed, given, page};
use crate::auth::caller::Caller;
use crate::http::compat::Asked as Query;
use crate::http::extract::By;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

/// Usage of a workspace or an organisation, the newest first.
#[utoipa::path(
    get, path = "/api/usage/events", operation_id = "list_workspace_usage", tag = "system B",
    params(
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("projectId" = Option<String>, Query, description = "Only of this project."),
        ("resourceType" = Option<String>, Query, description = "traffic, storage or compute."),
        ("source" = Option<String>, Query, description = "api, file, job or ai."),
        ("period" = Option<String>, Query, description = "Only of this month: `2026-01`."),
        ("startDate" = Option<String>, Query, description = "Not before, inclusive."),
        ("endDate" = Option<String>, Query, description = "Not after, inclusive."),
        ("limit" = Option<u32>, Query, description = "1 to 1,000, 50 by default."),
        ("offset" = Option<u32>, Query, description = "0 to 100,000."),
    ),
    responses(
        (status = 200, description = "`{data: {documents, total}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Response> {
    let asking = Asking::of(&app, &caller, &params).await?;
    Ok(data(asking.list(&app, page(&params, &mut Vec::new())).await?))
}

/// What is asked of a project's events.
pub struct Asking {
    /// Who asks.
    pub caller: Caller,
    /// Whose usage.
    pub owner: Owner,
    /// Which events.
    pub asked: Asked,
    /// The meters of the project.
    pub meters: Meters,
}

impl Asking {
    /// What the parameters say; every fault at once.
    pub async fn of(app: &App, caller: &Caller, params: &Params) -> Result<Self, Response> {
        let owner = Owner::of(params)?;
        let mut wrong = Vec::new();
        let mut asked = Asked::of(params, &mut wrong);
        page(params, &mut wrong);
        let months = Months::of(app, caller.project, &owner).await?;
        match given(params.period.as_ref()).map(|name| months.named(&name)) {
            None => {}
            Some(Some(Month { window, .. })) => asked = asked.within(window),
            Some(None) => wrong.push(format!("period {}", super::months::NO_MONTH)),
        }
        if !wrong.is_empty() {
            return Err(all_wrong(&wrong));
        }
        let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
        Ok(Self { caller: caller.clone(), owner, asked, meters })
    }

    /// The events as they come.
    pub fn feed(&self, app: &App, first: usize) -> Feed {
        Feed::new(&app.events, self.caller.project, &self.owner, &self.asked, first)
    }

    /// A page of them, and how many there are.
    pub async fn list(&self, app: &App, (limit, offset): (usize, usize)) -> Result<Value, Response> {
        let now = app.clock.of_project(self.caller.project);
        let (events, project) = (&app.events, self.caller.project);
        let reader = Reader { events, project, meters: &self.meters, owner: &self.owner, now, as_of: None };
        let total = reader.counts(&self.asked).await.map_err(failed)?.total;
        let mut feed = self.feed(app, limit.saturating_add(offset));
        feed.skip(offset).await.map_err(failed)?;
        let mut shown = Vec::new();
        while shown.len() < limit
            && let Some((resource, event)) = feed.next().await.map_err(failed)?
        {
            shown.push(Value::Object(document::fields(&event, resource, &self.meters)));
        }
        Ok(documents(shown, total))
    }
}
