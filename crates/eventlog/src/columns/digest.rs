//! Whether a file has what was written to it.
use super::{Columns, Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;

/// Rows of a finished file that are looked at together.
const CHECKED_ROWS: u32 = 1 << 16;

/// What rows have in common, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    rows: u64,
    sequences: u64,
    times: i64,
    values: i128,
}

impl Digest {
    /// Takes in a row.
    pub fn add(&mut self, origin: &Origin, event: &EventRecord<'_>) {
        self.rows += 1;
        self.sequences = self.sequences.wrapping_add(origin.sequence);
        self.times = self.times.wrapping_add(event.time.as_micros());
        self.values = self.values.wrapping_add(event.draft.value.units());
    }
}

impl Columns {
    /// Reads the file back before what it was made from goes: every block, and of every row what totals
    /// are made of. Whether it was not told to end.
    pub fn is_as_written(&self, digest: Digest, rest: &mut impl FnMut() -> bool) -> Result<bool, ReadError> {
        self.check(&mut *rest)?;
        let mut read = Digest::default();
        let rows = self.known().rows;
        for start in (0..rows).step_by(CHECKED_ROWS as usize) {
            if !rest() {
                return Ok(false);
            }
            self.read_range(start..rows.min(start + CHECKED_ROWS), Fields::ORIGIN, |_, row| {
                read.add(&row.origin, &row.event);
                Ok::<(), ReadError>(())
            })?;
        }
        if read == digest { Ok(true) } else { Err(self.damaged()) }
    }
}
