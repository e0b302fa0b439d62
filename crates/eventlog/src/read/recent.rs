//! The places of the events committed last, whatever their time.
//!
//! Cells keep their events by sequence, so the walk looks at the end of each cell and skips cells
//! and hours whose last event came too early to count. What is held is a heap of as many places as
//! are wanted.
use super::list::{Cursor, ListFilter};
use crate::memory::project::{Cell, Project};
use crate::shared::Shared;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Cells looked at under one lock, but for those of one hour.
const CELLS_AT_ONCE: usize = if cfg!(test) { 4 } else { 32 * 1024 };

/// A place by its sequence, which comes first in the order, and the least of all first out.
type Kept = Reverse<(u64, Cursor)>;

/// The places with the greatest sequences.
struct Latest {
    /// Only sequences below this one count.
    below: u64,
    count: usize,
    kept: BinaryHeap<Kept>,
}

impl Latest {
    /// Whether an event with this sequence would be kept.
    fn takes(&self, sequence: u64) -> bool {
        let full = self.kept.len() >= self.count;
        !full || self.kept.peek().is_some_and(|Reverse((least, _))| sequence > *least)
    }

    fn push(&mut self, at: Cursor) {
        self.kept.push(Reverse((at.sequence, at)));
        if self.kept.len() > self.count {
            self.kept.pop();
        }
    }

    fn look_at(&mut self, filter: &ListFilter, hour: i64, cell: &Cell) {
        let known = cell.events.partition_point(|event| event.sequence() < self.below);
        for event in cell.events.iter().take(known).rev() {
            let at = Cursor { time: event.time(hour), sequence: event.sequence() };
            if !self.takes(at.sequence) {
                break;
            }
            if filter.asks(at) {
                self.push(at);
            }
        }
    }
}

/// The `count` places asked for with the greatest sequences below `below`, the greatest first.
pub fn places(shared: &Shared, filter: &ListFilter, below: u64, count: usize) -> Vec<Cursor> {
    let mut latest = Latest { below, count, kept: BinaryHeap::new() };
    let (from, mut to) = filter.hours();
    while from <= to {
        let memory = shared.memory.read();
        let Some(project) = memory.projects.get(&filter.project) else { break };
        // Of what is committed between two locks, all or nothing is seen: nothing.
        latest.below = latest.below.min(memory.sequence + 1);
        let Some(next) = look_at_some(project, filter, &mut latest, from, to) else { break };
        to = next;
    }
    latest.kept.into_sorted_vec().into_iter().map(|Reverse((_, at))| at).collect()
}

/// Looks at some hours, the latest first; the hour to go on with.
fn look_at_some(
    project: &Project,
    filter: &ListFilter,
    latest: &mut Latest,
    from: i64,
    to: i64,
) -> Option<i64> {
    let mut room = CELLS_AT_ONCE;
    let customer = filter.customer.as_ref().map(|text| project.customers.find(text));
    let event_type = filter.event_type.as_ref().map(|text| project.event_types.find(text));
    for (hour, cells) in project.hours.range(from..=to).rev() {
        if room == 0 {
            return Some(*hour);
        }
        room = room.saturating_sub(1);
        if !latest.takes(cells.last_sequence) {
            continue;
        }
        let types =
            cells.types.iter().filter(|(number, _)| event_type.is_none_or(|only| only == Some(**number)));
        for (_, cells) in types {
            let mut look_at = |cell: &Cell| {
                room = room.saturating_sub(1);
                if latest.takes(cell.last_sequence) {
                    latest.look_at(filter, *hour, cell);
                }
            };
            match customer {
                Some(number) => {
                    number.and_then(|number| cells.get(&number)).into_iter().for_each(&mut look_at);
                }
                None => cells.values().for_each(&mut look_at),
            }
        }
    }
    None
}
