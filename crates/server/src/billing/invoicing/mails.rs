//! The mail that brings a final invoice to the people of its customer, and to where its billing details say.
use super::{Invoicing, Result};
use crate::billing::recipients;
use crate::mail::{self, About, Template};
use crate::store::Tx;
use crate::store::invoices::Stored;
use crate::store::memberships;
use reckoner_domain::id::ProjectId;

impl Invoicing {
    /// Queues it for each of these invoices of a project, in the transaction in which they become final.
    pub(super) async fn mail(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        invoices: &[(&Stored, Option<&str>)],
    ) -> Result<()> {
        let Some(mailer) = &self.mailer else { return Ok(()) };
        let customers: Vec<&str> = invoices.iter().map(|(invoice, _)| invoice.external_id.as_str()).collect();
        let people = memberships::addresses_of_customers(&mut *tx, project, &customers).await?;
        for (stored, email) in invoices {
            let people = people.get(&stored.external_id).map_or(&[][..], Vec::as_slice);
            let (header, totals) = (stored.invoice.header(), stored.invoice.totals());
            for (user, recipient) in recipients::all(people, *email) {
                let template = Template::InvoiceReady(mail::Invoice {
                    id: stored.id.clone(),
                    number: header.number,
                    seller: self.seller.clone(),
                    total: totals.total.to_string(),
                    due: (!totals.due.is_zero()).then(|| totals.due.to_string()),
                    due_at: header.due_at.to_string(),
                });
                let about = About { project, user, recipient };
                mailer.queue(tx, about, &template, self.clock.real(), None).await?;
            }
        }
        Ok(())
    }
}
