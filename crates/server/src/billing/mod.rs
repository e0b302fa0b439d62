//! What customers have and what it costs: catalogues, and subscriptions to what is in them.
pub mod catalog;
pub mod debts;
pub mod invoicing;
pub mod levels;
pub mod messages;
pub mod moves;
pub mod plans;
mod recipients;
mod reminders;
pub mod revenue;
pub mod standing;
pub mod stripe;
pub mod subscriptions;
pub mod tier;
pub mod trials;
pub mod wallet;
mod zones;

use crate::clock::Clock;
use crate::config;
use crate::ingest::record::Recorder;
use crate::mail::Mailer;
use crate::payments::Provider;
use crate::payments::stripe::Stripe;
use crate::store::Db;
use crate::webhooks::dispatcher::Waker;
use debts::Debts;
use invoicing::{Invoicing, Terms};
use moves::Moves;
use plans::Plans;
use reckoner_domain::time::{DAY, MINUTE};
use revenue::Revenues;
use standing::{StandingReader, Standings};
use std::fmt;
use std::sync::Arc;
use stripe::StripeEvents;
use subscriptions::Subscriptions;
use trials::Trials;
use wallet::Wallets;

/// What looks after what customers have. Clones share one state.
#[derive(Clone)]
pub struct Billing {
    /// What customers have, at hand.
    pub standings: Standings,
    /// Reads what customers have.
    pub standing: StandingReader,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
    /// Invoices.
    pub invoicing: Invoicing,
    /// Monthly recurring revenue.
    pub revenues: Revenues,
    /// Customers that owe.
    pub debts: Debts,
    /// Prepaid credit.
    pub wallets: Wallets,
    /// Trials of those who register.
    pub trials: Trials,
    /// What Stripe tells; none where it is not asked.
    pub stripe: Option<StripeEvents>,
}

impl fmt::Debug for Billing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Billing").finish_non_exhaustive()
    }
}

impl Billing {
    /// Over a store and the events. What a provider collects waits while there is none.
    pub fn new(
        (db, clock): (&Db, &Clock),
        recorder: &Recorder,
        (waker, mailer): (&Waker, &Mailer),
        settings: &config::Billing,
        provider: Option<Arc<dyn Provider>>,
    ) -> Self {
        let (plans, standings) = (Plans::default(), Standings::default());
        let store = || (db.clone(), clock.clone());
        let default_plan = settings.default_plan.clone();
        let standing = StandingReader::new(store(), plans.clone(), default_plan, standings.clone());
        let terms = Terms {
            grace_micros: micros(settings.grace_minutes, MINUTE),
            payment_micros: micros(settings.payment_days, DAY),
        };
        let debts = Debts {
            db: db.clone(),
            clock: clock.clone(),
            standings: standings.clone(),
            waker: waker.clone(),
            mailer: mailer.clone(),
        };
        let subscriptions = Subscriptions::new(store(), debts.clone(), plans.clone(), terms);
        let trials = Trials::new(store(), subscriptions.clone(), settings);
        let (plans_of, watched) = (plans.clone(), recorder.watched.clone());
        let wallets = Wallets { db: db.clone(), clock: clock.clone(), plans: plans_of, watched };
        let revenues = Revenues { db: db.clone(), clock: clock.clone(), plans: plans.clone() };
        let invoicing = Invoicing {
            db: db.clone(),
            clock: clock.clone(),
            events: recorder.events(),
            catalogues: recorder.catalogues.clone(),
            plans,
            subscriptions: subscriptions.clone(),
            debts: debts.clone(),
            mailer: settings.invoice_mails.then(|| mailer.clone()),
            seller: settings.seller.name.clone(),
            terms,
            provider,
        };
        Self { standings, standing, subscriptions, invoicing, revenues, debts, wallets, trials, stripe: None }
    }

    /// What moves many subscriptions to another plan.
    pub fn moves(&self) -> Moves<'_> {
        Moves { subscriptions: &self.subscriptions, invoicing: &self.invoicing }
    }

    /// The same with Stripe, which collects where it has an account, and tells.
    pub fn with_stripe(mut self, stripe: Stripe, settings: &config::Billing) -> Self {
        let stripe = Arc::new(stripe);
        let provider: Arc<dyn Provider> = Arc::<Stripe>::clone(&stripe);
        self.stripe = Some(StripeEvents {
            db: self.invoicing.db.clone(),
            clock: self.invoicing.clock.clone(),
            subscriptions: self.subscriptions.clone(),
            end_plan: settings.trial_end_plan(),
            stripe,
        });
        self.invoicing.provider = Some(provider);
        self
    }
}

/// A number of settings, which is bounded there, in microseconds.
fn micros(number: u64, unit: i64) -> i64 {
    i64::try_from(number).unwrap_or(0).saturating_mul(unit)
}
