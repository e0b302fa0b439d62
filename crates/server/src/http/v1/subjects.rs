//! `/v1/subjects`: names that are shown for subjects.
use crate::auth::caller::Caller;
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::ingest::draft::text_fault;
use crate::store::StoreError;
use crate::store::audit::{self, Change};
use crate::store::subjects::{self, Subject};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::{List, PageParams};
use reckoner_api::subject::{NewSubject, Subject as ApiSubject, SubjectChange};
use reckoner_domain::event::SUBJECT_BYTES_MAX;
use serde_json::json;

/// Most bytes of a name shown.
const NAME_BYTES_MAX: usize = 255;

/// List subjects that have a name or were assigned, by name.
#[utoipa::path(
    get, path = "/v1/subjects", operation_id = "list_subjects", tag = "customers", params(PageParams),
    responses(
        (status = 200, body = List<ApiSubject>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiSubject>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = subjects::list(&app.db, caller.project, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, |subject| to_api(&app, &caller, subject))))
}

/// Make a subject, to have a name shown for it. Events need not wait for that.
#[utoipa::path(
    post, path = "/v1/subjects", operation_id = "create_subject", tag = "customers", request_body = NewSubject,
    responses(
        (status = 201, body = ApiSubject),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is one of that name", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewSubject>,
) -> Result<(StatusCode, Json<ApiSubject>), ApiError> {
    let mut errors = Vec::new();
    check_subject(&new.subject, &mut errors);
    check_name(new.display_name.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let created_at = app.clock.of_project(caller.project);
    let subject = Subject { subject: new.subject, display_name: new.display_name, created_at };
    let mut tx = app.db.begin().await?;
    subjects::create(&mut tx, caller.project, &subject).await?;
    let change = change(&caller, "subject.created", &subject.subject).after(shown(&subject));
    audit::write(&mut tx, &app.clock, vec![change]).await?;
    tx.commit().await?;
    app.recorder.names.forget(caller.project, &subject.subject);
    Ok((StatusCode::CREATED, Json(to_api(&app, &caller, subject))))
}

/// Get a subject.
#[utoipa::path(
    get, path = "/v1/subjects/{subject}", operation_id = "get_subject", tag = "customers",
    params(("subject" = String, Path, description = "The subject, percent-encoded.")),
    responses(
        (status = 200, body = ApiSubject),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(subject): Path<String>,
) -> Result<Json<ApiSubject>, ApiError> {
    Ok(Json(to_api(&app, &caller, find(&app, &caller, &subject).await?)))
}

/// Change the name shown for a subject.
#[utoipa::path(
    patch, path = "/v1/subjects/{subject}", operation_id = "update_subject", tag = "customers", request_body = SubjectChange,
    params(("subject" = String, Path, description = "The subject, percent-encoded.")),
    responses(
        (status = 200, body = ApiSubject),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn update(
    State(app): State<App>,
    By(caller): By,
    Path(subject): Path<String>,
    JsonBody(wanted): JsonBody<SubjectChange>,
) -> Result<Json<ApiSubject>, ApiError> {
    let before = find(&app, &caller, &subject).await?;
    let mut errors = Vec::new();
    check_name(wanted.display_name.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let after = Subject { display_name: wanted.display_name, ..before.clone() };
    let mut tx = app.db.begin().await?;
    subjects::rename(&mut tx, caller.project, &subject, after.display_name.as_deref()).await?;
    let change = change(&caller, "subject.updated", &subject).before(shown(&before)).after(shown(&after));
    audit::write(&mut tx, &app.clock, vec![change]).await?;
    tx.commit().await?;
    app.recorder.names.forget(caller.project, &subject);
    Ok(Json(to_api(&app, &caller, after)))
}

/// The subject of this name.
pub async fn find(app: &App, caller: &Caller, subject: &str) -> Result<Subject, ApiError> {
    let found = subjects::get(&app.db, caller.project, subject).await;
    found.map_err(|error| match error {
        StoreError::NotFound => ApiError::not_found("subject"),
        error => error.into(),
    })
}

/// Notes what is wrong with a subject's own name.
pub fn check_subject(subject: &str, errors: &mut Vec<FieldError>) {
    if let Some(reason) = text_fault(subject, SUBJECT_BYTES_MAX) {
        errors.push(field_error("subject", reason));
    }
}

fn check_name(name: Option<&str>, errors: &mut Vec<FieldError>) {
    if let Some(reason) = name.and_then(|name| text_fault(name, NAME_BYTES_MAX)) {
        errors.push(field_error("display_name", reason));
    }
}

fn change(caller: &Caller, action: &'static str, subject: &str) -> Change {
    Change::new(Some(caller.project), &caller.actor, action, subject)
}

fn shown(subject: &Subject) -> serde_json::Value {
    json!({"display_name": subject.display_name})
}

fn to_api(app: &App, caller: &Caller, subject: Subject) -> ApiSubject {
    let now = app.clock.of_project(caller.project);
    ApiSubject {
        customer: app.recorder.assignments.customer_of(caller.project, &subject.subject, now),
        subject: subject.subject,
        display_name: subject.display_name,
        created_at: subject.created_at.to_string(),
    }
}
