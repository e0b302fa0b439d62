//! Closing billing periods: an invoice for each, once, however many workers do so and wherever one dies.
use super::bill::Bill;
use super::known::Known;
use super::{Invoicing, InvoicingError, Result};
use crate::store::closings::{self, Cursor};
use crate::store::subscriptions::{self, Stored};
use reckoner_domain::billing_period::Closing;
use reckoner_domain::id::{InvoiceId, ProjectId, SubscriptionId};
use reckoner_domain::money::Money;
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::window::Window;
use std::collections::BTreeSet;

/// How many closings are written down in one transaction.
const AT_ONCE: u32 = 200;

/// After how long a closing that failed is tried again, in microseconds.
const AGAIN_AFTER: i64 = HOUR;

/// What a run did.
#[derive(Debug, Default)]
pub struct Run {
    /// What was closed.
    pub closed: Vec<Closed>,
    /// What could not be, and why.
    pub failed: Vec<Failed>,
}

/// A closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The customer's own id.
    pub customer: String,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The period; none where billing only began.
    pub period: Option<Window>,
    /// The invoice; none where nothing was due, or a provider collects.
    pub invoice: Option<InvoiceId>,
    /// What usage beyond limits came to.
    pub overage: Option<Money>,
}

/// A subscription that could not be closed.
#[derive(Debug)]
pub struct Failed {
    /// The customer's own id, where it is known.
    pub customer: Option<String>,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Why not.
    pub error: InvoicingError,
}

/// A closing that is ready to be written down, if nothing has changed since.
pub(super) struct Ready {
    /// The subscription.
    pub stored: Stored,
    /// How far it was billed.
    pub cursor: Cursor,
    /// How far it is billed then.
    pub after: Cursor,
    /// What is closed; nothing where it only became known when it will be.
    pub closing: Option<(Closing, Option<Bill>)>,
}

/// Closings that are ready, with what could not be made ready.
#[derive(Default)]
struct Batch {
    ready: Vec<Ready>,
    failed: Vec<Failed>,
    /// The last event that they know of.
    seen: u64,
}

impl Invoicing {
    /// Closes every period of a project that is over, with its grace, and begins billing where a
    /// subscription has just begun. One subscription that fails keeps no other.
    pub async fn close_due(&self, project: ProjectId, now: Timestamp) -> Result<Run> {
        self.note_late(project, now).await?;
        let mut run = Run::default();
        loop {
            let closed_before = run.closed.len();
            self.close_each(project, now, &mut run).await?;
            // A subscription may have several periods that are over.
            if run.closed.len() == closed_before {
                break;
            }
        }
        for one in &run.failed {
            closings::put_off(&self.db, &one.subscription, now.plus_micros(AGAIN_AFTER)).await?;
        }
        Ok(run)
    }

    /// Goes once through what is due: while some closings are written down, the next are made ready.
    async fn close_each(&self, project: ProjectId, now: Timestamp, run: &mut Run) -> Result<()> {
        let failed: BTreeSet<SubscriptionId> =
            run.failed.iter().map(|one| one.subscription.clone()).collect();
        let (mut batch, mut after) = (Batch::default(), None);
        loop {
            let due = closings::due(&self.db, project, now, (after.as_ref(), AT_ONCE)).await?;
            let is_last = due.len() < AT_ONCE as usize;
            let ids = due.iter().map(|(_, id)| id).filter(|id| !failed.contains(*id)).cloned().collect();
            after = due.into_iter().next_back();
            let prepared = Box::pin(self.prepare_each(project, ids, now));
            let written = Box::pin(self.write_each(project, batch, now, run));
            (batch, ()) = tokio::join!(prepared, written);
            if is_last {
                self.write_each(project, batch, now, run).await;
                return Ok(());
            }
        }
    }

    /// Closings that are ready, together if it goes; one that fails keeps no other.
    async fn prepare_each(&self, project: ProjectId, mut ids: Vec<SubscriptionId>, now: Timestamp) -> Batch {
        // Held in one order, so that workers wait for each other and never in a circle.
        ids.sort_unstable();
        let seen = self.events.sequence();
        if let Ok(ready) = self.prepare(project, &ids, now).await {
            return Batch { ready, seen, failed: Vec::new() };
        }
        let mut batch = Batch { seen, ..Batch::default() };
        for id in ids {
            match self.prepare(project, std::slice::from_ref(&id), now).await {
                Ok(one) => batch.ready.extend(one),
                Err(error) => batch.failed.push(Failed { customer: None, subscription: id, error }),
            }
        }
        batch
    }

    /// Writes closings down, together if it goes; one that fails keeps no other.
    async fn write_each(&self, project: ProjectId, batch: Batch, now: Timestamp, run: &mut Run) {
        let Batch { ready, seen, failed } = batch;
        run.failed.extend(failed);
        if ready.is_empty() {
            return;
        }
        if let Ok(closed) = self.write(project, (&ready, seen), now).await {
            run.closed.extend(closed);
            return;
        }
        for one in ready {
            match self.write(project, (std::slice::from_ref(&one), seen), now).await {
                Ok(closed) => run.closed.extend(closed),
                Err(error) => {
                    let customer = Some(one.stored.external_id);
                    run.failed.push(Failed { customer, subscription: one.stored.id, error });
                }
            }
        }
    }

    async fn prepare(
        &self,
        project: ProjectId,
        ids: &[SubscriptionId],
        now: Timestamp,
    ) -> Result<Vec<Ready>> {
        let mut stored = subscriptions::get_many(&self.db, project, ids).await?;
        let is_due = |one: &&Stored| one.subscription.due_at().is_some_and(|due| due <= now);
        let due: Vec<SubscriptionId> = stored.iter().filter(is_due).map(|one| one.id.clone()).collect();
        if !due.is_empty() {
            for id in &due {
                self.subscriptions.notice(project, id, now).await?;
            }
            stored = subscriptions::get_many(&self.db, project, ids).await?;
        }
        let mut next = Vec::with_capacity(stored.len());
        for known in self.known_many(project, stored).await? {
            let closing = known.next_closing();
            let run_at = closing.as_ref().map(|closing| self.terms.run_at(closing));
            next.push((known, closing.filter(|_| run_at.is_some_and(|at| at <= now)), run_at));
        }
        let over: Vec<(&Known, &Closing)> =
            next.iter().filter_map(|(known, closing, _)| Some((known, closing.as_ref()?))).collect();
        let readings = self.read_ahead(project, &over).await?;
        let mut ready = Vec::with_capacity(next.len());
        for (known, closing, run_at) in next {
            let Some(closing) = closing else {
                let Known { stored, cursor, .. } = known;
                ready.push(Ready { stored, cursor, after: Cursor { run_at, ..cursor }, closing: None });
                continue;
            };
            let bill = self.bill(&known, &closing, &readings).await?;
            let after = self.terms.after(&known.phases, &known.cursor, &closing);
            let Known { stored, cursor, .. } = known;
            ready.push(Ready { stored, cursor, after, closing: Some((closing, bill)) });
        }
        Ok(ready)
    }
}
