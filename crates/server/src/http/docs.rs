//! The reference: the OpenAPI document and a page that shows it without asking anyone else.
use super::openapi;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use std::sync::LazyLock;

const PAGE: &str = include_str!("docs.html");
/// The page may run its own script and ask this server for the document, nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Both change with the program only; a browser asks whether they did.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// The API reference, as a page.
#[utoipa::path(get, path = "/docs", operation_id = "get_reference_page", tag = "about", responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
pub async fn page() -> Response {
    let mut response = Html(PAGE).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, CACHING);
    response
}

/// The API reference, as OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", operation_id = "get_openapi_document", tag = "about", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn document() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(openapi::text);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, CACHING),
    ];
    (headers, TEXT.as_str()).into_response()
}
