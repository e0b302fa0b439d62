//! Payment providers: they collect what others are billed for.
mod ledger;

pub use ledger::Ledger;

use futures_util::future::BoxFuture;
use reckoner_domain::money::Money;
use reckoner_domain::window::Window;

/// What is to be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collectible {
    /// The same for every attempt: a provider that has seen it takes nothing again.
    pub idempotency_key: String,
    /// The customer's own id.
    pub customer: String,
    /// How much.
    pub amount: Money,
    /// What it says to the customer.
    pub description: String,
    /// The time that is charged for.
    pub period: Window,
}

/// Why a provider did not take a charge; nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Declined(pub String);

/// Collects charges.
pub trait Provider: Send + Sync {
    /// Takes a charge once for its key, however often it is asked; answers what the provider calls it.
    fn collect<'a>(&'a self, charge: &'a Collectible) -> BoxFuture<'a, Result<String, Declined>>;
}
