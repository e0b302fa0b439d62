//! What becomes of final invoices: they are paid, withdrawn, or given up on.
use super::{Invoicing, InvoicingError, Result};
use crate::billing::wallet::{Movement, OfInvoice, of_invoice};
use crate::store::audit;
use crate::store::invoices::{self, Stored};
use crate::store::{StoreError, Tx, credit_notes, wallets};
use reckoner_domain::id::{InvoiceId, ProjectId};
use reckoner_domain::invoice::{InvoiceEvent, InvoiceStatus};
use reckoner_domain::time::Timestamp;
use std::fmt::Display;

/// Gives the wallet back what an invoice that is withdrawn took from it. One that put something in is paid
/// from the start, and is not withdrawn.
async fn give_back(tx: &mut Tx, invoice: &Stored, now: Timestamp) -> Result<()> {
    let moved = invoice.invoice.totals().wallet;
    if !moved.is_negative() {
        return Ok(());
    }
    let (project, customer, id) = (invoice.project, &invoice.customer, &invoice.id);
    let wallet = wallets::lock(tx, project, customer).await?;
    let of = OfInvoice { project, customer, invoice: id, what: "void" };
    of_invoice(tx, wallet, &of, &Movement::Refund(moved.negated()), now).await?;
    Ok(())
}

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
        if status == InvoiceStatus::Void && !credit_notes::of_invoice(&mut tx, project, id).await?.is_empty()
        {
            return Err(InvoicingError::HasCreditNotes);
        }
        invoices::set_status(&mut tx, &stored, (status, stored.credited), now).await?;
        if status == InvoiceStatus::Void {
            give_back(&mut tx, &stored, now).await?;
        }
        let before = stored.status;
        let after = Stored { status, changed_at: now, version: stored.version + 1, ..stored };
        let mut noted = Vec::new();
        self.tell(&mut tx, &by.to_string(), project, &[(Some(before), &after)], &mut noted).await?;
        self.debts.settle(&mut tx, project, (&after.customer, &after.external_id), now, &mut noted).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.debts.noticed(project, &after.external_id);
        Ok(after)
    }
}
