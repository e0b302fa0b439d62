//! Every route, once: what is served here is what the OpenAPI document describes.
use super::compat::metering as a;
use super::error::ApiError;
use super::middleware::{authenticate, idempotency, observe, path, protect, request_id};
use super::state::App;
use super::{docs, health, metrics, openapi, v1};
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes and their description.
pub fn routes() -> (Router<App>, OpenApi) {
    let (router, described) = OpenApiRouter::with_openapi(openapi::base())
        .merge(native())
        .merge(system_a())
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(docs::page))
        .routes(routes!(docs::document))
        .split_for_parts();
    (router, described)
}

/// The whole service, ready to be served.
pub fn service(app: App) -> Router {
    let (router, _) = routes();
    router
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), idempotency::layer))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), authenticate::layer))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn(path::layer))
        .layer(axum::middleware::from_fn(uniform))
        .layer(axum::middleware::from_fn(observe::layer))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn(protect::layer))
        .layer(axum::middleware::from_fn_with_state(app.clone(), request_id::layer))
        .with_state(app)
}

fn native() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(v1::events::ingest::ingest, v1::events::list::list))
        .routes(routes!(v1::events::list::get))
        .routes(routes!(v1::rejected_events::list))
        .routes(routes!(v1::meters::list, v1::meters::create))
        .routes(routes!(v1::meters::get, v1::meters::archive))
        .routes(routes!(v1::meters::versions))
        .routes(routes!(v1::usage::get, v1::usage::post))
        .routes(routes!(v1::customers::list, v1::customers::create))
        .routes(routes!(v1::customers::get, v1::customers::update))
        .routes(routes!(v1::aggregations::list))
        .routes(routes!(v1::aggregations::get))
        .routes(routes!(v1::aggregation_import::import))
        .routes(routes!(v1::jobs::list))
        .routes(routes!(v1::webhook_endpoints::list, v1::webhook_endpoints::create))
        .routes(routes!(
            v1::webhook_endpoints::get,
            v1::webhook_endpoints::update,
            v1::webhook_endpoints::delete
        ))
        .routes(routes!(v1::webhook_endpoints::rotate))
        .routes(routes!(v1::webhook_endpoints::ping))
        .routes(routes!(v1::webhook_endpoints::replay))
        .routes(routes!(v1::webhook_deliveries::list))
        .routes(routes!(v1::webhook_deliveries::get))
        .routes(routes!(v1::webhook_deliveries::attempts))
        .routes(routes!(v1::webhook_deliveries::resend))
        .routes(routes!(v1::api_keys::list, v1::api_keys::create))
        .routes(routes!(v1::api_keys::revoke))
        .routes(routes!(v1::test_clock::get, v1::test_clock::put, v1::test_clock::release))
        .routes(routes!(v1::test_clock::advance))
        .routes(routes!(v1::clear::clear))
}

fn system_a() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(a::index::index))
        .routes(routes!(a::index::ping))
        .routes(routes!(a::index::config))
        .routes(routes!(a::single::capture))
        .routes(routes!(a::batch::capture))
        .routes(routes!(a::read::events))
        .routes(routes!(a::read::aggregations))
        .routes(routes!(a::trigger::trigger))
}

/// Refusals that were made before any handler or extractor of ours, such as a path that is no
/// UTF-8, look like the others.
async fn uniform(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = kind.is_some_and(|kind| kind.starts_with("text/plain"));
    if plain && response.status().is_client_error() {
        refuse(&path, ApiError::malformed("the path or its parameters cannot be read"))
    } else {
        response
    }
}

/// 404, in the form of the path.
pub async fn not_found(request: Request) -> Response {
    refuse(request.uri().path(), ApiError::not_found("path"))
}

async fn method_not_allowed(request: Request) -> Response {
    refuse(request.uri().path(), ApiError::method_not_allowed())
}

fn refuse(path: &str, error: ApiError) -> Response {
    if path == "/v1" || path.starts_with("/v1/") {
        error.into_response()
    } else {
        super::compat::refusal(&error)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the cause over")]
fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| cause.downcast_ref::<String>().cloned());
    ApiError::internal(text.unwrap_or_else(|| "a handler panicked".to_owned())).into_response()
}
