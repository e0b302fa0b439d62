//! Every route, once: what is served here is what the OpenAPI document describes.
use super::compat::{auth_billing as d, in_form_of as refuse, metering as a};
use super::error::ApiError;
use super::middleware::{authenticate, idempotency, observe, path, protect, request_id};
use super::state::App;
use super::{docs, health, metrics, openapi, v1};
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes and their description.
pub fn routes() -> (Router<App>, OpenApi) {
    let (router, described) = OpenApiRouter::with_openapi(openapi::base())
        .merge(native())
        .merge(system_a())
        .merge(system_d())
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
        .layer(axum::middleware::from_fn(caught))
        .layer(axum::middleware::from_fn(protect::layer))
        .layer(axum::middleware::from_fn_with_state(app.clone(), request_id::layer))
        .with_state(app)
}

fn native() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(v1::events::ingest::ingest, v1::events::list::list))
        .routes(routes!(v1::events::list::get, v1::events::correct::void, v1::events::correct::amend))
        .routes(routes!(v1::events::correct::history))
        .routes(routes!(v1::events::correct::void_many))
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

fn system_d() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(d::account::register))
        .routes(routes!(d::account::login))
        .routes(routes!(d::account::refresh))
        .routes(routes!(d::account::me))
        .routes(routes!(d::sessions::logout))
        .routes(routes!(d::sessions::list))
        .routes(routes!(d::sessions::revoke))
        .routes(routes!(d::recovery::verify_email))
        .routes(routes!(d::recovery::resend))
        .routes(routes!(d::recovery::request_reset))
        .routes(routes!(d::recovery::reset))
        .routes(routes!(d::recovery::change_password))
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

/// A panic is a failure of one request, told in the form of its path.
async fn caught(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(cause) => refuse(&path, ApiError::internal(told(cause.as_ref()))),
    }
}

/// What a panic said.
fn told(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<&str>().copied();
    text.or_else(|| cause.downcast_ref::<String>().map(String::as_str)).unwrap_or("a handler panicked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_panic_is_told_in_the_form_of_its_path() {
        async fn panics() -> Response {
            panic!("on purpose")
        }
        let router = Router::<()>::new().route("/usage/x", get(panics)).route("/v1/x", get(panics));
        let router = router.layer(axum::middleware::from_fn(caught));
        let shown = "the server failed; its log has the details under this request id";
        for (path, field, text) in [("/usage/x", "error", shown), ("/v1/x", "code", "internal")] {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let answer = router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(answer.status(), 500, "{path}");
            let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
            let body: Value = serde_json::from_slice(&bytes).expect("JSON");
            assert_eq!(body[field], json!(text), "{path}: {body}");
            assert_eq!(body["status"].is_null(), field == "error", "{path}: {body}");
        }
    }
}
