//! What is known without reading the disk: taken ids, rollups, and where records lie.
pub mod corrections;
pub mod delta;
mod exchange;
pub mod ids;
pub mod intern;
pub mod places;
pub mod project;
pub mod table;

use crate::columns::Origin;
use crate::disk::File;
use crate::error::ReadError;
use crate::format::frame::{Frame, HEADER_BYTES};
use crate::format::record::{self, Record, RecordError};
use crate::part::Part;
use corrections::{CellKey, Known, Noted};
use delta::Delta;
use intern::Interner;
use places::{Finder, Found, Place, Places};
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
    /// The projects that have events.
    pub projects: BTreeMap<ProjectId, Project>,
    /// Where records lie.
    pub places: Places,
    /// What is written down of the first segments, in order.
    pub parts: Vec<Arc<Part>>,
    /// What the events of each of the other segments add up to, in order.
    pub deltas: Vec<Arc<Delta>>,
    /// The sequence of the last record.
    pub sequence: u64,
    /// The sequence of the last record that was dropped; 0 when none was.
    pub dropped_through: u64,
}

/// The cells of all segments at one moment: those written down never change, nor do those of any
/// segment but the last.
pub struct Cells {
    /// Those written down, and what they have of the project.
    pub parts: Vec<Arc<Part>>,
    /// Those in memory.
    pub deltas: Vec<Arc<Delta>>,
    /// The sequence of the last record.
    pub sequence: u64,
    /// The sequence of the project's last clearing; 0 when it never was.
    pub cleared_at: u64,
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
    /// Where it was first stored.
    first: Found,
    /// Where it was last amended.
    amendment: Option<Found>,
    /// The sequence of the record that says what it says.
    pub said_at: u64,
    /// When it was last amended.
    pub amended_at: Option<Timestamp>,
    /// When it was voided; what it says is what it said before.
    pub voided_at: Option<Timestamp>,
}

impl Version {
    /// Whether it is not as it was first stored.
    pub fn is_corrected(&self) -> bool {
        self.amendment.is_some() || self.voided_at.is_some()
    }

    /// Where to read it, shown as coming from where the event does; `None` of what was cleared.
    pub fn place(&self, finder: &mut Finder) -> Result<Option<Place>, ReadError> {
        self.place_of(finder, Place::origin)
    }

    /// The same where it is known where the event comes from.
    pub fn place_from(&self, finder: &mut Finder, origin: Origin) -> Result<Option<Place>, ReadError> {
        self.place_of(finder, |_| Ok(origin))
    }

    fn place_of(
        &self,
        finder: &mut Finder,
        origin: impl FnOnce(&Place) -> Result<Origin, ReadError>,
    ) -> Result<Option<Place>, ReadError> {
        let Some(first) = finder.place(&self.first)? else { return Ok(None) };
        let Some(amendment) = &self.amendment else { return Ok(Some(first)) };
        let origin = origin(&first)?;
        Ok(finder.place(amendment)?.map(|place| place.shown_as(origin)))
    }
}

impl Memory {
    /// A segment that has no records yet follows.
    pub fn begin_segment(&mut self, number: u64, file: Arc<dyn File>) {
        self.places.begin_segment(number, self.sequence + 1, file);
        self.deltas.push(Arc::new(Delta::new(number, self.sequence + 1)));
    }

    /// Takes in a frame at `offset` of the last segment; `each` sees every event with the sequence
    /// of the last clearing of its project, and its own.
    pub fn apply(
        &mut self,
        frame: &Frame<'_>,
        offset: u64,
        mut each: impl FnMut(&Record<'_>, u64, u64),
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
            let record = record::take(&mut rest, header.received_at)?;
            match &record {
                Record::Event(event) => {
                    let cell = project.add(event);
                    let mark = Mark { time: event.time, sequence, value: event.draft.value };
                    delta.add(header.project, cell, mark)?;
                }
                // Of what was dropped nothing is known any more.
                Record::Correction(correction) if correction.target <= self.dropped_through => {
                    project.corrections.note_own(sequence);
                }
                Record::Correction(correction) => {
                    let noted = project.correct(correction, sequence, header.received_at)?;
                    delta.note(header.project, noted.ok_or(ApplyError::Target)?);
                }
                Record::Cleared => {
                    delta.clear(header.project, sequence);
                    for delta in before {
                        delta.forget(header.project);
                    }
                    self.projects.insert(header.project, Project::cleared(sequence));
                    project = self.projects.entry(header.project).or_default();
                }
            }
            each(&record, project.cleared_at, sequence);
            self.sequence = sequence;
        }
        let padding_only = rest.len() < crate::format::frame::ALIGNMENT_BYTES && rest.iter().all(|b| *b == 0);
        if padding_only { Ok(()) } else { Err(ApplyError::Count) }
    }

    /// An event of a project as it stands with the corrections known; `None` when there is no such
    /// event. Whether a sequence is that of another project's event is told by its place.
    pub fn version(&self, project: ProjectId, sequence: u64, known: Known) -> Option<Version> {
        let first = self.places.find(sequence)?;
        let mut version =
            Version { first, amendment: None, said_at: sequence, amended_at: None, voided_at: None };
        let Some(project) = self.projects.get(&project) else { return Some(version) };
        // Of what was cleared the corrections are gone, and without them nothing is told of it.
        if sequence <= project.cleared_at || project.corrections.has(sequence) {
            return None;
        }
        for correction in project.corrections.known(sequence, known) {
            if correction.void {
                version.voided_at = Some(correction.received_at);
                continue;
            }
            version.amendment = Some(self.places.find(correction.sequence)?);
            version.said_at = correction.sequence;
            version.amended_at = Some(correction.received_at);
        }
        Some(version)
    }

    /// The cells of a project's events, and of others.
    pub fn cells(&self, project: ProjectId) -> Cells {
        let cleared_at = self.cleared_at(project);
        let has = |part: &&Arc<Part>| part.section(project, cleared_at).is_some();
        Cells {
            parts: self.parts.iter().filter(has).cloned().collect(),
            deltas: self.deltas.clone(),
            sequence: self.sequence,
            cleared_at,
        }
    }

    /// Takes in what is written down of the next segments: all but where their records lie.
    pub fn adopt(&mut self, mut part: Part) -> Result<Arc<Part>, ApplyError> {
        for section in part.index().sections.clone() {
            if section.cleared_at > 0 {
                self.projects.insert(section.project, Project::cleared(section.cleared_at));
            }
            let project = self.projects.entry(section.project).or_default();
            let Project { customers, event_types, .. } = project;
            part.number(section.project, |text| customers.number(text), |text| event_types.number(text));
            project.events += section.events;
            for noted in &section.corrections {
                if noted.target <= self.dropped_through {
                    project.corrections.note_own(noted.sequence);
                    continue;
                }
                let number = |names: &[Arc<str>], texts: &Interner, local: u32| {
                    names.get(local as usize).and_then(|text| texts.find(text)).ok_or(ApplyError::Target)
                };
                let cell = CellKey {
                    event_type: number(&section.event_types, &project.event_types, noted.cell.event_type)?,
                    customer: number(&section.customers, &project.customers, noted.cell.customer)?,
                    ..noted.cell
                };
                project.note(&Noted { cell, ..*noted })?;
            }
        }
        self.sequence = part.last_sequence();
        let part = Arc::new(part);
        self.parts.push(Arc::clone(&part));
        Ok(part)
    }

    /// Gives the names of a part the numbers they have here.
    pub fn number(&self, part: &mut Part) {
        for (project, known) in &self.projects {
            let number = |names: &Interner, text: &str| names.find(text).unwrap_or(Interner::NOBODY);
            part.number(
                *project,
                |text| number(&known.customers, text),
                |text| number(&known.event_types, text),
            );
        }
    }

    /// From now on one part tells what several told that follow each other.
    pub fn join(&mut self, parts: &[Arc<Part>], merged: Part) {
        let Some(first) = parts.first() else { return };
        let Some(at) = self.parts.iter().position(|part| Arc::ptr_eq(part, first)) else { return };
        let merged = Arc::new(merged);
        self.places.cover(&merged);
        self.parts.splice(at..at + parts.len(), [merged]);
    }

    /// From now on a part tells what a delta told.
    pub fn replace(&mut self, delta: &Arc<Delta>, part: Part) {
        let part = Arc::new(part);
        self.deltas.retain(|known| !Arc::ptr_eq(known, delta));
        self.places.cover(&part);
        self.parts.push(part);
    }

    /// The sequence of a project's last clearing; 0 when it never was.
    pub fn cleared_at(&self, project: ProjectId) -> u64 {
        self.projects.get(&project).map_or(0, |project| project.cleared_at)
    }
}
