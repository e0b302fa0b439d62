//! Reads many events in whatever order is quickest: those of a file of columns in one go.
use super::fetch;
use crate::columns::{Columns, Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::places::{Place, RowPlace};
use std::sync::Arc;

/// Rows of a file that are gathered before they are read.
const ROWS_MAX: usize = if cfg!(test) { 64 } else { 4 * 1024 * 1024 };

/// Events to read, each with a tag that it is shown with.
pub struct Bulk {
    fields: Fields,
    columns: Option<Arc<Columns>>,
    /// Rows of it, with their tags.
    rows: Vec<(u32, u32)>,
}

impl Bulk {
    /// Nothing to read yet; of rows of columns these fields are wanted.
    pub fn new(fields: Fields) -> Self {
        Self { fields, columns: None, rows: Vec::new() }
    }

    /// Shows the events at these places, now or with later ones.
    pub fn take<E: From<ReadError>>(
        &mut self,
        places: impl IntoIterator<Item = (Place, u32)>,
        each: &mut impl FnMut(&Origin, &EventRecord<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut here, mut tags) = (Vec::new(), Vec::new());
        for (place, tag) in places {
            match place {
                Place::Row(RowPlace { columns, row, shown_as: None }) => {
                    let other = self.columns.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &columns));
                    if other || self.rows.len() >= ROWS_MAX {
                        self.finish(each)?;
                        self.columns = Some(columns);
                    }
                    self.rows.push((row, tag));
                }
                place => {
                    here.push(place);
                    tags.push(tag);
                }
            }
        }
        fetch::each(&here, |number, origin, event| {
            each(origin, event, tags.get(number).copied().unwrap_or(u32::MAX))
        })
    }

    /// Shows the events that were not shown yet.
    pub fn finish<E: From<ReadError>>(
        &mut self,
        each: &mut impl FnMut(&Origin, &EventRecord<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(columns) = self.columns.take() else { return Ok(()) };
        let mut tagged = std::mem::take(&mut self.rows);
        tagged.sort_unstable();
        let rows: Vec<u32> = tagged.iter().map(|(row, _)| *row).collect();
        columns.read(&rows, self.fields, |number, row| {
            let tag = tagged.get(number).map_or(u32::MAX, |(_, tag)| *tag);
            each(&row.origin, &row.event, tag)
        })
    }
}
