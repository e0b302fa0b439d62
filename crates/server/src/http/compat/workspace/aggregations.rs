//! `GET /api/usage/aggregations` and `POST /api/usage/aggregations/calculate`.
use super::billed::{as_stored, locked};
use super::figures::{Figures, Reader};
use super::invoices::{final_of, snapshot_id};
use super::months::{Month, Months, NO_MONTH};
use super::numbers::number;
use super::resources::{Meters, Resource};
use super::{Owner, Params, all_wrong, data, documents, failed, given, page, read_object, wrong};
use crate::events::{EventsError, ListFilter, Order};
use crate::http::compat::Asked as Query;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::locks::{self, Lock};
use crate::store::workspace_invoices::{self, Stored};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_domain::id::{InvoiceId, ProjectId};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::resource_invoice::{PerResource, RESOURCES, used_in};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use serde_json::{Value, json};

/// Months of usage of a workspace or an organisation, the latest first, from that of its first event on.
#[utoipa::path(
    get, path = "/api/usage/aggregations", operation_id = "list_workspace_aggregations", tag = "system B",
    params(
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("period" = Option<String>, Query, description = "Only this month: `2026-01`."),
        ("startPeriod" = Option<String>, Query, description = "Not before this month."),
        ("endPeriod" = Option<String>, Query, description = "Not after this month; by default the present one."),
        ("limit" = Option<u32>, Query, description = "1 to 1,000, 50 by default."),
        ("offset" = Option<u32>, Query, description = "0 to 100,000."),
    ),
    responses(
        (status = 200, description = "`{data: {documents: [{$id, workspaceId, period, trafficTotalGB, storageAvgGB, computeTotalUnits, isFinalized, invoiceId?, finalizedAt?}], total}}`", body = Object),
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
    let owner = Owner::of(&params)?;
    let mut wrongs = Vec::new();
    let (limit, offset) = page(&params, &mut wrongs);
    let months = Months::of(&app, caller.project, &owner).await?;
    let mut read = |name: &str, text: Option<&String>| {
        let month = months.named(&given(text)?);
        if month.is_none() {
            wrongs.push(format!("{name} {NO_MONTH}"));
        }
        month
    };
    let only = read("period", params.period.as_ref());
    let from = read("startPeriod", params.start_period.as_ref());
    let to = read("endPeriod", params.end_period.as_ref());
    if !wrongs.is_empty() {
        return Err(all_wrong(&wrongs));
    }
    let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
    let now = app.clock.of_project(caller.project);
    let Some(first) = first_event(&app, caller.project, &owner).await.map_err(failed)? else {
        return Ok(data(documents(Vec::new(), 0)));
    };
    let latest = |a: Month, b: Month| if a.window.start < b.window.start { b } else { a };
    let earliest = |a: Month, b: Month| if a.window.start < b.window.start { a } else { b };
    let from = [from, only.clone()].into_iter().flatten().fold(months.at(first), latest);
    let to = [to, only].into_iter().flatten().fold(months.at(now.max(first)), earliest);
    let mut all = Vec::new();
    if from.window.start <= to.window.start {
        all.extend(months.newest_first(&from, &to));
    }
    let total = all.len() as u64;
    let months: Vec<Month> = all.into_iter().skip(offset).take(limit).collect();
    let finality = Finality::of(&app, caller.project, &owner, &months).await?;
    let reader = reader(&app, caller.project, (&meters, &owner));
    // Windows go forward.
    let windows: Vec<_> = months.iter().rev().map(|month| month.window).collect();
    let figures = reader.of(&windows).await.map_err(failed)?;
    let mut shown = Vec::with_capacity(months.len());
    for (month, figures) in months.iter().zip(figures.iter().rev()) {
        let (billed, finalized) = finality.of_month(&reader, month).await?;
        shown.push(aggregation(&owner, month, billed.unwrap_or_else(|| figures.billed()), finalized));
    }
    Ok(data(documents(shown, total)))
}

fn reader<'a>(app: &'a App, project: ProjectId, (meters, owner): (&'a Meters, &'a Owner)) -> Reader<'a> {
    Reader { events: &app.events, project, meters, owner, now: app.clock.of_project(project), as_of: None }
}

/// What makes months final: the owner's invoices, and the locks of an organisation's usage.
struct Finality {
    invoices: Vec<Stored>,
    locks: Vec<Lock>,
}

/// That a month is final.
struct Finalized {
    at: Timestamp,
    invoice: Option<InvoiceId>,
}

impl Finality {
    async fn of(app: &App, project: ProjectId, owner: &Owner, months: &[Month]) -> Result<Self, Response> {
        let invoices =
            workspace_invoices::of_owner(&app.db, project, &as_stored(owner)).await.map_err(failed)?;
        let (first, last) = (months.last(), months.first());
        let organization = owner.organization.as_ref().filter(|_| owner.workspace.is_none());
        let locks = match (first, last, organization) {
            (Some(first), Some(last), Some(organization)) => {
                let window = Window { start: first.window.start, end: last.window.end };
                let customers = [organization.clone()];
                locks::overlapping(&app.db, project, window, Some(&customers)).await.map_err(failed)?
            }
            _ => Vec::new(),
        };
        Ok(Self { invoices, locks })
    }

    /// Whether a month is final, and what was billed of it then: its figures are those for ever.
    async fn of_month(
        &self,
        reader: &Reader<'_>,
        month: &Month,
    ) -> Result<(Option<PerResource<Ratio>>, Option<Finalized>), Response> {
        if let Some((invoice, content)) = final_of(&self.invoices, month) {
            let billed = RESOURCES.map(|resource| used_in(content.lines(), resource));
            let at = content.header().finalized_at;
            return Ok((Some(billed), Some(Finalized { at, invoice: Some(invoice.id.clone()) })));
        }
        let Some(lock) = self.locks.iter().find(|lock| lock.covers(month.window)) else {
            return Ok((None, None));
        };
        let then = Reader { as_of: Some(lock.since), ..*reader };
        let figures = then.of(&[month.window]).await.map_err(failed)?;
        let billed = figures.first().map(Figures::billed);
        Ok((billed, Some(Finalized { at: lock.since, invoice: lock.invoice.clone() })))
    }
}

/// Calculate a month of a workspace or an organisation.
///
/// Months that are not final are always calculated anew, so that this shows what the list shows; those that are final
/// never change (409).
#[utoipa::path(
    post, path = "/api/usage/aggregations/calculate", operation_id = "calculate_workspace_aggregation", tag = "system B",
    request_body(content = Object, description = "`{workspaceId, period}`, or `{organizationId, period}`", content_type = "application/json"),
    responses(
        (status = 201, description = "`{data: {$id, workspaceId, period, trafficTotalGB, storageAvgGB, computeTotalUnits, isFinalized}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 409, description = "`{error, code: BILLING_PERIOD_LOCKED}`: an invoice of it is final", body = Object),
        (status = 413, description = "`{error}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn calculate(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let fields = read_object(&app, &headers, body).await?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let owner =
        Owner::new(text("workspaceId").map(str::to_owned), text("organizationId").map(str::to_owned))?;
    let period = text("period").ok_or_else(|| wrong(&format!("period is required: it {NO_MONTH}")))?;
    let months = Months::of(&app, caller.project, &owner).await?;
    let now = app.clock.of_project(caller.project);
    let month = months.asked(Some(period), now)?;
    if month.window.start > now {
        return Err(wrong("period must not be in the future"));
    }
    let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
    let reader = reader(&app, caller.project, (&meters, &owner));
    let finality = Finality::of(&app, caller.project, &owner, std::slice::from_ref(&month)).await?;
    if finality.of_month(&reader, &month).await?.1.is_some() {
        return Err(locked(&month));
    }
    let figures = reader.of(&[month.window]).await.map_err(failed)?;
    let figures = figures.first().copied().unwrap_or_default();
    Ok((StatusCode::CREATED, data(aggregation(&owner, &month, figures.billed(), None))).into_response())
}

fn aggregation(
    owner: &Owner,
    month: &Month,
    [traffic, storage, compute]: PerResource<Ratio>,
    finalized: Option<Finalized>,
) -> Value {
    let mut shown = json!({"$id": snapshot_id(owner, &month.name)});
    owner.put(&mut shown);
    if let Some(fields) = shown.as_object_mut() {
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("period", json!(month.name));
        put("trafficTotalGB", number(traffic));
        put("storageAvgGB", number(storage));
        put("computeTotalUnits", number(compute));
        put("isFinalized", json!(finalized.is_some()));
        if let Some(Finalized { at, invoice }) = finalized {
            if let Some(invoice) = invoice {
                put("invoiceId", json!(invoice.as_str()));
            }
            put("finalizedAt", json!(at.to_millis_text()));
        }
    }
    shown
}

/// When the owner's first event was.
async fn first_event(app: &App, project: ProjectId, owner: &Owner) -> Result<Option<Timestamp>, EventsError> {
    let mut first: Option<Timestamp> = None;
    for resource in Resource::ALL {
        let filter = ListFilter {
            customer: owner.organization.clone(),
            subject: owner.workspace.clone(),
            event_type: Some(resource.event_type().to_owned()),
            order: Order::OldestFirst,
            limit: 1,
            ..ListFilter::new(project)
        };
        let found = app.events.list(filter).await?.first().map(|event| event.time);
        first = first.into_iter().chain(found).min();
    }
    Ok(first)
}
