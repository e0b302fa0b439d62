//! Documents for people: invoices as HTML and as PDF, both of one view.
mod html;
mod pdf;
mod view;
mod words;

pub use pdf::PdfError;
pub use view::{Customer, Fact, Party, Row, Total, View};

use crate::config::Seller;
use crate::store::{Db, StoreError, billing_details, customers, invoices};
use reckoner_domain::billing_details::BillTo;
use reckoner_domain::id::{CustomerId, InvoiceId, ProjectId};
use reckoner_domain::invoice::Draft;
use reckoner_domain::window::Window;
use std::sync::Arc;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The control plane failed, or there is no such invoice.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The page could not be written.
    #[error("the page could not be written: {0}")]
    Html(#[from] askama::Error),
    /// The PDF could not be written.
    #[error(transparent)]
    Pdf(#[from] PdfError),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// Makes documents. Clones share one state.
#[derive(Clone, Debug)]
pub struct Documents {
    db: Db,
    seller: Arc<Seller>,
}

impl Documents {
    /// In the name of a seller.
    pub fn new(db: Db, seller: Seller) -> Self {
        Self { db, seller: Arc::new(seller) }
    }

    /// A final invoice.
    pub async fn invoice(&self, project: ProjectId, id: &InvoiceId) -> Result<View, DocumentError> {
        let stored = invoices::get(&self.db, project, id).await?;
        let bill_to = &stored.invoice.header().bill_to;
        let customer = self.customer(project, &stored.customer, bill_to).await?;
        Ok(View::of_final(&stored.invoice, stored.status, &customer, &self.seller))
    }

    /// What the next invoice of a customer would be.
    pub async fn draft(
        &self,
        (project, customer): (ProjectId, &CustomerId),
        draft: &Draft,
        period: Window,
    ) -> Result<View, DocumentError> {
        let details = billing_details::get(&self.db, project, customer).await?.details;
        let customer = self.customer(project, customer, &details.bill_to).await?;
        Ok(View::of_draft(draft, period, &customer, &self.seller))
    }

    /// Whom an invoice is made out to. Where that was not said, it is the customer as it is now: who was erased since
    /// is not named.
    async fn customer(
        &self,
        project: ProjectId,
        id: &CustomerId,
        bill_to: &BillTo,
    ) -> Result<Customer, StoreError> {
        let customer = customers::get(&self.db, project, id).await?;
        let BillTo { name, address, tax_id } = bill_to.clone();
        let name = name.or(customer.details.display_name);
        Ok(Customer { id: customer.external_id, name, address, tax_id })
    }
}

impl View {
    /// As a page.
    pub fn to_html(&self) -> Result<String, DocumentError> {
        Ok(html::render(self)?)
    }

    /// As PDF, here and now: a long invoice takes a while.
    pub fn to_pdf(&self) -> Result<Vec<u8>, DocumentError> {
        Ok(pdf::render(self)?)
    }

    /// As PDF, made beside what else is done.
    pub async fn into_pdf(self) -> Result<Vec<u8>, DocumentError> {
        tokio::task::spawn_blocking(move || self.to_pdf()).await.map_err(|_| DocumentError::Stopping)?
    }
}

/// The `Content-Security-Policy` of pages.
pub fn page_policy() -> &'static str {
    html::policy()
}
