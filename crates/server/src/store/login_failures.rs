//! Failed logins by address, counted whether anybody has that address or not.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use super::token_hash::TokenHash;
use crate::sql;
use reckoner_domain::time::Timestamp;

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Failures that count.
    pub failures: u32,
    /// Until when nobody logs in there.
    pub locked_until: Option<Timestamp>,
}

/// When failures count, all in real time.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How many lock.
    pub failures_max: u32,
    /// For how long, in microseconds; failures further apart than that do not add up.
    pub lock_micros: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    failures: i64,
    locked_until: Option<i64>,
}

fn from_row(row: &Row) -> Result<Standing> {
    Ok(Standing {
        failures: row::count("failures", row.failures)?,
        locked_until: row::opt_time("locked_until", row.locked_until)?,
    })
}

/// How an address stands now; nothing when it is clean.
pub async fn standing(on: impl Exec, address: TokenHash, now: Timestamp) -> Result<Standing> {
    let query = sql!(
        "select failures, locked_until from login_failures where address_hash = $1 and forgotten_at > $2",
        address.0.as_slice(),
        now
    );
    Ok(on.opt(query).await?.as_ref().map(from_row).transpose()?.unwrap_or_default())
}

/// Counts a failure, and answers how the address stands after it. The one that reaches the limit
/// locks; those that come while it is locked change nothing.
pub async fn fail(on: impl Exec, address: TokenHash, rule: Rule, now: Timestamp) -> Result<Standing> {
    let end = now.plus_micros(rule.lock_micros);
    let first_lock = (rule.failures_max <= 1).then_some(end);
    // One statement: of any number at once each sees the count of the one before.
    let query = sql!(
        "insert into login_failures (address_hash, failures, locked_until, forgotten_at)
         values ($1, 1, $2, $3)
         on conflict (address_hash) do update set
           failures = case when login_failures.forgotten_at <= $4 then 1
             when login_failures.locked_until > $4 then login_failures.failures
             else login_failures.failures + 1 end,
           locked_until = case when login_failures.forgotten_at <= $4 then excluded.locked_until
             when login_failures.locked_until > $4 then login_failures.locked_until
             when login_failures.failures + 1 >= $5 then excluded.forgotten_at
             else login_failures.locked_until end,
           forgotten_at = case when login_failures.locked_until > $4 then login_failures.forgotten_at
             else excluded.forgotten_at end
         returning failures, locked_until",
        address.0.as_slice(),
        first_lock,
        end,
        now,
        rule.failures_max
    );
    from_row(&on.opt(query).await?.ok_or(StoreError::NotFound)?)
}

/// Forgets the failures of an address.
pub async fn forget(on: impl Exec, address: TokenHash) -> Result<()> {
    on.run(sql!("delete from login_failures where address_hash = $1", address.0.as_slice())).await.map(drop)
}

/// Deletes what does not count any more.
pub async fn purge(on: impl Exec, now: Timestamp) -> Result<u64> {
    on.run(sql!("delete from login_failures where forgotten_at <= $1", now)).await
}
