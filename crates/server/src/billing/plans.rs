//! Versions of plans, at hand: what a version says never changes.
use crate::store::catalog::{self, Stored};
use crate::store::customers::{self, Customer};
use crate::store::{Exec, StoreError, Tx, subscriptions, wallets};
use parking_lot::RwLock;
use reckoner_domain::currency::Currency;
use reckoner_domain::id::ProjectId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::plan::Plan;
use reckoner_domain::wallet::Account;
use std::collections::HashMap;
use std::sync::Arc;

/// Most versions kept at hand.
const VERSIONS_MAX: usize = 10_000;

/// Versions that were read before. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Plans(Arc<RwLock<HashMap<Version, Arc<Plan>>>>);

type Version = (ProjectId, PlanKey, u32);

impl Plans {
    /// A version of a plan; [`StoreError::NotFound`] where there is none.
    pub async fn get(
        &self,
        on: impl Exec,
        project: ProjectId,
        key: &PlanKey,
        version: u32,
    ) -> Result<Arc<Plan>, StoreError> {
        let name = (project, key.clone(), version);
        if let Some(known) = self.0.read().get(&name) {
            return Ok(Arc::clone(known));
        }
        let Stored { entry, .. } = catalog::get::<Plan>(on, project, key.as_str(), version).await?;
        let plan = Arc::new(entry);
        let mut known = self.0.write();
        if known.len() >= VERSIONS_MAX {
            known.clear();
        }
        known.insert(name, Arc::clone(&plan));
        Ok(plan)
    }

    /// The currency that a customer has for ever, by its last subscription or its wallet; `None` while it
    /// has neither. The customer is held, so that nobody gives it another one meanwhile.
    pub async fn currency_of(
        &self,
        tx: &mut Tx,
        customer: &Customer,
    ) -> Result<Option<Currency>, StoreError> {
        let project = customer.project;
        customers::lock(tx, project, &customer.id).await?;
        if let Some(last) = subscriptions::last_of(&mut *tx, project, &customer.external_id).await? {
            let (key, version) = (&last.subscription.plan, last.subscription.plan_version);
            return Ok(Some(self.get(tx, project, key, version).await?.currency));
        }
        let wallet = wallets::get(tx, project, &customer.id).await?;
        Ok(wallet.map(|stored| stored.wallet.balance(Account::Available).currency()))
    }
}
