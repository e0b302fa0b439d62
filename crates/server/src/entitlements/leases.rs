//! Leases: units of a quota that a client takes ahead, to decide without asking. What a lease holds and
//! was not told to be used is nobody else's until it is returned or expires.
use super::counter::{Counter, Taken};
use super::{DecideError, Entitlements, Limited, Refusal, Said, Verdict, event_type_of};
use crate::random;
use crate::store::quota_leases::{self, StoredLease};
use crate::store::{Db, StoreError};
use parking_lot::Mutex;
use reckoner_domain::id::{LeaseId, ProjectId};
use reckoner_domain::quota::Limit;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::{SECOND, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// How long a lease lasts unless it is renewed, in seconds.
pub const LEASE_S: i64 = 60;
/// Most leases at once.
const LEASES_MAX: usize = 100_000;

/// A lease, and what its customer has beside it.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What was taken.
    pub lease: StoredLease,
    /// What is said of the customer's quota.
    pub verdict: Verdict,
}

/// What came of asking for a lease.
pub enum Granted {
    /// It was given.
    Lease(Box<Lease>),
    /// There is nothing to give.
    Refused(Verdict),
}

/// What leases hold. Clones share one state.
#[derive(Clone, Default)]
pub struct Holds(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    leases: HashMap<LeaseId, StoredLease>,
    of: HashMap<(ProjectId, String, String), Vec<LeaseId>>,
}

impl Holds {
    /// Those that the store has.
    pub async fn load(db: &Db, now: Timestamp) -> Result<Self, StoreError> {
        let holds = Self::default();
        for lease in quota_leases::load(db, now).await? {
            holds.put(lease);
        }
        Ok(holds)
    }

    /// What the leases of a customer hold of a count at an instant.
    pub fn of(&self, counter: &Counter, now: Timestamp) -> Ratio {
        let known = self.0.lock();
        if known.leases.is_empty() {
            return Ratio::ZERO;
        }
        let name =
            (counter.project(), counter.customer().to_owned(), counter.meter().key.as_str().to_owned());
        let leases = known.of.get(&name).into_iter().flatten().filter_map(|id| known.leases.get(id));
        let start = counter.window().start;
        let held = leases.filter(|lease| lease.expires_at > now && lease.window_start == start);
        held.filter_map(|lease| lease.granted.minus(lease.used).ok())
            .filter(|held| *held > Ratio::ZERO)
            .try_fold(Ratio::ZERO, Ratio::plus)
            .unwrap_or_default()
    }

    fn put(&self, lease: StoredLease) {
        let mut known = self.0.lock();
        let name = (lease.project, lease.customer.clone(), lease.meter.clone());
        let id = lease.id.clone();
        if known.leases.insert(id.clone(), lease).is_none() {
            known.of.entry(name).or_default().push(id);
        }
    }

    fn get(&self, project: ProjectId, id: &LeaseId, now: Timestamp) -> Option<StoredLease> {
        let known = self.0.lock();
        known.leases.get(id).filter(|lease| lease.project == project && lease.expires_at > now).cloned()
    }

    /// Changes a lease that has not ended, and answers what it is then.
    fn change(
        &self,
        (project, id): (ProjectId, &LeaseId),
        now: Timestamp,
        change: impl FnOnce(&mut StoredLease),
    ) -> Option<StoredLease> {
        let mut known = self.0.lock();
        let found = known.leases.get_mut(id);
        let lease = found.filter(|lease| lease.project == project && lease.expires_at > now)?;
        change(lease);
        Some(lease.clone())
    }

    fn remove(&self, id: &LeaseId) {
        let mut known = self.0.lock();
        let Some(lease) = known.leases.remove(id) else { return };
        let name = (lease.project, lease.customer, lease.meter);
        if let Some(ids) = known.of.get_mut(&name) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                known.of.remove(&name);
            }
        }
    }

    fn count(&self) -> usize {
        self.0.lock().leases.len()
    }

    /// Forgets those that have ended.
    fn purge(&self, now: Timestamp) {
        let ended: Vec<LeaseId> = {
            let known = self.0.lock();
            known
                .leases
                .values()
                .filter(|lease| lease.expires_at <= now)
                .map(|lease| lease.id.clone())
                .collect()
        };
        for id in ended {
            self.remove(&id);
        }
    }
}

impl Entitlements {
    /// Takes units ahead: as many as are wanted, or as there are.
    pub async fn lease(
        &self,
        project: ProjectId,
        (customer, name): (&str, &str),
        wanted: Ratio,
    ) -> Result<Granted, DecideError> {
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let event_type = event_type_of(&catalogue, name).ok_or(DecideError::NoMeter)?.to_owned();
        let standing = self.standing.of(project, customer).await?;
        let limits = match self.said(project, customer, &standing, (&catalogue, &event_type), now) {
            Said::Nothing(refusal) => return Ok(Granted::Refused(refusal)),
            Said::Free => Vec::new(),
            Said::Limits(limits) => limits,
        };
        // A lease is of one meter: where several limit it, of the first that blocks.
        let blocking = limits.iter().find(|limited| matches!(limited.limit, Limit::Block(_)));
        let Some(limited) = blocking.or(limits.first()) else {
            let lease = self.give(project, customer, (name, now), wanted).await?;
            return Ok(Granted::Lease(Box::new(Lease { lease, verdict: Verdict::unlimited() })));
        };
        let counted = (limited.counter.meter().key.to_string(), limited.counter.window().start);
        let given = match limited.limit {
            Limit::Block(units) if limited.counter.adds_up() => {
                self.give_of(limited, (Ratio::from(units), now), wanted).await?
            }
            // What does not add up cannot be shared out.
            Limit::Block(_) => None,
            Limit::Overage(_) | Limit::Unlimited => {
                Some(self.give(project, customer, (&counted.0, counted.1), wanted).await?)
            }
        };
        let used = limited.counter.used(&self.events, now).await?;
        let verdict = limited.verdict((used, self.held_of(limited)))?;
        Ok(match given {
            Some(lease) => Granted::Lease(Box::new(Lease { lease, verdict })),
            None => Granted::Refused(verdict.refusing(Some(Refusal::Limit))),
        })
    }

    /// Gives what is left of a limit that blocks; `None` where nothing is.
    async fn give_of(
        &self,
        limited: &Limited,
        (limit, now): (Ratio, Timestamp),
        wanted: Ratio,
    ) -> Result<Option<StoredLease>, DecideError> {
        let counter = &limited.counter;
        loop {
            let Some(left) = counter.left(limit, || self.held_of(limited))? else {
                counter.used(&self.events, now).await?;
                continue;
            };
            let units = wanted.min(left);
            if units <= Ratio::ZERO {
                return Ok(None);
            }
            match counter.take(units, limit, || self.held_of(limited))? {
                Taken::Reserved(_until_it_is_a_lease) => {
                    let place = (counter.meter().key.as_str(), counter.window().start);
                    return self.give(counter.project(), counter.customer(), place, units).await.map(Some);
                }
                Taken::Refused => return Ok(None),
                Taken::Wait(_) => {}
                Taken::Unknown => {
                    counter.used(&self.events, now).await?;
                }
            }
        }
    }

    async fn give(
        &self,
        project: ProjectId,
        customer: &str,
        (meter, window_start): (&str, Timestamp),
        granted: Ratio,
    ) -> Result<StoredLease, DecideError> {
        let real = self.clock.real();
        if self.holds.count() >= LEASES_MAX {
            self.holds.purge(real);
        }
        if self.holds.count() >= LEASES_MAX {
            return Err(DecideError::TooManyLeases);
        }
        let lease = StoredLease {
            id: LeaseId::from_bits(random::id_bits(real).map_err(StoreError::from)?),
            project,
            customer: customer.to_owned(),
            meter: meter.to_owned(),
            granted,
            used: Ratio::ZERO,
            window_start,
            expires_at: real.plus_micros(LEASE_S * SECOND),
        };
        quota_leases::create(&self.db, &lease).await?;
        self.holds.put(lease.clone());
        Ok(lease)
    }

    /// Notes how much of a lease was used so far, and renews it where asked to; `None` where it has
    /// ended. What was told before is never taken back.
    pub async fn report(
        &self,
        project: ProjectId,
        id: &LeaseId,
        used: Ratio,
        renew: bool,
    ) -> Result<Option<Lease>, DecideError> {
        let real = self.clock.real();
        // In one step: of two reports at once neither takes the other's back.
        let changed = self.holds.change((project, id), real, |lease| {
            lease.used = lease.used.max(used);
            if renew {
                lease.expires_at = lease.expires_at.max(real.plus_micros(LEASE_S * SECOND));
            }
        });
        let Some(lease) = changed else { return Ok(None) };
        match quota_leases::update(&self.db, &lease).await {
            Ok(()) => {}
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let verdict = self.check(project, &lease.customer, &lease.meter, Ratio::ZERO).await?;
        Ok(Some(Lease { lease, verdict }))
    }

    /// The same, and what was not used is free again.
    pub async fn give_back(
        &self,
        project: ProjectId,
        id: &LeaseId,
        used: Ratio,
    ) -> Result<Option<Lease>, DecideError> {
        let Some(mut lease) = self.holds.get(project, id, self.clock.real()) else { return Ok(None) };
        quota_leases::remove(&self.db, project, id).await?;
        self.holds.remove(id);
        lease.used = lease.used.max(used);
        let verdict = self.check(project, &lease.customer, &lease.meter, Ratio::ZERO).await?;
        Ok(Some(Lease { lease, verdict }))
    }

    /// Forgets leases that have ended.
    pub async fn purge_leases(&self) -> Result<(), StoreError> {
        let real = self.clock.real();
        quota_leases::purge(&self.db, real).await?;
        self.holds.purge(real);
        Ok(())
    }
}
