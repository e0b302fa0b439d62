//! The places of the events committed last, whatever their time.
//!
//! Cells keep their events by sequence, so the walk looks at the end of each cell and skips cells
//! and hours whose last event came too early to count. What is held is a heap of as many places as
//! are wanted.
use super::list::{Asked, Cursor, ListFilter};
use crate::memory::delta::{Cell, Delta};
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
    fn is_full(&self) -> bool {
        self.kept.len() >= self.count
    }

    /// Whether an event with this sequence would be kept.
    fn takes(&self, sequence: u64) -> bool {
        !self.is_full() || self.kept.peek().is_some_and(|Reverse((least, _))| sequence > *least)
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
    let (asked, deltas) = Asked::new(shared, filter);
    // Of what is committed from now on nothing is seen.
    let below = below.min(shared.memory.read().sequence + 1);
    let mut latest = Latest { below, count, kept: BinaryHeap::new() };
    for delta in deltas.iter().rev() {
        look_at_delta(delta, filter, &asked, &mut latest);
        // All of the segments before it have lower sequences.
        if latest.is_full() {
            break;
        }
    }
    latest.kept.into_sorted_vec().into_iter().map(|Reverse((_, at))| at).collect()
}

/// Looks at the hours of a segment, the latest first.
fn look_at_delta(delta: &Delta, filter: &ListFilter, asked: &Asked, latest: &mut Latest) {
    let (from, mut to) = filter.hours();
    while from <= to {
        let look = delta.look();
        let mut room = CELLS_AT_ONCE;
        let mut next = None;
        for (hour, cells) in look.hours(filter.project).range(from..=to).rev() {
            if room == 0 {
                next = Some(*hour);
                break;
            }
            room = room.saturating_sub(1);
            if !latest.takes(cells.last_sequence) {
                continue;
            }
            asked.each(cells, |cell| {
                room = room.saturating_sub(1);
                if latest.takes(cell.last_sequence()) {
                    latest.look_at(filter, *hour, cell);
                }
            });
        }
        let Some(next) = next else { break };
        to = next;
    }
}
