//! What customers have and what it costs: catalogues, and subscriptions to what is in them.
pub mod catalog;
pub mod messages;
pub mod plans;
pub mod standing;
pub mod subscriptions;
pub mod tier;
pub mod trials;

use crate::clock::Clock;
use crate::config;
use crate::store::Db;
use crate::webhooks::dispatcher::Waker;
use plans::Plans;
use standing::{StandingReader, Standings};
use std::fmt;
use subscriptions::Subscriptions;
use trials::Trials;

/// What looks after what customers have. Clones share one state.
#[derive(Clone)]
pub struct Billing {
    /// What customers have, at hand.
    pub standings: Standings,
    /// Reads what customers have.
    pub standing: StandingReader,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
    /// Trials of those who register.
    pub trials: Trials,
}

impl fmt::Debug for Billing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Billing").finish_non_exhaustive()
    }
}

impl Billing {
    /// Over a store, with the plans that the operator named.
    pub fn new(db: &Db, clock: &Clock, waker: &Waker, config: &config::Billing) -> Self {
        let (plans, standings) = (Plans::default(), Standings::default());
        let store = (db.clone(), clock.clone());
        let default_plan = config.default_plan.clone();
        let standing = StandingReader::new(store.clone(), plans.clone(), default_plan, standings.clone());
        let subscriptions = Subscriptions::new(store.clone(), waker.clone(), plans, standings.clone());
        let trials = Trials::new(store, subscriptions.clone(), standing.clone(), config);
        Self { standings, standing, subscriptions, trials }
    }
}
