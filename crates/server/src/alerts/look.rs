//! Which alerts are held against whom: after usage moved, and now and then against everybody. One that
//! fails keeps no other.
use super::{AlertError, Alerts};
use crate::store::alerts::{self, Alert};
use crate::store::{Cursor, Limit, StoreError, customers};
use reckoner_domain::id::{AlertId, ProjectId};
use std::collections::BTreeSet;

/// Customers that a sweep looks at in one step.
const CUSTOMERS_AT_ONCE: u32 = 200;

/// What came of looking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// How often alerts fired.
    pub fired: u64,
    /// How often one could not be held against somebody.
    pub failed: u64,
}

impl Looked {
    fn add(&mut self, other: Self) {
        self.fired += other.fired;
        self.failed += other.failed;
    }
}

/// Alerts of a project on their way past all its customers.
pub struct Sweep {
    project: ProjectId,
    /// Those of one customer or subject, which come first.
    narrow: Vec<Alert>,
    /// Those of all customers.
    wide: Vec<Alert>,
    after: Option<Cursor>,
}

impl Sweep {
    /// Whose alerts they are.
    pub fn project(&self) -> ProjectId {
        self.project
    }
}

impl Alerts {
    /// Holds the alerts of a project against customers whose usage moved.
    pub async fn look_at(
        &self,
        project: ProjectId,
        customers: &BTreeSet<Box<str>>,
    ) -> Result<Looked, StoreError> {
        let mut looked = Looked::default();
        for alert in alerts::enabled(&self.db, project).await? {
            match (&alert.terms.customer, &alert.terms.subject) {
                (Some(customer), _) if customers.contains(customer.as_str()) => {
                    looked.add(self.look(&alert, Some(customer)).await);
                }
                (Some(_), _) => {}
                (None, Some(_)) => looked.add(self.look(&alert, None).await),
                (None, None) => {
                    for customer in customers {
                        looked.add(self.look(&alert, Some(customer)).await);
                    }
                }
            }
        }
        Ok(looked)
    }

    /// Begins to hold the alerts of a project, or one of them, against everybody.
    pub async fn begin_sweep(&self, project: ProjectId, only: Option<&AlertId>) -> Result<Sweep, StoreError> {
        let all = alerts::enabled(&self.db, project).await?.into_iter();
        let asked = all.filter(|alert| only.is_none_or(|only| alert.id == *only));
        let (wide, narrow) =
            asked.partition(|alert| alert.terms.customer.is_none() && alert.terms.subject.is_none());
        Ok(Sweep { project, narrow, wide, after: None })
    }

    /// Goes on with it; says whether there is more to do.
    pub async fn step(&self, sweep: &mut Sweep) -> Result<(Looked, bool), StoreError> {
        let mut looked = Looked::default();
        for alert in std::mem::take(&mut sweep.narrow) {
            looked.add(self.look(&alert, alert.terms.customer.as_deref()).await);
        }
        if sweep.wide.is_empty() {
            return Ok((looked, false));
        }
        let limit = Limit::new(CUSTOMERS_AT_ONCE).unwrap_or_default();
        let filter = customers::Filter::default();
        let page = customers::list(&self.db, sweep.project, &filter, sweep.after.as_ref(), limit).await?;
        for customer in &page.items {
            for alert in &sweep.wide {
                looked.add(self.look(alert, Some(&customer.external_id)).await);
            }
        }
        sweep.after = page.next;
        Ok((looked, sweep.after.is_some()))
    }

    /// Holds every alert of a project against everybody.
    pub async fn sweep(&self, project: ProjectId) -> Result<Looked, StoreError> {
        let mut sweep = self.begin_sweep(project, None).await?;
        let mut looked = Looked::default();
        loop {
            let (step, more) = self.step(&mut sweep).await?;
            looked.add(step);
            if !more {
                return Ok(looked);
            }
        }
    }

    async fn look(&self, alert: &Alert, customer: Option<&str>) -> Looked {
        match self.hold(alert, customer).await {
            Ok(fired) => Looked { fired, failed: 0 },
            Err(error) => {
                tell_failure(alert, customer, &error);
                Looked { fired: 0, failed: 1 }
            }
        }
    }
}

fn tell_failure(alert: &Alert, customer: Option<&str>, error: &AlertError) {
    metrics::counter!("alerts_failed_total", "kind" => alert.terms.kind.as_str()).increment(1);
    tracing::error!(alert = %alert.id, customer, %error, "an alert could not be held against a customer; it is tried again");
}
