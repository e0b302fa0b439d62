//! Credit notes on final invoices.
use super::{Invoicing, InvoicingError, Result};
use crate::billing::messages::{self, Message};
use crate::billing::wallet::{Movement, OfInvoice, of_invoice};
use crate::random;
use crate::store::audit::{self, Change};
use crate::store::credit_notes::{self, Stored as StoredNote};
use crate::store::invoices::{self, Series, Stored};
use crate::store::{Tx, wallets};
use reckoner_domain::credit_note::{CreditHeader, CreditedLine, IssuedCreditNote, Settlement, credit};
use reckoner_domain::id::{CreditNoteId, InvoiceId, ProjectId};
use reckoner_domain::invoice::InvoiceStatus;
use reckoner_domain::time::Timestamp;
use std::fmt::Display;

/// A credit note to issue.
pub struct NewCreditNote {
    /// What is given back.
    pub lines: Vec<CreditedLine>,
    /// Why.
    pub reason: Option<String>,
    /// Whether what was paid already is paid back by other means than the wallet.
    pub outside: bool,
    /// Unique in the project: a second one is refused.
    pub dedupe_key: String,
}

impl Invoicing {
    /// Gives back parts of an invoice: off what is left to pay of it, the rest into the wallet or by other means.
    pub async fn issue_credit_note(
        &self,
        by: &(dyn Display + Sync),
        (project, id): (ProjectId, &InvoiceId),
        new: NewCreditNote,
    ) -> Result<StoredNote> {
        let now = self.clock.of_project(project);
        let mut tx = self.db.begin().await?;
        let invoice = invoices::lock(&mut tx, project, id).await?;
        if matches!(invoice.status, InvoiceStatus::Draft | InvoiceStatus::Void) {
            return Err(InvoicingError::NotCreditable(invoice.status));
        }
        let before = credit_notes::of_invoice(&mut tx, project, id).await?;
        let before: Vec<_> = before.into_iter().map(|stored| stored.note.note().clone()).collect();
        let note = credit(&invoice.invoice, &before, &new.lines)?;
        let settlement = Settlement::of(note.total, invoice.left(), new.outside)?;
        let wallet = wallets::lock(&mut tx, project, &invoice.customer).await?;
        let header = CreditHeader {
            number: invoices::next_number(&mut tx, project, Series::CreditNote).await?,
            invoice: invoice.invoice.header().number,
            customer: invoice.external_id.clone(),
            issued_at: now,
            reason: new.reason,
            bill_to: invoice.invoice.header().bill_to.clone(),
        };
        if settlement.wallet.is_positive() {
            let what = format!("credit_note:{}", header.number);
            let of = OfInvoice { project, customer: &invoice.customer, invoice: id, what: &what };
            of_invoice(&mut tx, wallet, &of, &Movement::Refund(settlement.wallet), now).await?;
        }
        let stored = StoredNote {
            id: CreditNoteId::from_bits(random::id_bits(self.clock.real())?),
            project,
            customer: invoice.customer.clone(),
            external_id: invoice.external_id.clone(),
            invoice: id.clone(),
            note: IssuedCreditNote::new(note, header, settlement),
        };
        credit_notes::insert(&mut tx, &stored, &new.dedupe_key).await?;
        let mut noted = Vec::new();
        self.tell_of_credit(&mut tx, by, &stored, &mut noted).await?;
        self.take_off(&mut tx, by, (invoice, settlement), now, &mut noted).await?;
        self.debts.settle(&mut tx, project, (&stored.customer, &stored.external_id), now, &mut noted).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.debts.noticed(project, &stored.external_id);
        Ok(stored)
    }

    /// Takes what is given back off what is left to pay; an invoice of which nothing is left is paid.
    async fn take_off(
        &self,
        tx: &mut Tx,
        by: &(dyn Display + Sync),
        (invoice, settlement): (Stored, Settlement),
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<()> {
        if settlement.invoice.is_zero() {
            return Ok(());
        }
        let credited = invoice.credited.plus(settlement.invoice)?;
        let is_paid = invoice.left() == settlement.invoice;
        let status = if is_paid { InvoiceStatus::Paid } else { invoice.status };
        let changed_at = if is_paid { now } else { invoice.changed_at };
        invoices::set_status(tx, &invoice, (status, credited), changed_at).await?;
        if is_paid {
            let before = invoice.status;
            let after = Stored { status, credited, changed_at, version: invoice.version + 1, ..invoice };
            self.tell(tx, &by.to_string(), after.project, &[(Some(before), &after)], noted).await?;
        }
        Ok(())
    }

    async fn tell_of_credit(
        &self,
        tx: &mut Tx,
        by: &(dyn Display + Sync),
        stored: &StoredNote,
        noted: &mut Vec<Change>,
    ) -> Result<()> {
        let event_type = messages::CREDIT_NOTE_ISSUED;
        let data = messages::credit_note(stored);
        let message = Message {
            project: stored.project,
            event_type,
            subject: stored.id.as_str(),
            dedupe_key: format!("{event_type}:{}", stored.id),
            data: data.clone(),
        };
        messages::enqueue(tx, &self.clock, message).await?;
        noted.push(Change::new(Some(stored.project), by, event_type, &stored.id).after(data));
        Ok(())
    }
}
