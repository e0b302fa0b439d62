//! What is known without reading the disk: taken ids, rollups, and where records lie.
pub mod corrections;
pub mod delta;
pub mod ids;
pub mod intern;
pub mod places;
pub mod project;

use crate::disk::File;
use crate::format::frame::{Frame, HEADER_BYTES};
use crate::format::record::{self, EventRecord, Record, RecordError};
use corrections::Known;
use delta::Delta;
use places::{Place, Places};
use project::Project;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::Mark;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rollups and places, as of one sequence.
#[derive(Default)]
pub struct Memory {
    /// What the events of each segment add up to.
    pub deltas: Vec<Arc<Delta>>,
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
    /// There is no segment yet.
    #[error("a frame comes before the first segment")]
    Segment,
    /// A correction names no event that is there.
    #[error("a correction names no event")]
    Target,
    /// A sum left its 256 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// An event as it stands: where what it says lies.
#[derive(Clone)]
pub struct Version {
    /// Where to read it; sequence and receipt are those of the event.
    pub place: Place,
    /// When it was last amended.
    pub amended_at: Option<Timestamp>,
    /// When it was voided; what it says is what it said before.
    pub voided_at: Option<Timestamp>,
}

impl Memory {
    /// A segment that has no records yet follows.
    pub fn begin_segment(&mut self, number: u64, file: Arc<dyn File>) {
        self.places.begin_segment(number, self.sequence + 1, file);
        self.deltas.push(Arc::new(Delta::new()));
    }

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
        let (delta, before) = self.deltas.split_last().ok_or(ApplyError::Segment)?;
        let mut delta = delta.change();
        let mut rest = frame.payload;
        self.places.begin_frame(header);
        for sequence in (header.first_sequence..).take(header.records as usize) {
            let at = records_start + (frame.payload.len() - rest.len()) as u64;
            self.places.push(at as u32);
            match record::take(&mut rest, header.received_at)? {
                Record::Event(event) => {
                    let cell = project.add(&event);
                    let mark = Mark { time: event.time, sequence, value: event.draft.value };
                    delta.add(header.project, cell, mark)?;
                    each(&event, project.cleared_at, sequence);
                }
                Record::Correction(correction) => {
                    if !project.correct(&correction, sequence, header.received_at)? {
                        return Err(ApplyError::Target);
                    }
                }
                Record::Cleared => {
                    delta.forget(header.project);
                    for delta in before {
                        delta.change().forget(header.project);
                    }
                    self.projects.insert(header.project, Project::cleared(sequence));
                    project = self.projects.entry(header.project).or_default();
                }
            }
            self.sequence = sequence;
        }
        let padding_only = rest.len() < crate::format::frame::ALIGNMENT_BYTES && rest.iter().all(|b| *b == 0);
        if padding_only { Ok(()) } else { Err(ApplyError::Count) }
    }

    /// An event as it stands with the corrections known; `None` when there is no such event.
    pub fn version(&self, sequence: u64, known: Known) -> Option<Version> {
        let place = self.places.find(sequence)?;
        let mut version = Version { place, amended_at: None, voided_at: None };
        let Some(project) = self.projects.get(&version.place.project) else { return Some(version) };
        // Of what was cleared the corrections are gone, and without them nothing is told of it.
        if sequence <= project.cleared_at || project.corrections.has(sequence) {
            return None;
        }
        for correction in project.corrections.known(sequence, known) {
            if correction.void {
                version.voided_at = Some(correction.received_at);
                continue;
            }
            let received_at = version.place.received_at;
            version.place = Place { sequence, received_at, ..self.places.find(correction.sequence)? };
            version.amended_at = Some(correction.received_at);
        }
        Some(version)
    }

    /// The sequence of a project's last clearing; 0 when it never was.
    pub fn cleared_at(&self, project: ProjectId) -> u64 {
        self.projects.get(&project).map_or(0, |project| project.cleared_at)
    }
}
