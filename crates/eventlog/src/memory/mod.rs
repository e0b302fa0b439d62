//! What is known without reading the disk: taken ids, rollups, and where records lie.
pub mod ids;
pub mod intern;
pub mod places;
pub mod project;

use crate::format::frame::{Frame, HEADER_BYTES};
use crate::format::record::{self, EventRecord, Record, RecordError};
use places::Places;
use project::Project;
use reckoner_domain::id::ProjectId;
use reckoner_domain::sum::Overflow;
use std::collections::BTreeMap;

/// Rollups and places, as of one sequence.
#[derive(Default)]
pub struct Memory {
    /// The projects that have events.
    pub projects: BTreeMap<ProjectId, Project>,
    /// Where records lie.
    pub places: Places,
    /// The sequence of the last record.
    pub sequence: u64,
}

/// Why a frame cannot be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The number of records is not the one the frame states.
    #[error("a frame has another number of records than it says")]
    Count,
    /// A sum left its 256 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Memory {
    /// Takes in a frame at `offset` of the last segment; `each` sees every event with the sequence
    /// of the last clearing of its project, and its own.
    pub fn apply(
        &mut self,
        frame: &Frame<'_>,
        offset: u64,
        mut each: impl FnMut(&EventRecord<'_>, u64, u64),
    ) -> Result<(), ApplyError> {
        let header = &frame.header;
        let records_start = offset + HEADER_BYTES as u64;
        let mut project = self.projects.entry(header.project).or_default();
        let mut rest = frame.payload;
        self.places.begin_frame(header);
        for sequence in (header.first_sequence..).take(header.records as usize) {
            let at = records_start + (frame.payload.len() - rest.len()) as u64;
            self.places.push(at as u32);
            match record::take(&mut rest, header.received_at)? {
                Record::Event(event) => {
                    project.add(&event, sequence)?;
                    each(&event, project.cleared_at, sequence);
                }
                Record::Cleared => {
                    self.projects.insert(header.project, Project::cleared(sequence));
                    project = self.projects.entry(header.project).or_default();
                }
            }
            self.sequence = sequence;
        }
        let padding_only = rest.len() < crate::format::frame::ALIGNMENT_BYTES && rest.iter().all(|b| *b == 0);
        if padding_only { Ok(()) } else { Err(ApplyError::Count) }
    }

    /// The sequence of a project's last clearing; 0 when it never was.
    pub fn cleared_at(&self, project: ProjectId) -> u64 {
        self.projects.get(&project).map_or(0, |project| project.cleared_at)
    }
}
