//! How a command ends when it does not end well.
use std::io;

/// Exit code of a command that did what was asked.
pub const EXIT_OK: u8 = 0;
/// Exit code of a command that failed, wholly or in part.
pub const EXIT_FAILED: u8 = 1;
/// Exit code of a command that was called wrongly; clap uses the same.
pub const EXIT_USAGE: u8 = 2;

/// Why a command did not do all that was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments or the input make no sense; nothing was done.
    #[error("{0}")]
    Usage(String),
    /// Something went wrong on the way.
    #[error("{0}")]
    Failed(String),
    /// Part of the work failed and the command's own report has said so.
    #[error("not everything succeeded")]
    Reported,
    /// Whoever read the output went away; no reason to complain.
    #[error("the output was closed")]
    Closed,
}

impl CliError {
    /// A failure with this text.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// A wrong call with this text.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// The exit code that tells this error to scripts.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::Failed(_) | Self::Reported => EXIT_FAILED,
            Self::Closed => EXIT_OK,
        }
    }

    /// Whether the error has something to say on standard error.
    pub fn speaks(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Failed(_))
    }
}

/// Errors of writing the output; reading is described where it happens.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}
