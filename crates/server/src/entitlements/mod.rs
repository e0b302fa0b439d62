//! What customers may use: limits of their plans held against running counts, exact at the limit under
//! any concurrency. The count is the meter: whatever is recorded, voided or amended moves it, and it is
//! read from the event log.
mod counter;
mod counters;
mod current;
mod currents;
mod held;
mod leases;
mod refusals;
mod verdict;
mod warnings;

pub use current::Current;
pub use held::{Granted as GrantedFeature, Held};
pub use leases::{Granted, Lease};
pub use refusals::Wanted;
pub use verdict::{Refusal, Verdict};
pub use warnings::Warner;

use crate::billing::standing::{Has, Standing, StandingReader};
use crate::clock::Clock;
use crate::events::{Events, EventsError};
use crate::ingest::catalogues::Catalogues;
use crate::mail::MailError;
use crate::store::{Db, StoreError};
use counter::{Counter, Reserved, Taken};
use counters::Counters;
use leases::Holds;
use reckoner_domain::entitlement::Grant;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Catalogue, Meter, Readable};
use reckoner_domain::quota::{Limit, Quota, Reset, Resets};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;
use refusals::Refusals;
use std::hash::Hash;
use std::sync::Arc;
use verdict::tightest;

/// Decides what customers may use. Clones share one state.
#[derive(Clone)]
pub struct Entitlements {
    db: Db,
    clock: Clock,
    events: Events,
    catalogues: Catalogues,
    standing: StandingReader,
    counters: Counters,
    holds: Holds,
    refusals: Refusals,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be read.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// A mail could not be queued.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// There are as many leases as there may be.
    #[error("there are too many leases: return some, or wait until they expire")]
    TooManyLeases,
    /// No meter reads it.
    #[error("no meter has this key, and none reads this event type")]
    NoMeter,
}

impl From<Overflow> for DecideError {
    fn from(error: Overflow) -> Self {
        Self::Events(error.into())
    }
}

/// An event that somebody wants to record.
pub struct Wish<'a> {
    /// Whose usage it is.
    pub customer: &'a str,
    /// Its type.
    pub event_type: &'a str,
    /// What uses it.
    pub subject: Option<&'a str>,
    /// What meters look at.
    pub readable: Readable<'a>,
}

/// What was decided about an event.
pub enum Decision {
    /// It may be recorded, as long as this is held.
    Allowed(Permit),
    /// It may not.
    Refused(Denial),
}

/// That an event may not be recorded, and by what that was decided.
pub struct Denial {
    /// What is to be said of it.
    pub verdict: Verdict,
    standing: Arc<Standing>,
}

/// The permission to record an event: what it takes is held for it until this is dropped, which must be
/// after it is committed or is certain not to be.
pub struct Permit {
    limits: Vec<Limited>,
    reserved: Vec<Reserved>,
    turns: Vec<tokio::sync::OwnedMutexGuard<()>>,
    plain: Verdict,
}

/// A count that a limit is held against.
struct Limited {
    counter: Arc<Counter>,
    limit: Limit,
    reset: Reset,
}

/// What a customer's plan says of a meter.
enum Said {
    /// The customer has nothing, or did not pay.
    Nothing(Verdict),
    /// Nothing is limited.
    Free,
    /// These limits, of which none may be passed.
    Limits(Vec<Limited>),
}

impl Entitlements {
    /// Over a store and the events; leases that a process before this one gave are taken over.
    pub async fn start(
        (db, clock): (Db, Clock),
        events: Events,
        catalogues: Catalogues,
        standing: StandingReader,
    ) -> Result<Self, StoreError> {
        let counters = Counters::new(events.clone());
        let holds = Holds::load(&db, clock.real()).await?;
        Ok(Self { db, clock, events, catalogues, standing, counters, holds, refusals: Refusals::default() })
    }

    /// What may be used of a meter, or of the meters of an event type, without using it.
    pub async fn check(
        &self,
        project: ProjectId,
        customer: &str,
        name: &str,
        units: Ratio,
    ) -> Result<Verdict, DecideError> {
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let event_type = event_type_of(&catalogue, name).ok_or(DecideError::NoMeter)?.to_owned();
        let standing = self.standing.of(project, customer).await?;
        let limits = match self.said(project, customer, &standing, (&catalogue, &event_type), now) {
            Said::Nothing(refusal) => return Ok(refusal),
            Said::Free => return Ok(Verdict::unlimited()),
            Said::Limits(limits) => limits,
        };
        let mut verdicts = Vec::with_capacity(limits.len());
        for limited in &limits {
            let used = limited.counter.used(&self.events, now).await?;
            let held = self.held_of(limited);
            let step = limited.counter.asked_step(used, units)?;
            let allowed = limited.limit.allows(used.plus(held)?, step)?;
            let refused = (!allowed).then_some(Refusal::Limit);
            verdicts.push(limited.verdict((used, held))?.refusing(refused));
        }
        Ok(tightest(verdicts).unwrap_or_else(Verdict::unlimited))
    }

    /// Decides about an event. Of any number that are decided at once, those that are allowed never pass
    /// a limit that blocks together, and none is refused that the others leave room for.
    pub async fn decide(&self, project: ProjectId, wish: &Wish<'_>) -> Result<Decision, DecideError> {
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let standing = self.standing.of(project, wish.customer).await?;
        let said = self.said(project, wish.customer, &standing, (&catalogue, wish.event_type), now);
        let refuse = |verdict| Decision::Refused(Denial { verdict, standing: Arc::clone(&standing) });
        let mut permit = Permit {
            limits: Vec::new(),
            reserved: Vec::new(),
            turns: Vec::new(),
            plain: Verdict::unlimited(),
        };
        let limits = match said {
            Said::Nothing(refusal) => return Ok(refuse(refusal)),
            Said::Free => return Ok(Decision::Allowed(permit)),
            Said::Limits(limits) => limits,
        };
        for limited in limits {
            let allowed = match limited.limit {
                Limit::Block(units) => {
                    self.take(&limited, Ratio::from(units), wish, now, &mut permit).await?
                }
                Limit::Overage(_) | Limit::Unlimited => true,
            };
            if !allowed {
                let used = limited.counter.used(&self.events, now).await?;
                let verdict = limited.verdict((used, self.held_of(&limited)))?;
                return Ok(refuse(verdict.refusing(Some(Refusal::Limit))));
            }
            permit.limits.push(limited);
        }
        Ok(Decision::Allowed(permit))
    }

    /// What was said of an event before that was refused then, and still is.
    pub async fn refused_before(
        &self,
        wanted: &Wanted<'_, impl Hash>,
        customer: &str,
    ) -> Result<Option<Verdict>, DecideError> {
        let now = self.clock.of_project(wanted.project);
        let Some(refused) = self.refusals.of(wanted, now) else { return Ok(None) };
        Ok(refused.verdict_for(&self.standing.of(wanted.project, customer).await?))
    }

    /// Remembers that an event was refused, where that is not for what leases hold.
    pub fn note_refused(&self, wanted: &Wanted<'_, impl Hash>, denial: &Denial) {
        let Denial { verdict, standing } = denial;
        if verdict.is_without_leases() {
            let now = self.clock.of_project(wanted.project);
            self.refusals.note(wanted, Arc::clone(standing), verdict.clone(), now);
        }
    }

    /// What is to be said of an event after it was recorded.
    pub async fn verdict(&self, project: ProjectId, permit: &Permit) -> Result<Verdict, DecideError> {
        let now = self.clock.of_project(project);
        let mut verdicts = Vec::with_capacity(permit.limits.len());
        for limited in &permit.limits {
            let used = limited.counter.used(&self.events, now).await?;
            verdicts.push(limited.verdict((used, self.held_of(limited)))?);
        }
        Ok(tightest(verdicts).unwrap_or_else(|| permit.plain.clone()))
    }

    /// Takes what an event needs of a limit that blocks; false where it would pass it.
    async fn take(
        &self,
        limited: &Limited,
        units: Ratio,
        wish: &Wish<'_>,
        now: Timestamp,
        permit: &mut Permit,
    ) -> Result<bool, DecideError> {
        let counter = &limited.counter;
        let Some(reading) = counter.reading(&wish.readable) else { return Ok(true) };
        if !counter.adds_up() {
            permit.turns.push(Arc::clone(&counter.serial).lock_owned().await);
            let used = counter.used(&self.events, now).await?;
            let step = counter.step(&self.events, (used, now), (&reading, wish.subject)).await?;
            let after = used.plus(self.held_of(limited))?.plus(step)?;
            return Ok(step <= Ratio::ZERO || after <= units);
        }
        let step = counter.step(&self.events, (Ratio::ZERO, now), (&reading, wish.subject)).await?;
        loop {
            match counter.take(step, units, || self.held_of(limited))? {
                Taken::Reserved(reserved) => {
                    permit.reserved.push(reserved);
                    return Ok(true);
                }
                Taken::Refused => return Ok(false),
                Taken::Wait(freed) => freed.await,
                Taken::Unknown => {
                    counter.used(&self.events, now).await?;
                }
            }
        }
    }

    fn held_of(&self, limited: &Limited) -> Ratio {
        self.holds.of(&limited.counter, self.clock.real())
    }

    /// What a customer that paid may use of an event type, by the order of its meters.
    fn said(
        &self,
        project: ProjectId,
        customer: &str,
        standing: &Standing,
        asked: (&Catalogue, &str),
        now: Timestamp,
    ) -> Said {
        if standing.is_suspended {
            return Said::Nothing(Verdict::suspended());
        }
        self.planned(project, customer, standing, asked, now)
    }

    /// What a customer's plan says of an event type, whether or not it paid for it.
    fn planned(
        &self,
        project: ProjectId,
        customer: &str,
        standing: &Standing,
        (catalogue, event_type): (&Catalogue, &str),
        now: Timestamp,
    ) -> Said {
        match &standing.has {
            Has::Nothing => return Said::Nothing(Verdict::not_entitled()),
            Has::Unlimited => return Said::Free,
            Has::Plan { .. } => {}
        }
        let quotas = quotas_of(&standing.has, catalogue, event_type).into_iter();
        let limits: Vec<_> = quotas
            .map(|(quota, meter, resets)| self.limited(project, customer, (quota, meter), resets, now))
            .collect();
        if limits.is_empty() { Said::Free } else { Said::Limits(limits) }
    }

    fn limited(
        &self,
        project: ProjectId,
        customer: &str,
        (quota, meter): (&Quota, &Meter),
        resets: &Resets,
        now: Timestamp,
    ) -> Limited {
        let window = resets.window_at(quota.reset, now);
        let counter = self.counters.of(project, customer, meter, window);
        Limited { counter, limit: quota.limit, reset: quota.reset }
    }
}

impl Limited {
    fn verdict(&self, counted: (Ratio, Ratio)) -> Result<Verdict, Overflow> {
        Verdict::of(self.limit, counted, Some((self.counter.window().end, self.reset)))
    }
}

/// The quotas that a plan has of an event type, with their meters, by the order of these, and when they are counted
/// anew.
fn quotas_of<'h, 'c>(
    has: &'h Has,
    catalogue: &'c Catalogue,
    event_type: &str,
) -> Vec<(&'h Quota, &'c Meter, &'h Resets)> {
    let Has::Plan { plan, resets, .. } = has else { return Vec::new() };
    let metered = plan.entitlements.iter().filter_map(|entitlement| match &entitlement.grant {
        Grant::Metered(quota) => Some((quota, catalogue.get(quota.meter.as_str())?, resets)),
        Grant::Boolean | Grant::Static(_) => None,
    });
    let mut quotas: Vec<_> = metered.filter(|(_, meter, _)| meter.event_type == event_type).collect();
    quotas.sort_by(|(_, a, _), (_, b, _)| a.key.as_str().cmp(b.key.as_str()));
    quotas
}

/// The event type that a name means: that of this name, or of the meter with this key.
fn event_type_of<'c>(catalogue: &'c Catalogue, name: &'c str) -> Option<&'c str> {
    if catalogue.reading(name).is_some() {
        return Some(name);
    }
    catalogue.get(name).map(|meter| meter.event_type.as_str())
}
