//! Events that were refused: one that is sent again is answered what it was answered first.
use super::verdict::Verdict;
use crate::billing::standing::Standing;
use parking_lot::Mutex;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, Timestamp};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// Refusals of one generation; two are kept.
const REFUSALS_MAX: usize = 50_000;

/// The refusals at hand, in the memory of this process. Clones share one state.
#[derive(Clone, Default)]
pub struct Refusals {
    known: Arc<Mutex<Generations>>,
    /// Keyed anew by each process: nobody makes events that are taken for another.
    hashers: [RandomState; 2],
}

/// By the hash of project and id.
#[derive(Default)]
struct Generations {
    present: HashMap<u64, Refused>,
    before: HashMap<u64, Refused>,
}

/// An event that was refused.
#[derive(Clone)]
pub struct Refused {
    verdict: Verdict,
    /// What the customer had. Once it has something else, anything may be allowed.
    standing: Arc<Standing>,
    /// The hash of the event, with what it said.
    event: u64,
    until: Timestamp,
}

/// An event that somebody wants to record.
#[derive(Hash)]
pub struct Wanted<'a, C> {
    /// The project.
    pub project: ProjectId,
    /// The event's id.
    pub id: &'a str,
    /// What it says.
    pub content: C,
}

impl Refusals {
    /// The refusal of an event before.
    pub fn of<C: Hash>(&self, wanted: &Wanted<'_, C>, now: Timestamp) -> Option<Refused> {
        let name = self.name(wanted);
        let refused = {
            let known = self.known.lock();
            known.present.get(&name).or_else(|| known.before.get(&name))?.clone()
        };
        (now < refused.until && refused.event == self.event(wanted)).then_some(refused)
    }

    /// Remembers what was said, until the quota is counted anew, and for a day at most.
    pub fn note<C: Hash>(
        &self,
        wanted: &Wanted<'_, C>,
        standing: Arc<Standing>,
        verdict: Verdict,
        now: Timestamp,
    ) {
        let (name, event) = (self.name(wanted), self.event(wanted));
        let a_day = now.plus_micros(DAY);
        let until = verdict.resets.map_or(a_day, |(resets_at, _)| resets_at.min(a_day));
        let mut known = self.known.lock();
        if known.present.len() >= REFUSALS_MAX {
            known.before = std::mem::take(&mut known.present);
        }
        known.present.insert(name, Refused { verdict, standing, event, until });
    }

    fn name<C>(&self, wanted: &Wanted<'_, C>) -> u64 {
        let [of_names, _] = &self.hashers;
        of_names.hash_one((wanted.project, wanted.id))
    }

    fn event<C: Hash>(&self, wanted: &Wanted<'_, C>) -> u64 {
        let [_, of_events] = &self.hashers;
        of_events.hash_one(wanted)
    }
}

impl Refused {
    /// What was said then, for as long as the customer has what it had.
    pub fn verdict_for(self, standing: &Arc<Standing>) -> Option<Verdict> {
        let has_the_same = Arc::ptr_eq(&self.standing, standing);
        has_the_same.then_some(Verdict { is_repeat: true, ..self.verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::standing::Has;

    fn wanted(id: &str, content: u64) -> Wanted<'_, u64> {
        Wanted { project: ProjectId(1), id, content }
    }

    #[test]
    fn a_refusal_stands_while_nothing_but_usage_changes() {
        let at = Timestamp::from_micros_clamped;
        let standing = || Arc::new(Standing { has: Has::Nothing, is_suspended: false, until: None });
        let (refusals, had) = (Refusals::default(), standing());
        let said = Verdict::not_entitled();
        let again_of = |event: &Wanted<'_, u64>, standing: &Arc<Standing>, now| {
            refusals.of(event, now).and_then(|refused| refused.verdict_for(standing))
        };
        refusals.note(&wanted("a", 1), Arc::clone(&had), said.clone(), at(0));
        let again = again_of(&wanted("a", 1), &had, at(DAY - 1));
        assert_eq!(again, Some(Verdict { is_repeat: true, ..said.clone() }));
        assert_eq!(again_of(&wanted("a", 1), &had, at(DAY)), None, "a day later");
        assert_eq!(again_of(&wanted("a", 2), &had, at(0)), None, "another event");
        assert_eq!(again_of(&wanted("a", 1), &standing(), at(0)), None, "another plan");
        assert_eq!(again_of(&wanted("b", 1), &had, at(0)), None);
        // The memory is bounded: of many the earliest go.
        for number in 0..2 * REFUSALS_MAX {
            refusals.note(&wanted(&number.to_string(), 1), Arc::clone(&had), said.clone(), at(0));
        }
        assert_eq!(again_of(&wanted("a", 1), &had, at(0)), None);
        assert!(again_of(&wanted("99999", 1), &had, at(0)).is_some());
        let known = refusals.known.lock();
        assert!(known.present.len() + known.before.len() <= 2 * REFUSALS_MAX);
    }
}
