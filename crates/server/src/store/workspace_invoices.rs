//! Invoices of system B: a month of a workspace or an organisation, each once.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::{InvoiceId, ProjectId};
use reckoner_domain::invoice::FinalInvoice;
use reckoner_domain::time::Timestamp;
use std::borrow::Cow;

/// An invoice: a draft as long as it has no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Identifies it.
    pub id: InvoiceId,
    /// The project.
    pub project: ProjectId,
    /// Whose it is.
    pub owner: Owner<'static>,
    /// The month, such as `2026-01`.
    pub period: String,
    /// When it was generated.
    pub created_at: Timestamp,
    /// What it says, once it is final.
    pub content: Option<FinalInvoice>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
}

/// A workspace, an organisation, or the part of a workspace that is an organisation's; empty is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The workspace.
    pub workspace: Cow<'a, str>,
    /// The organisation.
    pub organization: Cow<'a, str>,
}

impl Owner<'_> {
    /// The same, of its own.
    pub fn into_owned(self) -> Owner<'static> {
        Owner {
            workspace: Cow::Owned(self.workspace.into_owned()),
            organization: Cow::Owned(self.organization.into_owned()),
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    workspace: String,
    organization: String,
    period: String,
    created_at: i64,
    paid_at: Option<i64>,
    content: Option<String>,
    hash: Option<String>,
}

fn from_row(row: Row) -> Result<Stored> {
    let content = match (row.content, row.hash) {
        (Some(content), Some(hash)) => {
            let read = FinalInvoice::read(&content, &hash);
            Some(read.map_err(|error| StoreError::corrupt("content", error))?)
        }
        _ => None,
    };
    Ok(Stored {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        owner: Owner { workspace: row.workspace.into(), organization: row.organization.into() },
        period: row.period,
        created_at: row::time("created_at", row.created_at)?,
        paid_at: row::opt_time("paid_at", row.paid_at)?,
        content,
    })
}

/// Stores a draft; [`StoreError::Conflict`] where its owner has an invoice of that month.
pub async fn insert(tx: &mut Tx, stored: &Stored) -> Result<()> {
    let query = sql!(
        "insert into workspace_invoices (id, project_id, workspace, organization, period, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        &stored.id,
        stored.project,
        &*stored.owner.workspace,
        &*stored.owner.organization,
        stored.period.as_str(),
        stored.created_at
    );
    tx.run(query).await.map(drop)
}

/// Writes down what an invoice says for ever. Whoever does so holds it.
pub async fn finalize(tx: &mut Tx, stored: &Stored, content: &FinalInvoice) -> Result<()> {
    let header = content.header();
    let query = sql!(
        "insert into final_workspace_invoices
           (invoice_id, project_id, number, period_start, period_end, finalized_at, content, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &stored.id,
        stored.project,
        header.number,
        header.period.start,
        header.period.end,
        header.finalized_at,
        content.text(),
        content.hash()
    );
    tx.run(query).await.map(drop)
}

/// Writes down that an invoice is paid. Whoever does so holds it.
pub async fn set_paid(tx: &mut Tx, stored: &Stored, at: Timestamp) -> Result<()> {
    let query = sql!(
        "update workspace_invoices set paid_at = $1 where project_id = $2 and id = $3",
        at,
        stored.project,
        &stored.id
    );
    tx.run(query).await.map(drop)
}

/// An invoice.
pub async fn get(on: impl Exec, project: ProjectId, id: &InvoiceId) -> Result<Stored> {
    let query = sql!(
        "select w.id, w.project_id, w.workspace, w.organization, w.period, w.created_at, w.paid_at, f.content, f.hash
         from workspace_invoices w left join final_workspace_invoices f on f.invoice_id = w.id
         where w.project_id = $1 and w.id = $2",
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// An invoice, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &InvoiceId) -> Result<Stored> {
    let held = sql!("select id from workspace_invoices where project_id = $1 and id = $2", project, id);
    let _: (String,) = tx.one(held.locking()).await?;
    get(tx, project, id).await
}

/// All invoices of an owner, of the latest month first. There is at most one a month.
pub async fn of_owner(on: impl Exec, project: ProjectId, owner: &Owner<'_>) -> Result<Vec<Stored>> {
    let query = sql!(
        "select w.id, w.project_id, w.workspace, w.organization, w.period, w.created_at, w.paid_at, f.content, f.hash
         from workspace_invoices w left join final_workspace_invoices f on f.invoice_id = w.id
         where w.project_id = $1 and w.workspace = $2 and w.organization = $3 order by w.period desc",
        project,
        &*owner.workspace,
        &*owner.organization
    );
    row::each(on.all(query).await?, from_row)
}
