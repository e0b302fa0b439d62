//! What an event said, from the first on.
use crate::columns::{Fields, Kind, Origin};
use crate::error::ReadError;
use crate::format::record::{self, Record};
use crate::memory::places::{Finder, Found, LogPlace, Place, RowPlace};
use crate::read::fetch;
use crate::shared::{Shared, to_event};
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// An event as it stood for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// What it said from then on.
    pub event: Event,
    /// From when on.
    pub at: Timestamp,
    /// The sequence of the record that says so.
    pub sequence: u64,
    /// Who corrected it; nobody did at first.
    pub by: Option<String>,
}

/// Every revision of the event with this id, the oldest first.
pub fn of(shared: &Shared, project: ProjectId, id: &str) -> Result<Vec<Revision>, ReadError> {
    let Some(sequence) = shared.get(project, id)?.map(|event| event.sequence) else { return Ok(Vec::new()) };
    let Some(first) = shared.event(sequence)? else { return Ok(Vec::new()) };
    let corrections: Vec<(Found, bool)> = {
        let memory = shared.memory.read();
        let known = memory.projects.get(&project).map_or(&[][..], |project| project.corrections.of(sequence));
        known.iter().filter_map(|one| Some((memory.places.find(one.sequence)?, one.void))).collect()
    };
    let mut revisions = vec![Revision { at: first.received_at, sequence, by: None, event: first }];
    for (found, void) in corrections {
        let Some(place) = Finder::default().place(&found)? else { break };
        let Some(last) = revisions.last().map(|revision| revision.event.clone()) else { break };
        let Made { origin: Origin { received_at: at, sequence, .. }, by, after } = read(&place)?;
        let event = match after {
            Some(after) if !void => {
                let Event { sequence, received_at, .. } = last;
                Event { sequence, received_at, amended_at: Some(at), ..after }
            }
            _ => Event { voided_at: Some(at), ..last },
        };
        revisions.push(Revision { event, at, sequence, by: Some(by) });
    }
    Ok(revisions)
}

/// A correction.
struct Made {
    origin: Origin,
    by: String,
    /// What the event says after it.
    after: Option<Event>,
}

fn read(place: &Place) -> Result<Made, ReadError> {
    match place {
        Place::Log(place) => read_log(place),
        Place::Row(RowPlace { columns, row, .. }) => {
            let mut made = None;
            columns.read(&[*row], Fields::ALL, |_, row| {
                made = row.correction.map(|correction| Made {
                    origin: row.origin,
                    by: correction.by.to_owned(),
                    after: (row.kind == Kind::Amendment).then(|| to_event(&row.origin, &row.event)),
                });
                Ok::<(), ReadError>(())
            })?;
            made.ok_or_else(|| columns.damaged())
        }
    }
}

fn read_log(place: &LogPlace) -> Result<Made, ReadError> {
    let bytes = fetch::record(place)?;
    match record::take(&mut bytes.as_slice(), place.received_at) {
        Ok(Record::Correction(correction)) => Ok(Made {
            origin: place.origin,
            by: correction.by.to_owned(),
            after: correction.after.map(|after| to_event(&place.origin, &after)),
        }),
        _ => Err(fetch::damaged(place)),
    }
}
