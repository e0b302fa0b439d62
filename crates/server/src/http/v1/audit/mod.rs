//! `GET /v1/audit`.
mod export;

use super::time;
use crate::auth::caller::Caller;
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::export::{asked, pages, respond};
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::audit::{self, Filter, Stored};
use crate::store::projects::LIVE;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use reckoner_api::audit::{AuditEntry, AuditParams};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::List;
use reckoner_domain::audit::hex;
use reckoner_domain::id::ProjectId;
use serde_json::Value;

/// Which chains there are for one who asks.
pub const CHAINS: [&str; 2] = ["project", "installation"];

/// List or export the record of changes, the newest first.
///
/// Each entry carries the hash of the one before it. JSON comes in pages. `format`, or `Accept:
/// application/x-ndjson` (an entry a line), `text/csv` or `application/vnd.apache.parquet`, gets all
/// entries that pass the filters, streamed. Exports take neither `limit` nor `cursor`; one that fails
/// on its way breaks off before its end.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "list_audit_entries", tag = "audit", params(AuditParams),
    responses(
        (status = 200, content((List<AuditEntry> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    Params(mut params, mut errors): Params<AuditParams>,
) -> Result<Response, ApiError> {
    let paging = (&mut params.limit, &mut params.cursor);
    let form = asked(&headers, params.format.as_deref(), paging, &mut errors);
    let limit = pagination::read_limit(params.limit.as_deref(), &mut errors);
    let before = params.cursor.as_deref().and_then(|text| read_cursor(text, &mut errors));
    let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), &mut errors);
    let project = read_chain(&caller, params.chain.as_deref(), &mut errors);
    let filter = Filter { actor: params.actor, action: params.action, object: params.object, from, to };
    let (Some(project), []) = (project, errors.as_slice()) else { return Err(ApiError::invalid(errors)) };
    let project = project?;
    if let Some(form) = form {
        let db = app.db.clone();
        let entries = pages(move |after| {
            let (db, filter) = (db.clone(), filter.clone());
            async move {
                let before = after.and_then(|after| after.id.parse().ok());
                audit::list(&db, project, &filter, before, export::PAGE_ENTRIES).await
            }
        });
        return respond("audit", form, entries).await;
    }
    let page = audit::list(&app.db, project, &filter, before, limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api) as List<AuditEntry>).into_response())
}

/// The chain that is asked for, and whether the caller may see it; what is wrong is noted.
fn read_chain(
    caller: &Caller,
    name: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> Option<Result<Option<ProjectId>, ApiError>> {
    match name.unwrap_or("project") {
        "project" => Some(Ok(Some(caller.project))),
        "installation" if caller.project == LIVE => Some(Ok(None)),
        "installation" => Some(Err(ApiError::forbidden(
            "what belongs to no project is shown to administrators of live only",
        ))),
        _ => {
            errors.push(choice_error("chain", &CHAINS));
            None
        }
    }
}

fn read_cursor(text: &str, errors: &mut Vec<FieldError>) -> Option<u64> {
    let number = crate::store::Cursor::parse(text).ok().and_then(|cursor| cursor.id.parse().ok());
    if number.is_none() {
        errors.push(field_error("cursor", "must be the next_cursor of an earlier answer"));
    }
    number
}

/// An entry as the API shows it.
fn to_api(stored: Stored) -> AuditEntry {
    let mut details: Value = serde_json::from_str(&stored.details).unwrap_or_default();
    let mut take = |name: &str| details.get_mut(name).map(Value::take).unwrap_or_default();
    let entry = stored.entry;
    AuditEntry {
        number: entry.number,
        created_at: entry.at.to_string(),
        project_time: entry.project_time.to_string(),
        actor: entry.actor,
        action: entry.action,
        object: entry.object,
        redacted_by: stored.redacted_by,
        before: take("before"),
        after: take("after"),
        previous_hash: hex(&entry.previous),
        hash: hex(&stored.hash),
    }
}
