//! Final invoices, which never change, and what becomes of them.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Limit, Page};
use super::{Cursor, row};
use crate::sql;
use reckoner_domain::id::{CustomerId, InvoiceId, ProjectId, SubscriptionId};
use reckoner_domain::invoice::{FinalInvoice, InvoiceStatus};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;

/// An invoice as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Identifies it.
    pub id: InvoiceId,
    /// The project.
    pub project: ProjectId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The customer's own id, as it is now.
    pub external_id: String,
    /// What it bills.
    pub subscription: SubscriptionId,
    /// Its place among the closings of the subscription.
    pub ordinal: u64,
    /// What it says.
    pub invoice: FinalInvoice,
    /// What became of it.
    pub status: InvoiceStatus,
    /// When that last changed.
    pub changed_at: Timestamp,
    /// Counts changes of its status from 1.
    pub version: u32,
    /// What credit notes took off what is left to pay.
    pub credited: Money,
}

impl Stored {
    /// What is left to pay.
    pub fn left(&self) -> Money {
        let due = self.invoice.totals().due;
        if self.status == InvoiceStatus::Paid || self.status == InvoiceStatus::Void {
            return Money::zero(due.currency());
        }
        // Both have one currency, and no more is taken off than is left.
        due.minus(self.credited).unwrap_or(due)
    }
}

/// Which invoices to list.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Those of this customer.
    pub customer: Option<&'a CustomerId>,
    /// Those of this subscription.
    pub subscription: Option<&'a SubscriptionId>,
    /// Those of which this became.
    pub status: Option<InvoiceStatus>,
    /// Those that became final then or later.
    pub from: Option<Timestamp>,
    /// Those that became final before.
    pub to: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    customer_id: String,
    external_id: String,
    subscription_id: String,
    ordinal: i64,
    content: String,
    hash: String,
    status: String,
    changed_at: i64,
    version: i64,
    credited: Option<String>,
}

fn from_row(row: Row) -> Result<Stored> {
    let corrupt = |column, error: &dyn std::fmt::Display| StoreError::corrupt(column, error);
    let invoice = FinalInvoice::read(&row.content, &row.hash).map_err(|error| corrupt("content", &error))?;
    let currency = invoice.totals().due.currency();
    let credited = match row.credited {
        Some(credited) => row::money("credited", currency.code(), &credited)?,
        None => Money::zero(currency),
    };
    Ok(Stored {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        customer: row::id(row.customer_id)?,
        external_id: row.external_id,
        subscription: row::id(row.subscription_id)?,
        ordinal: row::sequence("ordinal", row.ordinal)?,
        invoice,
        status: row.status.parse().map_err(|error| corrupt("status", &error))?,
        changed_at: row::time("changed_at", row.changed_at)?,
        version: row::count("version", row.version)?,
        credited,
    })
}

/// A series of numbers of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Invoices.
    Invoice,
    /// Credit notes.
    CreditNote,
    /// Invoices of system B.
    WorkspaceInvoice,
}

impl Series {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
            Self::WorkspaceInvoice => "workspace_invoice",
        }
    }
}

/// The next number of a series of the project. The series is held until the transaction ends, so that no number
/// is left out.
pub async fn next_number(tx: &mut Tx, project: ProjectId, series: Series) -> Result<u64> {
    next_numbers(tx, project, series, 1).await
}

/// The first of the next so many numbers of a series.
pub async fn next_numbers(tx: &mut Tx, project: ProjectId, series: Series, count: u64) -> Result<u64> {
    let query = sql!(
        "insert into document_numbers (project_id, series, last_number) values ($1, $2, $3)
         on conflict (project_id, series) do update set last_number = document_numbers.last_number + $3
         returning last_number - $3 + 1",
        project,
        series.as_str(),
        count
    );
    let (number,): (i64,) = tx.one(query).await?;
    row::sequence("last_number", number)
}

/// Stores final invoices.
pub async fn insert(tx: &mut Tx, invoices: &[Stored]) -> Result<()> {
    if invoices.is_empty() {
        return Ok(());
    }
    let to_row = |stored: &Stored| {
        let (header, totals) = (stored.invoice.header(), stored.invoice.totals());
        vec![
            (&stored.id).into(),
            stored.project.into(),
            (&stored.customer).into(),
            (&stored.subscription).into(),
            stored.ordinal.into(),
            header.number.into(),
            totals.due.currency().code().into(),
            totals.total.amount().into(),
            totals.due.amount().into(),
            header.period.start.into(),
            header.period.end.into(),
            header.finalized_at.into(),
            header.due_at.into(),
            stored.invoice.text().into(),
            stored.invoice.hash().into(),
        ]
    };
    let query = sql!(
        "insert into invoices
           (id, project_id, customer_id, subscription_id, ordinal, number, currency, total, amount_due,
            period_start, period_end, finalized_at, due_at, content, hash) values "
    );
    tx.run(query.rows(invoices.iter().map(to_row))).await?;
    let to_row = |stored: &Stored| {
        let Stored { id, project, status, changed_at, version, .. } = stored;
        vec![id.into(), (*project).into(), status.as_str().into(), (*changed_at).into(), (*version).into()]
    };
    let query =
        sql!("insert into invoice_states (invoice_id, project_id, status, changed_at, version) values ");
    tx.run(query.rows(invoices.iter().map(to_row))).await.map(drop)
}

/// An invoice, its state held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &InvoiceId) -> Result<Stored> {
    let held =
        sql!("select invoice_id from invoice_states where project_id = $1 and invoice_id = $2", project, id);
    let _: (String,) = tx.one(held.locking()).await?;
    get(tx, project, id).await
}

/// Writes down what became of an invoice that is still at its version.
pub async fn set_status(
    tx: &mut Tx,
    stored: &Stored,
    (status, credited): (InvoiceStatus, Money),
    changed_at: Timestamp,
) -> Result<()> {
    let query = sql!(
        "update invoice_states set status = $1, changed_at = $2, credited = $3, version = version + 1
         where project_id = $4 and invoice_id = $5 and version = $6",
        status.as_str(),
        changed_at,
        credited.amount(),
        stored.project,
        &stored.id,
        stored.version
    );
    if tx.run(query).await? == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// An invoice.
pub async fn get(on: impl Exec, project: ProjectId, id: &InvoiceId) -> Result<Stored> {
    let query = sql!(
        "select i.id, i.project_id, i.customer_id, c.external_id, i.subscription_id, i.ordinal, i.content, i.hash,
           s.status, s.changed_at, s.version, s.credited
         from invoices i join invoice_states s on s.invoice_id = i.id join customers c on c.id = i.customer_id
         where i.project_id = $1 and i.id = $2",
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// Invoices in the order of their numbers; a cursor's id is a number.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Stored>> {
    let mut query = sql!(
        "select i.id, i.project_id, i.customer_id, c.external_id, i.subscription_id, i.ordinal, i.content, i.hash,
           s.status, s.changed_at, s.version, s.credited
         from invoices i join invoice_states s on s.invoice_id = i.id join customers c on c.id = i.customer_id
         where i.project_id = $1",
        project
    )
    .when(filter.customer, " and i.customer_id = ?")
    .when(filter.subscription, " and i.subscription_id = ?")
    .when(filter.status.map(InvoiceStatus::as_str), " and s.status = ?")
    .when(filter.from, " and i.finalized_at >= ?")
    .when(filter.to, " and i.finalized_at < ?");
    if let Some(after) = after {
        let number: i64 = after.id.parse().unwrap_or(0);
        query = query.push(" and i.number > ?", [number.into()]);
    }
    let rows = on.all(query.push(" order by i.number limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Stored| {
        let header = one.invoice.header();
        Cursor { time: header.finalized_at, id: header.number.to_string() }
    };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// Whether a project has final invoices.
pub async fn any(on: impl Exec, project: ProjectId) -> Result<bool> {
    let query = sql!("select number from invoices where project_id = $1 limit 1", project);
    Ok(on.opt::<(i64,)>(query).await?.is_some())
}
