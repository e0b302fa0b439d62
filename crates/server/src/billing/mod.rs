//! What customers have and what it costs: catalogues, and subscriptions to what is in them.
pub mod catalog;
pub mod levels;
pub mod messages;
pub mod plans;
pub mod standing;
pub mod subscriptions;

use crate::clock::Clock;
use crate::store::Db;
use crate::webhooks::dispatcher::Waker;
use plans::Plans;
use reckoner_domain::key::PlanKey;
use standing::{StandingReader, Standings};
use subscriptions::Subscriptions;

/// What looks after what customers have. Clones share one state.
#[derive(Clone)]
pub struct Billing {
    /// What customers have, at hand.
    pub standings: Standings,
    /// Reads what customers have.
    pub standing: StandingReader,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
}

impl Billing {
    /// Over a store; customers without a subscription have the default plan, where there is one.
    pub fn new(db: &Db, clock: &Clock, waker: &Waker, default_plan: Option<PlanKey>) -> Self {
        let (plans, standings) = (Plans::default(), Standings::default());
        let store = (db.clone(), clock.clone());
        let standing = StandingReader::new(store.clone(), plans.clone(), default_plan, standings.clone());
        let subscriptions = Subscriptions::new(store, waker.clone(), plans, standings.clone());
        Self { standings, standing, subscriptions }
    }
}
