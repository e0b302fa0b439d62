//! What is locked: usage of a time that was billed for ever. A lock is made by the invoice that closes a billing
//! period, by what a provider is to collect for one, or by a final invoice of system B.
use super::db::Db;
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{InvoiceId, ProjectId};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// Customers of one statement.
const CUSTOMERS_MAX: usize = 500;

/// A lock of a customer's usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The customer's own id.
    pub customer: String,
    /// Of which time.
    pub window: Window,
    /// Since when.
    pub since: Timestamp,
    /// The invoice; none where a provider collects.
    pub invoice: Option<InvoiceId>,
}

impl Lock {
    /// Whether it locks all of a time.
    pub fn covers(&self, window: Window) -> bool {
        self.window.start <= window.start && window.end <= self.window.end
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    customer: String,
    period_start: i64,
    period_end: i64,
    since: i64,
    invoice_id: Option<String>,
}

fn from_row(row: Row) -> Result<Lock> {
    Ok(Lock {
        customer: row.customer,
        window: Window {
            start: row::time("period_start", row.period_start)?,
            end: row::time("period_end", row.period_end)?,
        },
        since: row::time("since", row.since)?,
        invoice: row.invoice_id.map(row::id).transpose()?,
    })
}

/// The locks of some of a time, of these customers or of all, the earliest of each customer first.
pub async fn overlapping(
    on: &Db,
    project: ProjectId,
    window: Window,
    customers: Option<&[String]>,
) -> Result<Vec<Lock>> {
    let some = customers.map_or_else(|| vec![None], |all| all.chunks(CUSTOMERS_MAX).map(Some).collect());
    let mut locks = Vec::new();
    for some in some {
        let mut closed = sql!(
            "select c.external_id as customer, p.period_start, p.period_end, p.closed_at as since, p.invoice_id
             from closed_periods p join customers c on c.id = p.customer_id
             where p.project_id = $1 and p.period_end > $2 and p.period_start < $3
               and (p.invoice_id is not null or exists (select 1 from provider_charges h
                 where h.subscription_id = p.subscription_id and h.ordinal = p.ordinal))",
            project,
            window.start,
            window.end
        );
        let mut of_b = sql!(
            "select w.organization as customer, f.period_start, f.period_end, f.finalized_at as since, f.invoice_id
             from final_workspace_invoices f join workspace_invoices w on w.id = f.invoice_id
             where f.project_id = $1 and f.period_end > $2 and f.period_start < $3
               and w.workspace = '' and w.organization <> ''",
            project,
            window.start,
            window.end
        );
        if let Some(some) = some {
            closed =
                closed.push(" and c.external_id in ", []).list(some.iter().map(|id| Val::from(id.as_str())));
            of_b =
                of_b.push(" and w.organization in ", []).list(some.iter().map(|id| Val::from(id.as_str())));
        }
        for query in [closed, of_b] {
            locks.extend(row::each(on.all(query).await?, from_row)?);
        }
    }
    locks.sort_by(|a: &Lock, b: &Lock| (&a.customer, a.since).cmp(&(&b.customer, b.since)));
    Ok(locks)
}
