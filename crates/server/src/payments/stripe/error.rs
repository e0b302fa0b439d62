//! Why Stripe did not do what was asked; nothing secret.
use crate::payments::Declined;
use crate::store::StoreError;

/// Most characters of what Stripe says that are kept.
const TEXT_CHARS_MAX: usize = 300;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Stripe looked at the request and refused it: nothing was made.
    #[error("Stripe refused: {message} ({})", .code.as_deref().unwrap_or("no code"))]
    Refused {
        /// Stripe's word for why.
        code: Option<String>,
        /// What it says of that.
        message: String,
    },
    /// There was no answer that tells whether anything was made.
    #[error("Stripe did not answer: {0}")]
    Unanswered(String),
    /// Stripe does not take the key, which concerns every call: nothing was made.
    #[error("Stripe does not take the key: {0}")]
    Key(String),
    /// The project has no account.
    #[error("Stripe is not configured for this project")]
    NotConfigured,
    /// Stripe does not take the currency, or not so much.
    #[error("{0}")]
    Amount(String),
    /// What Stripe answered is not what its documents say.
    #[error("Stripe answered what cannot be read: {0}")]
    Unreadable(String),
    /// The control plane failed.
    #[error("the control plane failed")]
    Store(#[from] StoreError),
}

impl CallError {
    /// Whether it is known that nothing was made.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Key(_))
    }
}

impl From<CallError> for Declined {
    fn from(error: CallError) -> Self {
        if let CallError::Store(cause) = &error {
            tracing::error!(error = %cause, "the control plane failed beside a call of Stripe");
        }
        match error {
            CallError::Refused { .. } | CallError::Amount(_) | CallError::NotConfigured => {
                Self::charge(error.to_string())
            }
            _ => Self::passing(error.to_string()),
        }
    }
}

/// A text of somebody else's, fit to be kept: of bounded length, one line, without the key.
pub fn shown(text: &str, secret: &str) -> String {
    let text = text.replace(secret, "***");
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}
