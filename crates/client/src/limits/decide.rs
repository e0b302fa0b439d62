//! Decisions.
use super::pool::{Held, Pool, PoolKey, Taken};
use super::{Decision, Inner, Instant, POOLS_MAX, WhenAway};
use crate::client::{Error, LeaseAnswer, RetryPolicy};
use crate::record::Record;
use http::StatusCode;
use reckoner_api::entitlement::RefusalReason;
use std::sync::Arc;

/// How often one decision is asked for while others take units ahead.
const ASKS_MAX: u32 = 8;

impl Inner {
    pub(super) async fn take(self: &Arc<Self>, record: &Record, units: u64) -> Decision {
        let pool = self.pool(record);
        if let Some(decision) = self.take_local(&pool, record, units) {
            return decision;
        }
        if self.breaker.is_away(Instant::now()) {
            return self.without(record);
        }
        if !pool.is_near() {
            let filling = pool.filling.lock().await;
            // Another call may have fetched some meanwhile.
            if let Some(decision) = self.take_local(&pool, record, units) {
                return decision;
            }
            if !pool.is_near() && self.fill(&pool, units).await.is_err() {
                return self.without(record);
            }
            drop(filling);
            if let Some(decision) = self.take_local(&pool, record, units) {
                return decision;
            }
        }
        self.ask(&pool, record).await
    }

    /// Has the server decide. Units that others of this process took ahead meanwhile are no reason to refuse.
    async fn ask(&self, pool: &Pool, record: &Record) -> Decision {
        let mut asked = 1;
        loop {
            let grants = self.settle_leases(pool).await;
            let decision = self.consume(pool, record).await;
            if decision.reason() != Some(RefusalReason::Limit) || asked == ASKS_MAX {
                return decision;
            }
            let _filling = pool.filling.lock().await;
            if pool.grants() == grants {
                return decision;
            }
            asked += 1;
        }
    }

    fn pool(&self, record: &Record) -> Arc<Pool> {
        let mut pools = self.pools.lock();
        let key = PoolKey::of(record);
        if let Some(pool) = pools.get(&key) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool::new(key.clone()));
        if pools.len() < POOLS_MAX {
            pools.insert(key, Arc::clone(&pool));
        }
        pool
    }

    /// Decides with what was taken ahead.
    fn take_local(self: &Arc<Self>, pool: &Arc<Pool>, record: &Record, units: u64) -> Option<Decision> {
        let Taken { share, verdict, low } = pool.take(units, Instant::now())?;
        let settled = share.map(|share| {
            let settled: crate::tracker::OnSettled = Box::new(move |stored| share.settle(units, stored));
            settled
        });
        self.tracker.track_then(record, settled);
        if let Some(turn) = low {
            let (inner, pool) = (Arc::clone(self), Arc::clone(pool));
            tokio::spawn(async move {
                let _filling = pool.filling.lock().await;
                if pool.is_turn(turn) {
                    // Whoever finds none asks again and hears why.
                    let _ = inner.fill(&pool, units).await;
                }
            });
        }
        Some(Decision { allowed: true, verdict: Some(verdict), local: true })
    }

    /// Takes more units ahead. `Err`: the server could not be asked.
    async fn fill(&self, pool: &Pool, units: u64) -> Result<(), ()> {
        let (asked, wanted) = (Instant::now(), pool.ask(self.lease_units, units));
        let key = &pool.key;
        let asking = self.client.lease_at(&key.customer, key.subject(), &key.meter, wanted);
        match self.in_time(asking).await {
            Ok((LeaseAnswer::Granted(lease), at)) => {
                pool.grant(lease, wanted, asked, at);
                Ok(())
            }
            Ok((LeaseAnswer::Refused(verdict), _)) => {
                pool.refuse(verdict);
                Ok(())
            }
            Err(error) => {
                pool.unfilled();
                self.note(&error);
                Err(())
            }
        }
    }

    /// Units that are recorded count, and so do leases that hold them: what is left of those is given back before a
    /// decision is asked for, so that it is not refused on their account. Returns how many there were so far.
    async fn settle_leases(&self, pool: &Pool) -> u64 {
        let _filling = pool.filling.lock().await;
        let leases = pool.drain();
        if !leases.is_empty() && self.tracker.flush().await.is_ok() {
            self.give_back(leases).await;
        }
        let _returning = pool.returning.lock().await;
        pool.grants()
    }

    /// Gives leases back whose records are settled.
    pub(super) async fn give_back(&self, leases: Vec<Held>) {
        for held in leases {
            if let Err(error) = self.client.return_lease(&held.id, held.share.stored()).await {
                tracing::debug!(%error, "a lease was not given back; it expires");
            }
        }
    }

    /// One round trip that checks and records.
    async fn consume(&self, pool: &Pool, record: &Record) -> Decision {
        let client = self.client.with_retry(RetryPolicy { attempts_max: 2, ..RetryPolicy::default() });
        match self.in_time(client.consume(&record.untimed())).await {
            Ok(verdict) => {
                pool.learn(&verdict, self.lease_units);
                Decision { allowed: verdict.allowed, verdict: Some(verdict), local: false }
            }
            // The same request came before and was counted then.
            Err(Error::Refused { status: StatusCode::CONFLICT, .. }) => {
                Decision { allowed: true, verdict: None, local: false }
            }
            Err(error) => {
                self.note(&error);
                self.without(record)
            }
        }
    }

    /// Decides without the server.
    fn without(&self, record: &Record) -> Decision {
        let allowed = self.when_away == WhenAway::Allow;
        if allowed {
            self.tracker.track_then(record, None);
        }
        Decision { allowed, verdict: None, local: true }
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let answer = tokio::time::timeout(self.decision_timeout, asking).await.unwrap_or_else(|_| {
            let url = self.client.base().to_owned();
            Err(Error::Unreachable { url, reason: "no decision in time".to_owned() })
        });
        if answer.is_ok() {
            self.breaker.succeeded();
        }
        answer
    }

    /// Remembers that the server gave no decision.
    fn note(&self, error: &Error) {
        if self.breaker.failed(Instant::now()) {
            tracing::warn!(%error, when_away = ?self.when_away, "no decision can be had");
        }
    }
}
