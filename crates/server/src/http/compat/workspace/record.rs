//! `POST /api/usage/events`.
use super::resources::Meters;
use super::sent::Sent;
use super::{all_wrong, data, document, failed, read_object};
use crate::auth::caller::Caller;
use crate::events::Outcome;
use crate::http::compat::failure;
use crate::http::compat::metering::{self, CONFLICT};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::ingest::draft::Checked;
use crate::ingest::rejections::Rejection;
use crate::random;
use crate::store::rejected_events::Code;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Record usage of a workspace. Sent again under its `idempotencyKey` it is answered alike, and counted once.
#[utoipa::path(
    post, path = "/api/usage/events", operation_id = "record_workspace_usage", tag = "system B",
    request_body(content = Object, description = "`{workspaceId, projectId?, resourceType, units, metadata?, timestamp?, source, idempotencyKey?}`", content_type = "application/json"),
    responses(
        (status = 201, description = "`{data: {$id, workspaceId, projectId?, resourceType, units, baseUnits, weightedUnits, metadata, timestamp, source, idempotencyKey}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 409, description = "`{error}`", body = Object),
        (status = 413, description = "`{error}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
        (status = 503, description = "`{error}`", body = Object),
        (status = 507, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn record(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let fields = read_object(&app, &headers, body).await?;
    let catalogue = app.recorder.catalogues.of(caller.project);
    let now = app.clock.of_project(caller.project);
    let rules = metering::rules(&app, &catalogue, now, &caller);
    let keep = |code, reasons: &[String]| keep_rejected(&app, &caller, now, code, (&fields, reasons));
    let meters = Meters::of(&catalogue);
    let sent =
        Sent::read(&fields, &crate::ingest::draft::Rules { accept_unmetered: meters.is_err(), ..rules })
            .map_err(|reasons| {
                keep(Code::Invalid, &reasons);
                all_wrong(&reasons)
            })?;
    let meters = meters?;
    let checked = to_checked(&app, (caller.project, now), &sent).map_err(failed)?;
    let id = checked.id.to_string();
    let outcomes = app.recorder.record(caller.project, now, &[checked]).await.map_err(failed)?;
    if matches!(outcomes.first(), Some(Outcome::Conflict { .. })) {
        keep(Code::Conflict, &[CONFLICT.to_owned()]);
        return Err(failure(StatusCode::CONFLICT, CONFLICT, None));
    }
    let stored = app.events.get(caller.project, id).await.map_err(failed)?;
    let stored = stored.ok_or_else(|| failed(ApiError::busy("the event was cleared meanwhile")))?;
    let shown = document::fields(&stored, sent.resource, &meters);
    Ok((StatusCode::CREATED, data(Value::Object(shown))).into_response())
}

/// The event as it is stored: of the organisation that is named, else of the customer that the workspace is assigned to
/// at that time, else of the workspace itself.
fn to_checked<'s>(
    app: &App,
    (project, now): (ProjectId, Timestamp),
    sent: &'s Sent,
) -> Result<Checked<'s>, ApiError> {
    let id = match &sent.id {
        Some(id) => Cow::Borrowed(id.as_str()),
        None => Cow::Owned(random::uuid_text(app.clock.real())?),
    };
    let customer = match (&sent.organization, sent.workspace.as_deref()) {
        (Some(organization), _) => Cow::Borrowed(organization.as_str()),
        (None, workspace) => {
            let at = sent.time.unwrap_or(now);
            let assigned =
                workspace.and_then(|workspace| app.recorder.assignments.customer_of(project, workspace, at));
            assigned.map_or(Cow::Borrowed(workspace.unwrap_or_default()), Cow::Owned)
        }
    };
    Ok(Checked {
        id,
        customer,
        event_type: Cow::Borrowed(sent.resource.event_type()),
        value: sent.units,
        time: sent.time,
        subject: sent.workspace.as_deref().map(Cow::Borrowed),
        properties: Some(Cow::Borrowed(&sent.properties)),
        source_context: None,
        attributed: sent.organization.is_none(),
    })
}

fn keep_rejected(
    app: &App,
    caller: &Caller,
    received_at: Timestamp,
    code: Code,
    (fields, reasons): (&Map<String, Value>, &[String]),
) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let sent = Value::Object(fields.clone()).to_string();
    app.rejections.note(&Rejection {
        project: caller.project,
        received_at,
        index: 0,
        code,
        event_id: text("idempotencyKey"),
        customer: text("organizationId").or_else(|| text("workspaceId")),
        meter: text("resourceType"),
        reasons: reasons.iter().map(|reason| ("event", reason.as_str())).collect(),
        sent: sent.as_bytes(),
    });
}
