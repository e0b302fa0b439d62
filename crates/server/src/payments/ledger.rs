//! A provider that only writes down what it took, in memory: it stands in for one that moves money.
use super::{Collectible, Declined, Provider};
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// What was collected, by key.
#[derive(Debug, Default)]
pub struct Ledger {
    taken: Mutex<BTreeMap<String, Collectible>>,
    declines: Mutex<BTreeSet<String>>,
}

impl Ledger {
    /// Declines whatever this customer is charged, or takes it again.
    pub fn set_declines(&self, customer: &str, declines: bool) {
        let mut all = self.declines.lock();
        if declines {
            all.insert(customer.to_owned());
        } else {
            all.remove(customer);
        }
    }

    /// Everything that was taken, by key.
    pub fn taken(&self) -> Vec<Collectible> {
        self.taken.lock().values().cloned().collect()
    }
}

impl Provider for Ledger {
    fn collect<'a>(&'a self, charge: &'a Collectible) -> BoxFuture<'a, Result<String, Declined>> {
        async move {
            if self.declines.lock().contains(&charge.customer) {
                return Err(Declined::charge("the customer's card was declined"));
            }
            let mut taken = self.taken.lock();
            taken.entry(charge.idempotency_key.clone()).or_insert_with(|| charge.clone());
            Ok(format!("ledger_{}", charge.idempotency_key))
        }
        .boxed()
    }
}
