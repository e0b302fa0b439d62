//! Looks after leases: renews those in use, gives back those that are used up or idle.
use super::pool::{Chores, Pool};
use super::{Duration, Inner, Instant};
use std::sync::{Arc, Weak};
use tokio::sync::OwnedMutexGuard;
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
    let pools: Vec<Arc<Pool>> = {
        let mut pools = inner.pools.lock();
        pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_idle(now));
        pools.values().cloned().collect()
    };
    let mut calls = JoinSet::new();
    for pool in pools {
        // Nobody waits for what is to be given back while it waits for others.
        if calls.len() >= CALLS_MAX {
            calls.join_next().await;
        }
        let returning = Arc::clone(&pool.returning).lock_owned().await;
        let chores = pool.chores(now);
        if chores.give_back.is_empty() && chores.renew.is_empty() {
            continue;
        }
        let inner = Arc::clone(inner);
        calls.spawn(async move { do_chores(&inner, &pool, chores, returning).await });
    }
    while calls.join_next().await.is_some() {}
}

async fn do_chores(inner: &Inner, pool: &Pool, chores: Chores, returning: OwnedMutexGuard<()>) {
    inner.give_back(chores.give_back).await;
    drop(returning);
    for (id, share) in chores.renew {
        let asked = Instant::now();
        match inner.client.report_lease_at(&id, share.stored(), true).await {
            Ok(Some((lease, at))) => pool.renewed(&lease, asked, at),
            Ok(None) => pool.forget(&id),
            Err(error) => tracing::debug!(%error, "a lease was not renewed"),
        }
    }
}
