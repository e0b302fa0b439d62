//! The cells that a list asks for, in memory and written down.
use super::list::{Cursor, ListFilter, Order};
use crate::error::ReadError;
use crate::memory::Cells;
use crate::memory::delta::{Cell, Delta, Hour};
use crate::memory::intern::Interner;
use crate::memory::project::Project;
use crate::part::Part;
use crate::part::cells::{BlockCell, EventAt};
use crate::part::index::Block;
use crate::shared::Shared;
use reckoner_domain::time::Timestamp;
use std::ops::Range;
use std::sync::Arc;

/// What a filter asks for, and the cells of all segments.
pub struct Asked<'f> {
    filter: &'f ListFilter,
    /// The cells as they were when this was made.
    pub cells: Cells,
    /// The number of the customer asked for.
    customer: Option<u32>,
    /// The number of the event type asked for.
    event_type: Option<u32>,
}

impl<'f> Asked<'f> {
    /// What a filter asks for now.
    pub fn new(shared: &Shared, filter: &'f ListFilter) -> Self {
        let memory = shared.memory.read();
        let project = memory.projects.get(&filter.project);
        let number = |texts: fn(&Project) -> &Interner, text: &String| {
            project.and_then(|known| texts(known).find(text)).unwrap_or(Interner::NOBODY)
        };
        Self {
            filter,
            cells: memory.cells(filter.project),
            customer: filter.customer.as_ref().map(|text| number(|project| &project.customers, text)),
            event_type: filter.event_type.as_ref().map(|text| number(|project| &project.event_types, text)),
        }
    }

    /// The first hour with events in a range, as the list goes.
    pub fn first_hour(&self, from: i64, to: i64) -> Option<i64> {
        let (project, cleared_at) = (self.filter.project, self.cells.cleared_at);
        let oldest = self.filter.order == Order::OldestFirst;
        let of_delta = |delta: &Arc<Delta>| {
            let look = delta.look();
            let mut hours = look.hours(project).range(from..=to).map(|(hour, _)| *hour);
            if oldest { hours.next() } else { hours.next_back() }
        };
        let of_part = |part: &Arc<Part>| {
            let hours = &part.section(project, cleared_at)?.hours;
            let (low, high) =
                (hours.partition_point(|hour| *hour < from), hours.partition_point(|hour| *hour <= to));
            let hours = hours.get(low..high).unwrap_or_default();
            if oldest { hours.first() } else { hours.last() }.copied()
        };
        let of_parts = self.cells.parts.iter().filter_map(of_part);
        let hours = self.cells.deltas.iter().filter_map(of_delta).chain(of_parts);
        if oldest { hours.min() } else { hours.max() }
    }

    /// Shows each cell of an hour in memory.
    pub fn each_in_hour(&self, hour: &Hour, mut take: impl FnMut(&Cell)) {
        let types = hour.types.iter();
        for (_, cells) in types.filter(|(number, _)| self.event_type.is_none_or(|only| only == **number)) {
            match self.customer {
                Some(customer) => cells.get(&customer).into_iter().for_each(&mut take),
                None => cells.values().for_each(&mut take),
            }
        }
    }

    /// Shows the events of each cell of some hours of a part that is wanted, cell by cell; `block`
    /// tells whether any of a block's may be.
    pub fn each_in_part(
        &self,
        part: &Part,
        hours: &Range<i64>,
        block: impl Fn(&Block) -> bool,
        wants: impl Fn(&BlockCell) -> bool,
        mut take: impl FnMut(i64, &[EventAt]),
    ) -> Result<(), ReadError> {
        let Some(section) = part.section(self.filter.project, self.cells.cleared_at) else { return Ok(()) };
        let event_type = self.filter.event_type.as_ref().map(|name| Part::event_type(section, name));
        let customers = self.filter.customer.as_ref().map(|name| Part::customers(section, [name.as_str()]));
        let blocks = section
            .blocks
            .iter()
            .filter(|asked| event_type.is_none_or(|number| number == Some(asked.event_type)) && block(asked));
        for block in blocks {
            let mut cells = Vec::new();
            part.each_cell(section, block, hours, customers.as_deref(), |found| {
                if wants(&found.cell) {
                    cells.push((found.cell, ()));
                }
                Ok::<(), ReadError>(())
            })?;
            part.each_event(block, &cells, |cell, (), events| {
                take(cell.hour, events);
                Ok::<(), ReadError>(())
            })?;
        }
        Ok(())
    }

    /// The events of an hour that are asked for, in no order.
    pub fn places(&self, hour: i64) -> Result<Vec<Cursor>, ReadError> {
        let mut places = Vec::new();
        let start = Timestamp::from_hour_index(hour);
        for part in &self.cells.parts {
            self.each_in_part(
                part,
                &(hour..hour + 1),
                |_| true,
                |_| true,
                |_, events| {
                    let at = |event: &EventAt| Cursor {
                        time: start.plus_micros(i64::from(event.micros)),
                        sequence: event.sequence,
                    };
                    places.extend(events.iter().map(at).filter(|at| self.filter.asks(*at)));
                },
            )?;
        }
        for delta in &self.cells.deltas {
            if let Some(cells) = delta.look().hours(self.filter.project).get(&hour) {
                self.each_in_hour(cells, |cell| {
                    let at =
                        cell.events.iter().map(|e| Cursor { time: e.time(hour), sequence: e.sequence() });
                    places.extend(at.filter(|at| self.filter.asks(*at)));
                });
            }
        }
        Ok(places)
    }
}
