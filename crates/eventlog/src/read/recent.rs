//! The places of the events committed last, whatever their time.
//!
//! Cells keep their events by sequence, so the walk looks at the end of each cell and skips cells
//! and hours whose last event came too early to count. What is held is a heap of as many places as
//! are wanted.
use super::asked::Asked;
use super::list::{Cursor, ListFilter};
use crate::error::ReadError;
use crate::memory::delta::{Delta, EventRef};
use crate::part::Part;
use crate::part::cells::EventAt;
use crate::shared::Shared;
use reckoner_domain::time::Timestamp;
use std::cell::RefCell;
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

    /// Looks at the events of a cell, the greatest sequence first.
    fn look_at(&mut self, filter: &ListFilter, events: impl Iterator<Item = Cursor>) {
        let below = self.below;
        for at in events.skip_while(|at| at.sequence >= below) {
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
pub fn places(
    shared: &Shared,
    filter: &ListFilter,
    below: u64,
    count: usize,
) -> Result<Vec<Cursor>, ReadError> {
    let asked = Asked::new(shared, filter);
    // Of what is committed from now on nothing is seen.
    let below = below.min(asked.cells.sequence + 1);
    let mut latest = Latest { below, count, kept: BinaryHeap::new() };
    // All of the segments before one have lower sequences.
    for delta in asked.cells.deltas.iter().rev() {
        if !latest.is_full() {
            look_at_delta(delta, filter, &asked, &mut latest);
        }
    }
    for part in asked.cells.parts.iter().rev() {
        if !latest.is_full() {
            look_at_part(part, filter, &asked, &mut latest)?;
        }
    }
    Ok(latest.kept.into_sorted_vec().into_iter().map(|Reverse((_, at))| at).collect())
}

/// Looks at what a part has of the hours asked for.
fn look_at_part(
    part: &Part,
    filter: &ListFilter,
    asked: &Asked<'_>,
    latest: &mut Latest,
) -> Result<(), ReadError> {
    let (from, to) = filter.hours();
    let kept = RefCell::new(latest);
    asked.each_in_part(
        part,
        &(from..to.saturating_add(1)),
        |block| kept.borrow().takes(block.last_sequence),
        |cell| kept.borrow().takes(cell.last_sequence),
        |hour, events| {
            let start = Timestamp::from_hour_index(hour);
            let at = |event: &EventAt| Cursor {
                time: start.plus_micros(i64::from(event.micros)),
                sequence: event.sequence,
            };
            kept.borrow_mut().look_at(filter, events.iter().rev().map(at));
        },
    )
}

/// Looks at the hours of a segment, the latest first.
fn look_at_delta(delta: &Delta, filter: &ListFilter, asked: &Asked<'_>, latest: &mut Latest) {
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
            asked.each_in_hour(cells, |cell| {
                room = room.saturating_sub(1);
                if latest.takes(cell.last_sequence()) {
                    let at =
                        |event: &EventRef| Cursor { time: event.time(*hour), sequence: event.sequence() };
                    latest.look_at(filter, cell.events.iter().rev().map(at));
                }
            });
        }
        let Some(next) = next else { break };
        to = next;
    }
}
