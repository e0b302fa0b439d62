//! Voids and amendments: judged against the events as they stand, and written all or none.
use crate::erase;
use crate::error::{AppendError, ReadError};
use crate::format::record::{self, CorrectionRecord, EventRecord};
use crate::memory::places::{Finder, Place};
use crate::memory::{Version, corrections};
use crate::read::fetch;
use crate::shared::{Shared, to_event};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
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

/// Bytes of events that are read before the committing thread sees corrections; it reads further ones.
const AHEAD_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What corrected events said before the committing thread saw their corrections: what lies in columns
/// takes long to read.
#[derive(Default)]
pub struct Ahead {
    /// The project's clearing and renamings at that moment.
    state: (u64, u64),
    /// Bytes they take.
    pub(super) bytes: u64,
    /// Events by their sequence, and the sequence of the record that said it.
    events: HashMap<u64, (u64, Event), RandomState>,
}

#[cfg(test)]
impl Ahead {
    /// Whether an event was read.
    pub fn has(&self, target: u64) -> bool {
        self.events.contains_key(&target)
    }
}

/// An event that is there, for a change.
struct Target {
    /// The index of the change.
    index: usize,
    version: Version,
}

/// What an event says, or where that lies.
enum Said<'a> {
    Known(&'a Event),
    At(usize),
}

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

    /// Reads the events that lie in columns, for the committing thread.
    pub(crate) fn look_ahead(&self, shared: &Shared) -> Result<Ahead, ReadError> {
        let state = state_of(shared, self.project);
        let mut ahead = Ahead { state, ..Ahead::default() };
        let mut finder = Finder::default();
        let (mut places, mut said_at) = (Vec::new(), Vec::new());
        for Target { index, version } in self.targets(shared) {
            let target = self.changes.get(index).map_or(0, |change| change.target);
            if let Some(place @ Place::Row(_)) = version.place(&mut finder)? {
                places.push(place);
                said_at.push((target, version.said_at));
            }
        }
        let read = fetch::each(&places, |number, origin, event| {
            let Some((target, said_at)) = said_at.get(number) else { return Ok(()) };
            let event = to_event(origin, event);
            let texts = [&event.subject, &event.properties, &event.source_context];
            let bytes = size_of::<Event>() + texts.into_iter().flatten().map(String::len).sum::<usize>();
            ahead.bytes += bytes as u64;
            ahead.events.insert(*target, (*said_at, event));
            if ahead.bytes < AHEAD_BYTES_MAX { Ok(()) } else { Err(None) }
        });
        match read {
            Ok(()) | Err(None) => Ok(ahead),
            Err(Some(error)) => Err(error),
        }
    }

    /// Judges each against its event as it stands.
    pub(super) fn judge(&self, shared: &Shared, ahead: &Ahead) -> Result<Judged, ReadError> {
        let mut judged = Judged {
            outcomes: vec![Corrected::Unknown; self.changes.len()],
            payload: Vec::new(),
            records: 0,
            erasing: false,
        };
        let books = shared.books.now();
        let is_current = ahead.state == state_of(shared, self.project);
        let (mut finder, mut places, mut said) = (Finder::default(), Vec::new(), Vec::new());
        for Target { index, version } in self.targets(shared) {
            let Some(change) = self.changes.get(index) else { continue };
            let known =
                ahead.events.get(&change.target).filter(|(at, _)| is_current && *at == version.said_at);
            let voided = version.voided_at.is_some();
            if let Some((_, event)) = known {
                said.push((index, voided, Said::Known(event)));
            } else if let Some(place) = version.place(&mut finder)? {
                said.push((index, voided, Said::At(places.len())));
                places.push(place);
            }
        }
        // What is no event is not shown.
        let mut read: Vec<Option<Event>> = vec![None; places.len()];
        fetch::each(&places, |number, origin, event| {
            if let Some(place) = read.get_mut(number) {
                *place = Some(to_event(origin, event));
            }
            Ok::<(), ReadError>(())
        })?;
        let mut last = None;
        for (index, voided, said) in said {
            let event = match said {
                Said::Known(event) => Some(event),
                Said::At(number) => read.get(number).and_then(Option::as_ref),
            };
            let event = event.filter(|event| event.project == self.project);
            let (Some(event), Some(change)) = (event, self.changes.get(index)) else { continue };
            // They come in the order of their events: a second change of one follows the first.
            let outcome = if last.replace(change.target) == Some(change.target) {
                Corrected::Unchanged
            } else {
                outcome_of(change, voided, event)
            };
            if outcome == Corrected::Done {
                let customer = &event.customer;
                judged.erasing |=
                    erase::find(&books.pending, self.project, change.target, customer).is_some();
                self.put(&mut judged.payload, change, &EventRecord::of(event));
                judged.records += 1;
            }
            if let Some(slot) = judged.outcomes.get_mut(index) {
                *slot = outcome;
            }
        }
        Ok(judged)
    }

    /// The events that are there, in the order of the log, which reads fastest.
    fn targets(&self, shared: &Shared) -> Vec<Target> {
        let mut order: Vec<usize> = (0..self.changes.len()).collect();
        order.sort_by_key(|index| self.changes.get(*index).map(|change| change.target));
        let memory = shared.memory.read();
        let target = |index: usize| {
            let target = self.changes.get(index)?.target;
            let version = memory.version(self.project, target, corrections::Known::ALL)?;
            Some(Target { index, version })
        };
        order.into_iter().filter_map(target).collect()
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

/// What changes whenever a project is cleared, or a customer erased.
fn state_of(shared: &Shared, project: ProjectId) -> (u64, u64) {
    let memory = shared.memory.read();
    memory.projects.get(&project).map_or((0, 0), |known| (known.cleared_at, known.renamings))
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
