//! What becomes of final invoices: they are paid, withdrawn, or given up on.
use super::{Invoicing, InvoicingError, Result};
use crate::store::StoreError;
use crate::store::audit;
use crate::store::invoices::{self, Stored};
use reckoner_domain::id::{InvoiceId, ProjectId};
use reckoner_domain::invoice::InvoiceEvent;
use std::fmt::Display;

impl Invoicing {
    /// Lets something happen to an invoice that is expected at a version, or at any.
    pub async fn pass(
        &self,
        by: &(dyn Display + Sync),
        (project, id): (ProjectId, &InvoiceId),
        version: Option<u32>,
        event: InvoiceEvent,
    ) -> Result<Stored> {
        let now = self.clock.of_project(project);
        let mut tx = self.db.begin().await?;
        let stored = invoices::lock(&mut tx, project, id).await?;
        if version.is_some_and(|version| version != stored.version) {
            return Err(StoreError::Stale.into());
        }
        let Some(status) = stored.status.after(event) else {
            return Err(InvoicingError::State { status: stored.status, event });
        };
        invoices::set_status(&mut tx, &stored, status, now).await?;
        let before = stored.status;
        let after = Stored { status, changed_at: now, version: stored.version + 1, ..stored };
        let mut noted = Vec::new();
        self.tell(&mut tx, &by.to_string(), (Some(before), &after), &mut noted).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.waker.wake();
        Ok(after)
    }
}
