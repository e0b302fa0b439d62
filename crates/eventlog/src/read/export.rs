//! All events that pass a filter, in the order in which they are read fastest: sealed ones file by
//! file, then those in the log.
use super::fetch;
use super::list::ListFilter;
use crate::columns::{Columns, Fields, Group, Kind};
use crate::error::ReadError;
use crate::memory::Version;
use crate::memory::corrections::Known;
use crate::memory::places::{Finder, Place};
use crate::shared::{Shared, to_event};
use reckoner_domain::event::Event;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Records looked at together.
const RECORDS_AT_ONCE: usize = if cfg!(test) { 8 } else { 8 * 1024 };

impl Iterator for Export {
    type Item = Result<Vec<Event>, ReadError>;

    /// The next events, at least one.
    fn next(&mut self) -> Option<Self::Item> {
        self.read_on().transpose()
    }
}

/// Whether a row group may have events that pass.
fn may_pass(filter: &ListFilter, group: &Group) -> bool {
    let has = |name: &Option<String>, (least, greatest): &(Vec<u8>, Vec<u8>)| {
        name.as_ref()
            .is_none_or(|name| least.as_slice() <= name.as_bytes() && name.as_bytes() <= greatest.as_slice())
    };
    group.projects.is_none_or(|(least, greatest)| (least..=greatest).contains(&filter.project.0))
        && group.customers.as_ref().is_none_or(|range| has(&filter.customer, range))
        && group.event_types.as_ref().is_none_or(|range| has(&filter.event_type, range))
        && group.times.is_none_or(|(first, last)| {
            filter.from.is_none_or(|from| last >= from) && filter.to.is_none_or(|to| first < to)
        })
}

/// An export on its way: all events that were there when it began, as they stood then. It fails where
/// the project is cleared meanwhile.
pub struct Export {
    shared: Arc<Shared>,
    filter: ListFilter,
    known: Known,
    cleared_at: u64,
    /// Rows of columns that may pass, not read yet.
    rows: VecDeque<(Arc<Columns>, Range<u32>)>,
    /// The first sequence that is not read yet, of those that are not in columns.
    next: u64,
}

impl Export {
    /// Nothing read yet. Order, place and limit of the filter do not count.
    pub fn new(shared: Arc<Shared>, filter: ListFilter) -> Result<Self, ReadError> {
        let memory = shared.memory.read();
        let cleared_at = memory.cleared_at(filter.project);
        let (sequence, dropped_through) = (memory.sequence, memory.dropped_through);
        // Segments become columns from the first one on.
        let parts: Vec<_> =
            memory.parts.iter().take_while(|part| !part.columns().is_empty()).cloned().collect();
        drop(memory);
        let next = parts.last().map_or(dropped_through, |part| part.last_sequence()) + 1;
        let asked = parts.iter().filter(|part| part.section(filter.project, cleared_at).is_some());
        let mut rows = VecDeque::new();
        for columns in asked.flat_map(|part| part.columns()) {
            let groups = columns.groups(|group| may_pass(&filter, group))?;
            rows.extend(groups.into_iter().map(|group| (Arc::clone(columns), group)));
        }
        let known = Known { sequence, as_of: None };
        Ok(Self { shared, filter, known, cleared_at, rows, next: next.max(cleared_at + 1) })
    }

    fn read_on(&mut self) -> Result<Option<Vec<Event>>, ReadError> {
        loop {
            let events = match self.rows.front_mut() {
                Some((columns, rows)) => {
                    let columns = Arc::clone(columns);
                    let end = rows.end.min(rows.start.saturating_add(RECORDS_AT_ONCE as u32));
                    let taken = rows.start..end;
                    rows.start = end;
                    if rows.start >= rows.end {
                        self.rows.pop_front();
                    }
                    self.of_rows(&columns, taken)?
                }
                None if self.next > self.known.sequence => return Ok(None),
                None => {
                    let end = self.known.sequence.min(self.next + RECORDS_AT_ONCE as u64 - 1);
                    let taken = self.next..end + 1;
                    self.next = end + 1;
                    self.of_log(taken)?
                }
            };
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
    }

    /// The events among these rows that pass.
    fn of_rows(&self, columns: &Columns, rows: Range<u32>) -> Result<Vec<Event>, ReadError> {
        let mut events = Vec::new();
        columns.read_range(rows, Fields::ALL, |_, row| {
            let origin = row.origin;
            if row.kind == Kind::Event
                && origin.project == self.filter.project
                && origin.sequence > self.cleared_at
            {
                events.push(to_event(&origin, &row.event));
            }
            Ok::<(), ReadError>(())
        })?;
        self.standing(events)
    }

    /// The events among the records of the log with these sequences that pass.
    fn of_log(&self, sequences: Range<u64>) -> Result<Vec<Event>, ReadError> {
        let found: Vec<_> = {
            let memory = self.shared.memory.read();
            sequences
                .filter(|sequence| memory.version(self.filter.project, *sequence, self.known).is_some())
                .filter_map(|sequence| memory.places.find(sequence))
                .collect()
        };
        let mut finder = Finder::default();
        let places = found.iter().filter_map(|found| finder.place(found).transpose());
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut events = Vec::new();
        fetch::each(&places, |_, origin, event| {
            if origin.project == self.filter.project {
                events.push(to_event(origin, event));
            }
            Ok::<(), ReadError>(())
        })?;
        self.standing(events)
    }

    /// Events as they stand, those that are void or do not pass left out.
    fn standing(&self, mut events: Vec<Event>) -> Result<Vec<Event>, ReadError> {
        let mut corrected: BTreeMap<u64, Version> = BTreeMap::new();
        {
            let memory = self.shared.memory.read();
            // Without its corrections an event would be shown as it first was.
            if memory.cleared_at(self.filter.project) != self.cleared_at {
                return Err(ReadError::Cleared);
            }
            let version = |event: &Event| {
                let version = memory.version(self.filter.project, event.sequence, self.known)?;
                version.is_corrected().then_some((event.sequence, version))
            };
            corrected.extend(events.iter().filter_map(version));
        }
        if !corrected.is_empty() {
            events.retain(|event| !corrected.contains_key(&event.sequence));
            corrected.retain(|_, version| version.voided_at.is_none());
            let mut finder = Finder::default();
            let (mut places, mut amended): (Vec<Place>, Vec<_>) = Default::default();
            for version in corrected.values() {
                if let Some(place) = version.place(&mut finder)? {
                    places.push(place);
                    amended.push(version.amended_at);
                }
            }
            fetch::each(&places, |number, origin, event| {
                let amended_at = amended.get(number).copied().flatten();
                events.push(Event { amended_at, ..to_event(origin, event) });
                Ok::<(), ReadError>(())
            })?;
        }
        events.retain(|event| self.filter.has(event));
        Ok(events)
    }
}
