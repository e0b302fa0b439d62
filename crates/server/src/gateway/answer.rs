//! What the gateway says where the application says nothing: problem details.
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use reckoner_client::wire::error::Problem;

/// Why there is no answer of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It takes no connection.
    Unreachable,
    /// It takes no connection in time.
    ConnectTimeout,
    /// Its answer does not begin in time.
    AnswerTimeout,
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// The caller's own body ended early or paused for too long.
    Caller,
    /// A method that is for other kinds of proxies.
    Method,
}

impl Failure {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::AnswerTimeout,
        Self::Broken,
        Self::Caller,
        Self::Method,
    ];

    /// What the application did not do, where it is the one.
    pub fn of_application(self) -> Option<&'static str> {
        match self {
            Self::Unreachable => Some("unreachable"),
            Self::ConnectTimeout => Some("connect_timeout"),
            Self::AnswerTimeout => Some("answer_timeout"),
            Self::Broken => Some("broken"),
            Self::Caller | Self::Method => None,
        }
    }

    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unreachable => {
                (StatusCode::BAD_GATEWAY, "upstream_unreachable", "The application takes no connection.")
            }
            Self::ConnectTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The application took no connection in time.",
            ),
            Self::AnswerTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", "The application did not answer in time.")
            }
            Self::Broken => {
                (StatusCode::BAD_GATEWAY, "upstream_broken", "The application broke off before it answered.")
            }
            Self::Caller => {
                (StatusCode::BAD_REQUEST, "malformed", "The body ended early or paused for too long.")
            }
            Self::Method => {
                (StatusCode::NOT_IMPLEMENTED, "method_not_allowed", "This proxy makes no tunnels.")
            }
        }
    }

    /// The answer, which names the request.
    pub fn response(self, request_id: &str) -> Response<Full<Bytes>> {
        let (status, code, detail) = self.parts();
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.to_owned(),
            code: code.to_owned(),
            request_id: request_id.to_owned(),
            errors: Vec::new(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
