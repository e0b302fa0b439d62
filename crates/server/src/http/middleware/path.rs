//! Paths that no object can have: they name nothing, and end here.
use crate::http::router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::percent_decode_str;

/// Answers 404 to a path that is no UTF-8 or holds a NUL, which the databases do not store alike.
pub async fn layer(request: Request, next: Next) -> Response {
    if is_text(request.uri().path()) { next.run(request).await } else { router::not_found(request).await }
}

fn is_text(path: &str) -> bool {
    !path.contains('%') || percent_decode_str(path).decode_utf8().is_ok_and(|decoded| !decoded.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_pass() {
        for good in ["/", "/v1/customers/a%2Fb", "/v1/customers/%C3%BC", "/v1/customers/100%"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["/v1/customers/%FF", "/v1/customers/a%00b", "/v1/customers/%ED%A0%80"] {
            assert!(!is_text(bad), "{bad}");
        }
    }
}
