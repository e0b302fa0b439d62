//! `/v1/subjects/{subject}/assignments`: whose usage a subject's is, from when on.
use super::{customers, subjects, time};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::ingest::assignments::ASSIGNMENTS_MAX;
use crate::store::audit::{self, Change};
use crate::store::subjects::{self as stored, Assignment};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::Problem;
use reckoner_api::list::{List, PageParams};
use reckoner_api::subject::{Assignment as ApiAssignment, NewAssignment};
use serde_json::{Value, json};

/// List a subject's assignments, the latest first.
#[utoipa::path(
    get, path = "/v1/subjects/{subject}/assignments", operation_id = "list_assignments", tag = "customers",
    params(("subject" = String, Path, description = "The subject, percent-encoded."), PageParams),
    responses(
        (status = 200, body = List<ApiAssignment>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Path(subject): Path<String>,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiAssignment>>, ApiError> {
    subjects::find(&app, &caller, &subject).await?;
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = stored::assignments(&app.db, caller.project, &subject, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Assign a subject to a customer from an instant on.
///
/// Events that name the subject and no customer are then the customer's, by the time they bear, until the next
/// assignment. Events that were recorded before stay whose they are. What was assigned from that very instant on is
/// replaced.
#[utoipa::path(
    post, path = "/v1/subjects/{subject}/assignments", operation_id = "assign_subject", tag = "customers",
    request_body = NewAssignment,
    params(("subject" = String, Path, description = "The subject, percent-encoded; it need not be known.")),
    responses(
        (status = 200, description = "What was assigned from that instant on is replaced", body = ApiAssignment),
        (status = 201, body = ApiAssignment),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such customer", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn add(
    State(app): State<App>,
    By(caller): By,
    Path(subject): Path<String>,
    JsonBody(wanted): JsonBody<NewAssignment>,
) -> Result<(StatusCode, Json<ApiAssignment>), ApiError> {
    let mut errors = Vec::new();
    subjects::check_subject(&subject, &mut errors);
    let from = time::optional("effective_from", Some(&wanted.effective_from), &mut errors);
    let Some(effective_from) = from.filter(|_| errors.is_empty()) else {
        return Err(ApiError::invalid(errors));
    };
    let customer = customers::find(&app, &caller, &wanted.customer).await?;
    let (project, now) = (caller.project, app.clock.of_project(caller.project));
    // What is in memory is put there in the order of the commits.
    let _changing = app.assignments_changing.lock().await;
    let mut tx = app.db.begin().await?;
    stored::ensure(&mut tx, project, &subject, now).await?;
    let before = stored::assigned_at(&mut tx, project, &subject, effective_from).await?;
    if before.is_none() && stored::count_assignments(&mut tx, project).await? >= ASSIGNMENTS_MAX {
        tx.rollback().await?;
        let reason = format!("the project has as many assignments as it may have, {ASSIGNMENTS_MAX}");
        return Err(ApiError::invalid(vec![field_error("subject", reason)]));
    }
    stored::assign(&mut tx, project, (&subject, &customer.id), effective_from, now).await?;
    let made = Assignment { subject, effective_from, customer: customer.external_id, created_at: now };
    let mut change = Change::new(Some(project), &caller.actor, "subject.assigned", &made.subject);
    if let Some(before) = &before {
        change = change.before(shown(before));
    }
    audit::write(&mut tx, &app.clock, vec![change.after(shown(&made))]).await?;
    tx.commit().await?;
    app.recorder.assignments.put(project, made.clone());
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(to_api(made))))
}

fn shown(assignment: &Assignment) -> Value {
    json!({"customer": assignment.customer, "effective_from": assignment.effective_from.to_string()})
}

fn to_api(assignment: Assignment) -> ApiAssignment {
    ApiAssignment {
        subject: assignment.subject,
        customer: assignment.customer,
        effective_from: assignment.effective_from.to_string(),
        created_at: assignment.created_at.to_string(),
    }
}
