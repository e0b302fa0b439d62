//! What is true of a project's events beyond single segments.
use super::corrections::{CellKey, Corrections, Noted};
use super::intern::Interner;
use crate::format::record::{CorrectionRecord, EventRecord};
use reckoner_domain::sum::{Overflow, Sum};
use reckoner_domain::time::Timestamp;

/// The names in a project's events, how many there are, and what became of them.
#[derive(Default)]
pub struct Project {
    /// The sequence of the last clearing; 0 when it never was.
    pub cleared_at: u64,
    /// Customers by number.
    pub customers: Interner,
    /// Event types by number.
    pub event_types: Interner,
    /// How many events that are not void.
    pub events: u64,
    /// What became of events after they were stored.
    pub corrections: Corrections,
    /// How often customers of the project became others: what was begun before has to begin anew.
    pub renamings: u64,
}

impl Project {
    /// A project without events, after a clearing.
    pub fn cleared(at: u64) -> Self {
        Self { cleared_at: at, ..Self::default() }
    }

    /// Counts an event; answers the numbers of its type and customer.
    pub fn add(&mut self, event: &EventRecord<'_>) -> (u32, u32) {
        self.events += 1;
        (self.event_types.number(event.draft.event_type), self.customers.number(event.draft.customer))
    }

    /// Corrects an event; `None` when it names none of this project.
    pub fn correct(
        &mut self,
        correction: &CorrectionRecord<'_>,
        sequence: u64,
        received_at: Timestamp,
    ) -> Result<Option<Noted>, Overflow> {
        let numbers =
            (self.event_types.find(correction.event_type), self.customers.find(correction.customer));
        let (Some(event_type), Some(customer)) = numbers else { return Ok(None) };
        let cell = CellKey { hour: correction.time.hour_index(), event_type, customer };
        let after = correction.after.as_ref().map(|after| after.draft.value);
        let sum = Sum::ZERO.plus(after.unwrap_or_default())?.minus_sum(Sum::ZERO.plus(correction.before)?)?;
        let (target, void) = (correction.target, after.is_none());
        let noted = Noted { target, sequence, received_at, void, cell, sum };
        self.note(&noted)?;
        Ok(Some(noted))
    }

    /// Notes what a correction says.
    pub fn note(&mut self, noted: &Noted) -> Result<(), Overflow> {
        self.events = self.events.saturating_sub(u64::from(noted.void));
        self.corrections.note(noted)
    }
}
