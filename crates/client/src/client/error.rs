//! What may go wrong between a client and its server.
use http::StatusCode;
use reckoner_api::error::Problem;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address, the key or a setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// Nobody took the connection, or it broke, or no answer came in time. What was sent may have arrived.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The server answered, but not with what was asked for.
    #[error("{}", shown(*.status, .problem.as_deref()))]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// What the server said about it, where that could be read.
        problem: Option<Box<Problem>>,
    },
    /// The answer is not what this client knows.
    #[error("an unexpected answer: {0}")]
    Unexpected(String),
}

impl Error {
    /// The stable code of a server's refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { problem: Some(problem), .. } => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the server is out of reach or not able to answer now, rather than of another opinion.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unexpected(_) => true,
            Self::Refused { status, .. } => is_busy(*status) || status.is_server_error(),
            Self::Setting(_) => false,
        }
    }
}

/// Whether a status says "not now".
pub(crate) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

fn shown(status: StatusCode, problem: Option<&Problem>) -> String {
    let Some(problem) = problem else { return format!("the server answered {status}") };
    let mut text = format!("the server answered {status}: {}", problem.detail);
    for error in &problem.errors {
        text.push_str(&format!("; {} {}", error.field, error.reason));
    }
    text
}
