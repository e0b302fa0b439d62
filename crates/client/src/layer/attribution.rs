//! Who a request is by.
use reckoner_api::event::SourceContext;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Most bytes of a customer, a subject and a user.
const NAME_BYTES_MAX: usize = 255;

/// Who a request is by, and where it arose.
#[derive(Clone, Debug, Default)]
pub struct Attribution {
    pub(super) customer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) user: Option<String>,
    pub(super) source: Option<SourceContext>,
    pub(super) key: Option<Credential>,
    pub(super) address: Option<IpAddr>,
}

/// What tells keys apart; not the key itself, and not shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Credential([u8; 32]);

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Attribution {
    /// Nobody: the request goes to the system customer and is not limited.
    pub fn none() -> Self {
        Self::default()
    }

    /// This customer, by its own id. An id that no customer can have (none, or more than 255 bytes) is nobody.
    pub fn customer(id: impl Into<String>) -> Self {
        Self { customer: usable(id.into()), ..Self::default() }
    }

    /// The workspace, project, user or key of the customer that used it.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = usable(subject.into());
        self
    }

    /// The user whose requests have ids of their own; without this the subject, or else the customer.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = usable(user.into());
        self
    }

    /// Where the usage arose.
    pub fn source(mut self, source: SourceContext) -> Self {
        self.source = Some(source);
        self
    }

    /// The API key or other credential that the request came with, for [rate limits](crate::RateLimits::per_key) only: a
    /// hash of it is kept in memory, and nothing of it is recorded.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(Credential(Sha256::digest(key.as_ref()).into()));
        self
    }

    /// The client's address, for [rate limits](crate::RateLimits::per_address) only. Without this that of axum's
    /// `ConnectInfo`, where there is one (feature `axum`): the address of the connection, which behind a proxy is the
    /// proxy's.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Whether a customer is known.
    pub fn is_known(&self) -> bool {
        self.customer.is_some()
    }
}

fn usable(name: String) -> Option<String> {
    let good = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    good.then_some(name)
}
