//! What clients and the operator may ask of webhooks.
use super::dispatcher::Waker;
use super::guard::{Guard, Refused};
use super::moment;
use super::vault::{NONCE_BYTES, Purpose, Secret, Vault, VaultError};
use crate::clock::Clock;
use crate::random::{self, NoRandomness};
use crate::store::audit::OPERATOR;
use crate::store::webhook_endpoints::Moment;
use crate::store::{Db, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reckoner_domain::id::{EndpointId, ProjectId};
use reckoner_domain::webhook::SECRET_PREFIX;
use std::fmt::Display;

/// Random bytes of a generated secret (Standard Webhooks asks for 24 to 64).
const SECRET_BYTES: usize = 32;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field.
    pub field: &'static str,
    /// Why, and what is allowed.
    pub reason: String,
}

/// Why a request about webhooks is refused; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Fields that are wrong, all of them.
    #[error("invalid: {}", .0.iter().map(|one| format!("{} {}", one.field, one.reason)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    /// The project has as many endpoints as it may have.
    #[error("a project has at most {} webhook endpoints", super::endpoints::ENDPOINTS_MAX)]
    TooMany,
    /// The endpoint belongs to the operator's file, where alone this can be changed.
    #[error("the endpoint comes from the operator's configuration and is changed there")]
    OfFile,
    /// The endpoint is disabled and gets nothing.
    #[error("the endpoint is disabled: enable it first")]
    Disabled,
    /// The store refused: not found, stale, or out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No id or secret can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self { field: "url", reason: refused.to_string() }
    }
}

/// The result of a request about webhooks.
pub type Result<T> = std::result::Result<T, WebhookError>;

/// Webhooks, as the parts of the server above see them.
#[derive(Clone, Debug)]
pub struct Webhooks {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) vault: Vault,
    pub(super) guard: Guard,
    pub(super) waker: Waker,
    /// Who is written down for changes.
    pub(super) actor: String,
}

impl Webhooks {
    /// Over these parts; `waker` wakes whoever dispatches.
    pub fn new(db: Db, clock: Clock, vault: Vault, guard: Guard, waker: Waker) -> Self {
        Self { db, clock, vault, guard, waker, actor: OPERATOR.to_owned() }
    }

    /// The same in the name of somebody, who is written down for changes; otherwise the operator is.
    pub fn by(&self, actor: impl Display) -> Self {
        Self { actor: actor.to_string(), ..self.clone() }
    }

    /// Wakes the dispatcher after messages were stored by others.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn now(&self, project: ProjectId) -> Moment {
        moment(&self.clock, project)
    }

    pub(super) fn id_bits(&self) -> Result<u128> {
        Ok(random::id_bits(self.clock.real())?)
    }

    pub(super) fn seal(&self, owner: &EndpointId, secret: &Secret) -> Result<String> {
        let nonce = random::bytes::<NONCE_BYTES>()?;
        Ok(self.vault.seal(Purpose::WebhookSecret, owner.as_str(), secret, nonce)?)
    }

    pub(super) fn open(&self, owner: &EndpointId, sealed: &str) -> Result<Secret> {
        Ok(self.vault.open(Purpose::WebhookSecret, owner.as_str(), sealed)?)
    }
}

/// A new secret: `whsec_` and base 64 of random bytes.
pub(super) fn generate_secret() -> Result<Secret> {
    let bytes = random::bytes::<SECRET_BYTES>()?;
    Ok(Secret::new(format!("{SECRET_PREFIX}{}", BASE64.encode(bytes))))
}
