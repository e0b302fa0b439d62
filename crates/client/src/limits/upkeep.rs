//! Looks after leases: renews those in use, gives back those that are used up or idle.
use super::pool::{Chores, Pool};
use super::{Duration, Inner, Instant};
use std::sync::{Arc, Weak};
use tokio::task::JoinSet;

/// How often leases are looked after, in milliseconds.
const ROUND_MS: u64 = 250;
/// Calls at once.
const CALLS_MAX: usize = 8;

/// Looks after all leases until the limiter is gone.
pub(super) async fn run(limiter: Weak<Inner>) {
    let mut rounds = tokio::time::interval(Duration::from_millis(ROUND_MS));
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let Some(inner) = limiter.upgrade() else { return };
        round(&inner).await;
    }
}

async fn round(inner: &Arc<Inner>) {
    let _rounds = inner.rounds.lock().await;
    let now = Instant::now();
    let due: Vec<(Arc<Pool>, Chores)> = {
        let mut pools = inner.pools.lock();
        pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_idle(now));
        pools.values().map(|pool| (Arc::clone(pool), pool.chores(now))).collect()
    };
    let mut calls = JoinSet::new();
    for (pool, chores) in due {
        if chores.give_back.is_empty() && chores.renew.is_empty() {
            continue;
        }
        if calls.len() >= CALLS_MAX {
            calls.join_next().await;
        }
        let inner = Arc::clone(inner);
        calls.spawn(async move { do_chores(&inner, &pool, chores).await });
    }
    while calls.join_next().await.is_some() {}
}

async fn do_chores(inner: &Inner, pool: &Pool, chores: Chores) {
    inner.give_back(chores.give_back).await;
    for (id, share) in chores.renew {
        let asked = Instant::now();
        match inner.client.report_lease_at(&id, share.stored(), true).await {
            Ok(Some((lease, at))) => pool.renewed(&lease, asked, at),
            Ok(None) => pool.forget(&id),
            Err(error) => tracing::debug!(%error, "a lease was not renewed"),
        }
    }
}
