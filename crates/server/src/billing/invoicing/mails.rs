//! The mail that brings a final invoice to the people of its customer.
use super::{Invoicing, Result};
use crate::mail::{self, About, Template};
use crate::store::Tx;
use crate::store::invoices::Stored;
use crate::store::memberships;

impl Invoicing {
    /// Queues it, in the transaction in which the invoice becomes final.
    pub(super) async fn mail(&self, tx: &mut Tx, stored: &Stored) -> Result<()> {
        let Some(mailer) = &self.mailer else { return Ok(()) };
        let people =
            memberships::addresses_of_customer(&mut *tx, stored.project, &stored.external_id).await?;
        if people.is_empty() {
            return Ok(());
        }
        let (header, totals) = (stored.invoice.header(), stored.invoice.totals());
        let template = Template::InvoiceReady(mail::Invoice {
            id: stored.id.clone(),
            number: header.number,
            seller: self.seller.clone(),
            total: totals.total.to_string(),
            due: (!totals.due.is_zero()).then(|| totals.due.to_string()),
            due_at: header.due_at.to_string(),
        });
        for (user, address) in &people {
            let about = About { project: stored.project, user: Some(user), recipient: address };
            mailer.queue(tx, about, &template, self.clock.real(), None).await?;
        }
        Ok(())
    }
}
