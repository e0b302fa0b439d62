//! Credit notes, which never change.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Limit, Page};
use super::{Cursor, row};
use crate::sql;
use reckoner_domain::credit_note::IssuedCreditNote;
use reckoner_domain::id::{CreditNoteId, CustomerId, InvoiceId, ProjectId};

/// A credit note as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Identifies it.
    pub id: CreditNoteId,
    /// The project.
    pub project: ProjectId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The customer's own id, as it is now.
    pub external_id: String,
    /// The invoice.
    pub invoice: InvoiceId,
    /// What it says.
    pub note: IssuedCreditNote,
}

/// Which credit notes to list.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Those of this customer.
    pub customer: Option<&'a CustomerId>,
    /// Those of this invoice.
    pub invoice: Option<&'a InvoiceId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    customer_id: String,
    external_id: String,
    invoice_id: String,
    content: String,
    hash: String,
}

fn from_row(row: Row) -> Result<Stored> {
    let note = IssuedCreditNote::read(&row.content, &row.hash);
    Ok(Stored {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        customer: row::id(row.customer_id)?,
        external_id: row.external_id,
        invoice: row::id(row.invoice_id)?,
        note: note.map_err(|error| StoreError::corrupt("content", error))?,
    })
}

/// Stores a credit note; [`StoreError::Conflict`] where one with its key is there.
pub async fn insert(tx: &mut Tx, stored: &Stored, dedupe_key: &str) -> Result<()> {
    let total = stored.note.note().total;
    let query = sql!(
        "insert into credit_notes
           (id, project_id, customer_id, invoice_id, number, currency, total, issued_at, content, hash, dedupe_key)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &stored.id,
        stored.project,
        &stored.customer,
        &stored.invoice,
        stored.note.header().number,
        total.currency().code(),
        total.amount(),
        stored.note.header().issued_at,
        stored.note.text(),
        stored.note.hash(),
        dedupe_key
    );
    tx.run(query).await.map(drop)
}

/// The credit notes of an invoice, in the order in which they were issued.
pub async fn of_invoice(on: impl Exec, project: ProjectId, invoice: &InvoiceId) -> Result<Vec<Stored>> {
    let query = sql!(
        "select n.id, n.project_id, n.customer_id, c.external_id, n.invoice_id, n.content, n.hash
         from credit_notes n join customers c on c.id = n.customer_id
         where n.project_id = $1 and n.invoice_id = $2 order by n.number",
        project,
        invoice
    );
    row::each(on.all(query).await?, from_row)
}

/// A credit note.
pub async fn get(on: impl Exec, project: ProjectId, id: &CreditNoteId) -> Result<Stored> {
    let query = sql!(
        "select n.id, n.project_id, n.customer_id, c.external_id, n.invoice_id, n.content, n.hash
         from credit_notes n join customers c on c.id = n.customer_id
         where n.project_id = $1 and n.id = $2",
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// Credit notes in the order of their numbers; a cursor's id is a number.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Stored>> {
    let mut query = sql!(
        "select n.id, n.project_id, n.customer_id, c.external_id, n.invoice_id, n.content, n.hash
         from credit_notes n join customers c on c.id = n.customer_id where n.project_id = $1",
        project
    )
    .when(filter.customer, " and n.customer_id = ?")
    .when(filter.invoice, " and n.invoice_id = ?");
    if let Some(after) = after {
        let number: i64 = after.id.parse().unwrap_or(0);
        query = query.push(" and n.number > ?", [number.into()]);
    }
    let rows = on.all(query.push(" order by n.number limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Stored| {
        let header = one.note.header();
        Cursor { time: header.issued_at, id: header.number.to_string() }
    };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
