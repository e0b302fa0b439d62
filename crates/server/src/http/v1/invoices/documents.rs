//! Invoices for people: as a page, and as PDF.
use super::{find_upcoming, read_id, wire};
use crate::documents::{DocumentError, View, page_policy};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::StoreError;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_api::error::Problem;
use reckoner_domain::id::ProjectId;
use sha2::{Digest, Sha256};

/// Bytes of the hash that an entity tag has: enough to tell two forms of one invoice apart.
const TAG_BYTES: usize = 16;
/// A browser may keep what it got, for whoever got it, and asks whether it is still so.
const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The form of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Html,
    Pdf,
}

/// Get a final invoice as a page.
///
/// It needs nothing else: no script runs, and nothing is loaded. With `If-None-Match` it is sent only if it
/// has changed.
#[utoipa::path(
    get, path = "/v1/invoices/{id}/html", operation_id = "get_invoice_page", tag = "invoices",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 304, description = "It is as `If-None-Match` knows it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn html(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = app.documents.invoice(caller.project, &read_id(&id)?).await?;
    respond(view, Form::Html, &headers).await
}

/// Get a final invoice as PDF.
///
/// The same invoice gives the same bytes as long as its status, what is set of the seller and, where it does not
/// say whom it is made out to, its customer's name stay. With `If-None-Match` it is sent only if it has changed.
#[utoipa::path(
    get, path = "/v1/invoices/{id}/pdf", operation_id = "get_invoice_pdf", tag = "invoices",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/pdf"),
        (status = 304, description = "It is as `If-None-Match` knows it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn pdf(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = app.documents.invoice(caller.project, &read_id(&id)?).await?;
    respond(view, Form::Pdf, &headers).await
}

/// Preview a subscription's next invoice as a page that says that it is a draft.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}/upcoming-invoice/html", operation_id = "preview_invoice_page", tag = "invoices",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 304, description = "It is as `If-None-Match` knows it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such subscription, or nothing is billed any more, or yet", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn upcoming_html(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond(draft(&app, caller.project, &id).await?, Form::Html, &headers).await
}

/// Preview a subscription's next invoice as PDF that says that it is a draft.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}/upcoming-invoice/pdf", operation_id = "preview_invoice_pdf", tag = "invoices",
    params(("id" = String, Path, description = "`sub_...`")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/pdf"),
        (status = 304, description = "It is as `If-None-Match` knows it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such subscription, or nothing is billed any more, or yet", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn upcoming_pdf(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond(draft(&app, caller.project, &id).await?, Form::Pdf, &headers).await
}

async fn draft(app: &App, project: ProjectId, id: &str) -> Result<View, ApiError> {
    let (subscription, upcoming) = find_upcoming(app, project, id).await?;
    let period = wire::period_of(&upcoming);
    let draft = upcoming.draft.ok_or_else(|| ApiError::not_found("invoice"))?;
    Ok(app.documents.draft((project, &subscription.customer), &draft, period).await?)
}

async fn respond(view: View, form: Form, asked: &HeaderMap) -> Result<Response, ApiError> {
    let (kind, way, ending) = match form {
        Form::Html => ("text/html; charset=utf-8", "inline", "html"),
        Form::Pdf => ("application/pdf", "attachment", "pdf"),
    };
    // The name is a number or a word of ours: nothing that a header could not hold.
    let place = format!("{way}; filename=\"{}.{ending}\"", view.file_name);
    let bytes = match form {
        Form::Html => view.to_html()?.into_bytes(),
        Form::Pdf => view.into_pdf().await?,
    };
    let tag = tag_of(&bytes);
    let mut response = if is_known(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, place.as_str())], bytes).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHING);
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).map_err(ApiError::internal)?);
    if form == Form::Html {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page_policy()));
    }
    Ok(response)
}

/// The entity tag of these bytes.
fn tag_of(bytes: &[u8]) -> String {
    let hash: String =
        Sha256::digest(bytes).iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}\"")
}

/// Whether the client has what has this tag.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let given = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

impl From<DocumentError> for ApiError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Store(StoreError::NotFound) => Self::not_found("invoice"),
            DocumentError::Store(error) => error.into(),
            DocumentError::Stopping => Self::busy(error.to_string()),
            other => Self::internal(other),
        }
    }
}
