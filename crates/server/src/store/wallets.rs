//! Wallets of customers: the state, which whoever changes it holds, and the entries that it is made of.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{CustomerId, InvoiceId, ProjectId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use reckoner_domain::wallet::{Change, Wallet};

/// A wallet as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The project.
    pub project: ProjectId,
    /// Whose it is.
    pub customer: CustomerId,
    /// What is in it.
    pub wallet: Wallet,
    /// How many entries made it.
    pub entries: u64,
}

/// What happened to a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts the wallet's entries from 1.
    pub number: u64,
    /// What: `top_up`, `credit`, `deduct`, `hold`, `release`, `deduct_held` or `expire`.
    pub kind: String,
    /// How much.
    pub amount: Money,
    /// The hold that it concerns.
    pub hold: Option<String>,
    /// When the credit expires.
    pub expires_at: Option<Timestamp>,
    /// The invoice that it concerns.
    pub invoice: Option<InvoiceId>,
    /// What it says.
    pub description: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    customer_id: String,
    state: String,
    entries: i64,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    number: i64,
    kind: String,
    currency: String,
    amount: String,
    hold: Option<String>,
    expires_at: Option<i64>,
    invoice_id: Option<String>,
    description: Option<String>,
    made_at: i64,
}

fn entry_from_row(row: EntryRow) -> Result<Entry> {
    Ok(Entry {
        number: row::sequence("number", row.number)?,
        kind: row.kind,
        amount: row::money("amount", &row.currency, &row.amount)?,
        hold: row.hold,
        expires_at: row::opt_time("expires_at", row.expires_at)?,
        invoice: row.invoice_id.map(row::id).transpose()?,
        description: row.description,
        made_at: row::time("made_at", row.made_at)?,
    })
}

/// The wallet of a customer, where there is one.
pub async fn get(on: impl Exec, project: ProjectId, customer: &CustomerId) -> Result<Option<Stored>> {
    Ok(get_many(on, project, &[customer]).await?.pop())
}

/// The wallets of customers that have one.
pub async fn get_many(on: impl Exec, project: ProjectId, customers: &[&CustomerId]) -> Result<Vec<Stored>> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let query = sql!(
        "select customer_id, state, entries from wallets where project_id = $1 and customer_id in ",
        project
    );
    row::each(on.all(query.list(customers.iter().map(|id| Val::from(*id)))).await?, |row: Row| {
        let (wallet, entries) = (row::json("state", &row.state)?, row::sequence("entries", row.entries)?);
        Ok(Stored { project, customer: row::id(row.customer_id)?, wallet, entries })
    })
}

/// The wallet of a customer, where there is one, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, customer: &CustomerId) -> Result<Option<Stored>> {
    Ok(lock_many(tx, project, &[customer]).await?.pop())
}

/// The wallets of customers that have one, each held until the transaction ends.
pub async fn lock_many(tx: &mut Tx, project: ProjectId, customers: &[&CustomerId]) -> Result<Vec<Stored>> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let held = sql!("select customer_id from wallets where project_id = $1 and customer_id in ", project)
        .list(customers.iter().map(|id| Val::from(*id)))
        .push(" order by customer_id", []);
    if tx.all::<(String,)>(held.locking()).await?.is_empty() {
        return Ok(Vec::new());
    }
    get_many(tx, project, customers).await
}

/// Writes a change down that was made of a wallet with so many entries; [`StoreError::Conflict`] where there
/// are others by now, or where an entry under this key was made before.
pub async fn append(
    tx: &mut Tx,
    before: &Stored,
    change: &Change,
    entry: &Entry,
    dedupe_key: &str,
) -> Result<()> {
    let state = serde_json::to_string(&change.wallet).map_err(|error| StoreError::corrupt("state", error))?;
    let written = if before.entries == 0 {
        let query = sql!(
            "insert into wallets (customer_id, project_id, currency, state, entries, expires_at)
             values ($1, $2, $3, $4, 1, $5) on conflict (customer_id) do nothing",
            &before.customer,
            before.project,
            entry.amount.currency().code(),
            state,
            change.wallet.expires_at()
        );
        tx.run(query).await?
    } else {
        let query = sql!(
            "update wallets set state = $1, entries = entries + 1, expires_at = $5
             where project_id = $2 and customer_id = $3 and entries = $4",
            state,
            before.project,
            &before.customer,
            before.entries,
            change.wallet.expires_at()
        );
        tx.run(query).await?
    };
    if written != 1 {
        return Err(StoreError::Conflict);
    }
    let query = sql!(
        "insert into wallet_entries
           (customer_id, number, kind, amount, hold, expires_at, invoice_id, description, dedupe_key, made_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &before.customer,
        entry.number,
        entry.kind.as_str(),
        entry.amount.amount(),
        entry.hold.as_deref(),
        entry.expires_at,
        entry.invoice.as_ref(),
        entry.description.as_deref(),
        dedupe_key,
        entry.made_at
    );
    tx.run(query).await?;
    for (position, posting) in (0_u32..).zip(&change.postings) {
        let query = sql!(
            "insert into wallet_postings (customer_id, number, position, account, amount)
             values ($1, $2, $3, $4, $5)",
            &before.customer,
            entry.number,
            position,
            posting.account.as_str(),
            posting.amount.amount()
        );
        tx.run(query).await?;
    }
    Ok(())
}

/// Customers of a project of whose wallets something expires until an instant, the earliest first; those after one of
/// them, and so many.
pub async fn expiring(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, CustomerId)>, u32),
) -> Result<Vec<(Timestamp, CustomerId)>> {
    let mut query = sql!(
        "select expires_at, customer_id from wallets
         where project_id = $1 and expires_at is not null and expires_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (expires_at, customer_id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let query = query.push(" order by expires_at, customer_id limit ?", [limit.into()]);
    let rows: Vec<(i64, String)> = on.all(query).await?;
    row::each(rows, |(at, id)| Ok((row::time("expires_at", at)?, row::id(id)?)))
}

/// Writes down when a wallet is to be looked at next.
pub async fn set_expiry(on: impl Exec, customer: &CustomerId, at: Option<Timestamp>) -> Result<()> {
    on.run(sql!("update wallets set expires_at = $1 where customer_id = $2", at, customer)).await.map(drop)
}

/// What happened to a wallet, the newest first; a cursor's id is a number.
pub async fn entries(
    on: impl Exec,
    project: ProjectId,
    customer: &CustomerId,
    before: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Entry>> {
    let mut query = sql!(
        "select e.number, e.kind, w.currency, e.amount, e.hold, e.expires_at, e.invoice_id, e.description, e.made_at
         from wallet_entries e join wallets w on w.customer_id = e.customer_id
         where w.project_id = $1 and e.customer_id = $2",
        project,
        customer
    );
    if let Some(before) = before {
        let number: i64 = before.id.parse().unwrap_or(0);
        query = query.push(" and e.number < ?", [number.into()]);
    }
    let rows = on.all(query.push(" order by e.number desc limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Entry| Cursor { time: one.made_at, id: one.number.to_string() };
    Ok(Page::new(row::each(rows, entry_from_row)?, limit, cursor))
}

/// What was last paid into a wallet; `None` where nothing ever was.
pub async fn last_top_up(on: impl Exec, project: ProjectId, customer: &CustomerId) -> Result<Option<Money>> {
    let query = sql!(
        "select w.currency, e.amount from wallet_entries e join wallets w on w.customer_id = e.customer_id
         where w.project_id = $1 and e.customer_id = $2 and e.kind = 'top_up' order by e.number desc limit 1",
        project,
        customer
    );
    let found: Option<(String, String)> = on.opt(query).await?;
    found.map(|(currency, amount)| row::money("amount", &currency, &amount)).transpose()
}

/// What every account of a customer's wallet comes to, posting by posting.
pub async fn postings(
    on: impl Exec,
    project: ProjectId,
    customer: &CustomerId,
) -> Result<Vec<(String, Money)>> {
    let query = sql!(
        "select p.account, w.currency, p.amount from wallet_postings p
           join wallets w on w.customer_id = p.customer_id
         where w.project_id = $1 and p.customer_id = $2 order by p.number, p.position",
        project,
        customer
    );
    let rows: Vec<(String, String, String)> = on.all(query).await?;
    row::each(rows, |(account, currency, amount)| Ok((account, row::money("amount", &currency, &amount)?)))
}
