//! Where mails go: to a server, or into files.
use super::message::Letter;
use super::outbox::Outbox;
use super::smtp::Smtp;
use crate::config::Mail;
use lettre::message::Mailbox;
use std::path::Path;

/// Why mail cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// TLS cannot be set up.
    #[error("mail.smtp_host: {0}")]
    Tls(#[from] lettre::transport::smtp::Error),
    /// The sender is no address.
    #[error("mail.from: {0}")]
    From(#[from] lettre::address::AddressError),
    /// The outbox cannot be made.
    #[error("the outbox {path}: {source}")]
    Outbox {
        /// Its directory.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Why a mail was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// In words, without control characters.
    pub reason: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

/// Most characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 300;

impl SendError {
    /// An error that passes or not.
    pub fn new(reason: &str, is_final: bool) -> Self {
        let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX);
        Self { reason: reason.collect(), is_final }
    }
}

/// Where mails go.
#[derive(Debug)]
pub struct Transport {
    from: Mailbox,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Smtp(Smtp),
    Files(Outbox),
}

impl Transport {
    /// SMTP where a server is configured, files under `outbox` otherwise.
    pub fn new(config: &Mail, outbox: &Path) -> Result<Self, TransportError> {
        let from = config.from.parse()?;
        let way = match &config.smtp {
            Some(smtp) => Way::Smtp(Smtp::new(smtp)?),
            None => {
                let made = Outbox::open(outbox.to_owned());
                let path = outbox.display().to_string();
                Way::Files(made.map_err(|source| TransportError::Outbox { path, source })?)
            }
        };
        Ok(Self { from, way })
    }

    /// Whom mails are from.
    pub fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Sends one.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        match &self.way {
            Way::Smtp(smtp) => smtp.send(letter).await,
            Way::Files(outbox) => outbox.put(letter).await,
        }
    }
}
