//! Stripe: customers, checkout and portal pages, invoice items and invoices, and what its events tell.
mod account;
mod amount;
mod charges;
mod client;
mod error;
mod event;
mod facts;
mod reconcile;
mod record;
mod signature;

pub use account::Account;
pub use error::CallError;
pub use event::{Event, Payment, Told};
pub use facts::{Fact, Facts, Standing, Target};
pub use reconcile::Looked;
pub use signature::{BadSignature, TOLERANCE_S};

use super::{Collectible, Declined, Provider};
use crate::clock::Clock;
use crate::config;
use crate::store::projects::{LIVE, TEST};
use crate::store::{Db, subscriptions};
use futures_util::future::{BoxFuture, FutureExt};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// The accounts there are.
pub struct Stripe {
    db: Db,
    accounts: Vec<Account>,
}

impl Stripe {
    /// Over a store; without any account where none is configured. An invoice that is sent to a customer is
    /// to be paid within so many days.
    pub fn new(
        db: &Db,
        clock: &Clock,
        settings: &config::Stripe,
        payment_days: u64,
    ) -> Result<Self, reqwest::Error> {
        let mut accounts = Vec::new();
        for (project, of) in [(LIVE, &settings.live), (TEST, &settings.test)] {
            if let Some(of) = of {
                accounts.push(Account::new(project, settings, of, (clock, payment_days))?);
            }
        }
        Ok(Self { db: db.clone(), accounts })
    }

    /// The account of a project.
    pub fn account(&self, project: ProjectId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.project() == project)
    }

    /// Every account.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account that an event is of, by the secret that its raw body is signed with.
    pub fn account_of(&self, body: &[u8], header: &str, now: Timestamp) -> Result<&Account, BadSignature> {
        let is_of = |account: &&Account| {
            let secrets = account.webhook_secrets.iter().map(config::Secret::expose);
            signature::verify(body, header, secrets, now.as_seconds()).is_ok()
        };
        if let Some(account) = self.accounts.iter().find(is_of) {
            return Ok(account);
        }
        // Why not: as it is with all secrets together.
        let secrets = self.accounts.iter().flat_map(|account| &account.webhook_secrets);
        let verdict = signature::verify(body, header, secrets.map(config::Secret::expose), now.as_seconds());
        Err(verdict.err().unwrap_or(BadSignature::Wrong))
    }

    /// Whether events can be taken at all.
    pub fn takes_events(&self) -> bool {
        self.accounts.iter().any(|account| !account.webhook_secrets.is_empty())
    }
}

impl Provider for Stripe {
    fn collect<'a>(&'a self, charge: &'a Collectible) -> BoxFuture<'a, Result<String, Declined>> {
        async move {
            let account = self.account(charge.project).ok_or(CallError::NotConfigured)?;
            Ok(account.send(&self.db, charge).await?)
        }
        .boxed()
    }

    fn serves(&self, project: ProjectId) -> bool {
        self.account(project).is_some()
    }

    fn finish(&self, project: ProjectId, now: Timestamp) -> BoxFuture<'_, Vec<(String, Declined)>> {
        async move {
            let Some(account) = self.account(project) else { return Vec::new() };
            match account.finalize(&self.db, now).await {
                Ok(failed) => {
                    let mut told = Vec::new();
                    for (draft, error) in failed {
                        let found = subscriptions::get(&self.db, project, &draft.subscription).await;
                        let whose = found.map_or_else(|_| draft.customer, |found| found.external_id);
                        told.push((whose, error.into()));
                    }
                    told
                }
                Err(error) => vec![(String::new(), error.into())],
            }
        }
        .boxed()
    }
}
