//! Voids and amendments: judged against the events as they stand, and written all or none.
use crate::erase;
use crate::error::{AppendError, ReadError};
use crate::format::record::{self, CorrectionRecord, EventRecord};
use crate::memory::places::{Finder, Place};
use crate::memory::{Version, corrections};
use crate::read::fetch;
use crate::shared::{Shared, to_event};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::{Event, EventDraft};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// Most events that are corrected together.
pub const CORRECTIONS_MAX: usize = 10_000;

/// Corrections of one project's events, made together.
#[derive(Clone, Debug)]
pub struct Corrections {
    /// Whose events.
    pub project: ProjectId,
    /// When they are made, by the project's clock.
    pub received_at: Timestamp,
    /// Who makes them, at most 255 bytes.
    pub by: String,
    /// Which events, and what becomes of them; at most [`CORRECTIONS_MAX`].
    pub changes: Vec<Change>,
}

/// What becomes of an event.
#[derive(Clone, Debug)]
pub struct Change {
    /// The event's sequence.
    pub target: u64,
    /// What it says from now on; `None` voids it.
    pub after: Option<Content>,
}

/// What an amendment may change of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The amount used.
    pub value: Decimal,
    /// The workspace, project, user or key that used it.
    pub subject: Option<String>,
    /// A JSON object.
    pub properties: Option<String>,
    /// A JSON object that says where the usage arose.
    pub source_context: Option<String>,
}

/// What came of a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// It is stored.
    Done,
    /// The event was void, or said the same, already.
    Unchanged,
    /// The event is void and cannot be amended.
    Void,
    /// There is no such event.
    Unknown,
}

/// Hears what came of corrections, in their order.
pub type OnCorrected = Box<dyn FnOnce(Result<Vec<Corrected>, AppendError>) + Send>;

/// Corrections beside the events they name.
pub(super) struct Judged {
    pub outcomes: Vec<Corrected>,
    /// The records of those that are done.
    pub payload: Vec<u8>,
    pub records: u32,
    /// Whether one is of a customer that is being erased.
    pub erasing: bool,
}

/// Where events lie that are there, with the index of each one's change and whether it is void.
type Known = (Vec<Place>, Vec<(usize, bool)>);

impl Corrections {
    /// Bytes they take while they wait.
    pub(super) fn size(&self) -> u64 {
        let texts = |content: &Content| {
            let texts = [&content.subject, &content.properties, &content.source_context];
            texts.into_iter().flatten().map(String::len).sum::<usize>()
        };
        let change = |change: &Change| size_of::<Change>() + change.after.as_ref().map_or(0, texts);
        self.changes.iter().map(change).sum::<usize>() as u64
    }

    /// Judges each against its event as it stands.
    pub(super) fn judge(&self, shared: &Shared) -> Result<Judged, ReadError> {
        let mut judged = Judged {
            outcomes: vec![Corrected::Unknown; self.changes.len()],
            payload: Vec::new(),
            records: 0,
            erasing: false,
        };
        let books = shared.books.now();
        let (places, known) = self.versions(shared)?;
        let mut last = None;
        fetch::each(&places, |number, origin, event| {
            let Some((index, voided)) = known.get(number).copied() else { return Ok(()) };
            let change = self.changes.get(index).filter(|_| origin.project == self.project);
            let Some(change) = change else { return Ok(()) };
            // They come in the order of their events: a second change of one follows the first.
            let outcome = if last.replace(change.target) == Some(change.target) {
                Corrected::Unchanged
            } else {
                outcome_of(change, voided, &to_event(origin, event))
            };
            if outcome == Corrected::Done {
                let customer = event.draft.customer;
                judged.erasing |=
                    erase::find(&books.pending, self.project, change.target, customer).is_some();
                self.put(&mut judged.payload, change, event);
                judged.records += 1;
            }
            if let Some(slot) = judged.outcomes.get_mut(index) {
                *slot = outcome;
            }
            Ok::<(), ReadError>(())
        })?;
        Ok(judged)
    }

    /// Where the events lie that are there, with the index of each change and whether it is void.
    fn versions(&self, shared: &Shared) -> Result<Known, ReadError> {
        let mut order: Vec<usize> = (0..self.changes.len()).collect();
        // In the order of the log, which reads fastest.
        order.sort_by_key(|index| self.changes.get(*index).map(|change| change.target));
        let versions: Vec<(usize, Version)> = {
            let memory = shared.memory.read();
            let version = |index: usize| {
                let target = self.changes.get(index)?.target;
                Some((index, memory.version(self.project, target, corrections::Known::ALL)?))
            };
            order.into_iter().filter_map(version).collect()
        };
        let mut finder = Finder::default();
        let mut known: Known = Default::default();
        for (index, version) in versions {
            if let Some(place) = version.place(&mut finder)? {
                known.0.push(place);
                known.1.push((index, version.voided_at.is_some()));
            }
        }
        Ok(known)
    }

    fn put(&self, payload: &mut Vec<u8>, change: &Change, event: &EventRecord<'_>) {
        let draft = &event.draft;
        let after = change.after.as_ref().map(|content| EventRecord {
            time: event.time,
            draft: EventDraft {
                value: content.value,
                time: Some(event.time),
                subject: content.subject.as_deref(),
                properties: content.properties.as_deref(),
                source_context: content.source_context.as_deref(),
                ..*draft
            },
        });
        let correction = CorrectionRecord {
            target: change.target,
            by: &self.by,
            before: draft.value,
            customer: draft.customer,
            event_type: draft.event_type,
            time: event.time,
            after,
        };
        record::put_correction(payload, &correction);
    }
}

fn outcome_of(change: &Change, voided: bool, event: &Event) -> Corrected {
    match &change.after {
        None if voided => Corrected::Unchanged,
        Some(_) if voided => Corrected::Void,
        Some(content) if content.is_of(event) => Corrected::Unchanged,
        None | Some(_) => Corrected::Done,
    }
}

impl Content {
    /// Whether an event says just this.
    fn is_of(&self, event: &Event) -> bool {
        self.value == event.value
            && self.subject == event.subject
            && self.properties == event.properties
            && self.source_context == event.source_context
    }
}
