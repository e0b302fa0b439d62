//! Payment providers: they collect what others are billed for.
mod fitting;
mod ledger;
pub mod stripe;

pub use fitting::{ITEMS_MAX, Line, fitting};
pub use ledger::Ledger;

use futures_util::future::{BoxFuture, FutureExt};
use reckoner_domain::id::{CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// What is to be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collectible {
    /// The same for every attempt: a provider that has seen it takes nothing again.
    pub idempotency_key: String,
    /// The project.
    pub project: ProjectId,
    /// Who pays.
    pub customer_id: CustomerId,
    /// The customer's own id.
    pub customer: String,
    /// What is charged for: the subscription, and its place among its closings.
    pub closing: (SubscriptionId, u64),
    /// How much.
    pub amount: Money,
    /// What it says to the customer.
    pub description: String,
    /// The time that is charged for.
    pub period: Window,
}

/// Why a provider did not take a charge; nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Declined {
    /// In words.
    pub reason: String,
    /// Whether the charge had no part in it, so that it may soon be asked for again.
    pub is_passing: bool,
}

impl Declined {
    /// The charge itself was declined.
    pub fn charge(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_passing: false }
    }

    /// The provider could not be asked.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_passing: true }
    }
}

/// Collects charges.
pub trait Provider: Send + Sync {
    /// Takes a charge once for its key, however often it is asked; answers what the provider calls it.
    fn collect<'a>(&'a self, charge: &'a Collectible) -> BoxFuture<'a, Result<String, Declined>>;

    /// Whether it collects for a project.
    fn serves(&self, _project: ProjectId) -> bool {
        true
    }

    /// Bills what was taken of closings that are taken whole by now and that nothing else bills; answers the
    /// own ids of customers for whom that failed, with the reasons.
    fn finish(&self, _project: ProjectId, _now: Timestamp) -> BoxFuture<'_, Vec<(String, Declined)>> {
        async { Vec::new() }.boxed()
    }
}
