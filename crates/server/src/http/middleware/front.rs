//! All that every request passes through before its route, in one layer: each layer of its own would
//! cost a boxed future and a copy of the service behind it.
use super::observe::Begun;
use super::{cors, path, protect, request_id};
use crate::http::compat::in_form_of as refuse;
use crate::http::error::ApiError;
use crate::http::own_traffic;
use crate::http::router;
use crate::http::state::App;
use axum::extract::{Request, State};
use axum::http::{Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;

/// Names a request, answers it whatever happens on the way, and counts and times it.
pub async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = request_id::of(&app, &request);
    let header = request_id::header(&id);
    let (request, meter) = own_traffic::begin(&app, request, &id);
    let begun = Begun::new(&request);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let origin = cors::allowed(&app, request.headers());
    let preflight = origin.as_ref().and_then(|_| cors::preflight(&request));
    let answer = async move {
        let routed = async {
            if let Some(answer) = preflight {
                answer
            } else if path::is_text(request.uri().path()) {
                next.run(request).await
            } else {
                router::not_found(request).await
            }
        };
        let response = uniform((&method, &uri), caught((&method, &uri), routed).await);
        begun.end(&response);
        own_traffic::answer(meter, response)
    };
    let mut response = request_id::with(id, answer).await;
    protect::protect(response.headers_mut(), app.accounts.cookies.is_secure());
    cors::tell(&app, response.headers_mut(), origin);
    if let Some(header) = header {
        response.headers_mut().insert(request_id::HEADER, header);
    }
    response
}

/// A panic is a failure of one request, told in the form of its path.
async fn caught((method, uri): (&Method, &Uri), answer: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(cause) => refuse(method.as_str(), uri.path(), ApiError::internal(told(cause.as_ref()))),
    }
}

/// Refusals that were made before any handler or extractor of ours, such as a path that is no
/// UTF-8, look like the others.
fn uniform((method, uri): (&Method, &Uri), response: Response) -> Response {
    if !response.status().is_client_error() {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/plain")) {
        refuse(method.as_str(), uri.path(), ApiError::malformed("the path or its parameters cannot be read"))
    } else {
        response
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
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn a_panic_is_told_in_the_form_of_its_path() {
        let shown = "the server failed; its log has the details under this request id";
        for (path, field, text) in [("/usage/x", "error", shown), ("/v1/x", "code", "internal")] {
            let answer =
                caught((&Method::POST, &Uri::from_static(path)), async { panic!("on purpose") }).await;
            assert_eq!(answer.status(), 500, "{path}");
            let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
            let body: Value = serde_json::from_slice(&bytes).expect("JSON");
            assert_eq!(body[field], json!(text), "{path}: {body}");
            assert_eq!(body["status"].is_null(), field == "error", "{path}: {body}");
        }
    }
}
