//! The mail that brings a final invoice to the people of its customer.
use super::{Invoicing, Result};
use crate::mail::{self, About, Template};
use crate::store::Tx;
use crate::store::invoices::Stored;
use crate::store::memberships;
use reckoner_domain::id::ProjectId;

impl Invoicing {
    /// Queues it for each of these invoices of a project, in the transaction in which they become final.
    pub(super) async fn mail(&self, tx: &mut Tx, project: ProjectId, invoices: &[Stored]) -> Result<()> {
        let Some(mailer) = &self.mailer else { return Ok(()) };
        let customers: Vec<&str> = invoices.iter().map(|invoice| invoice.external_id.as_str()).collect();
        let people = memberships::addresses_of_customers(&mut *tx, project, &customers).await?;
        for stored in invoices {
            let Some(people) = people.get(&stored.external_id) else { continue };
            let (header, totals) = (stored.invoice.header(), stored.invoice.totals());
            let template = Template::InvoiceReady(mail::Invoice {
                id: stored.id.clone(),
                number: header.number,
                seller: self.seller.clone(),
                total: totals.total.to_string(),
                due: (!totals.due.is_zero()).then(|| totals.due.to_string()),
                due_at: header.due_at.to_string(),
            });
            for (user, address) in people {
                let about = About { project, user: Some(user), recipient: address };
                mailer.queue(tx, about, &template, self.clock.real(), None).await?;
            }
        }
        Ok(())
    }
}
