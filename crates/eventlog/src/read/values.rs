//! The values that a day shows of a declared dimension: those that were committed first, up to
//! [`DIMENSION_VALUES_MAX`]; later ones are one together.
//!
//! Which they are follows from the log alone: from the first records of the day with different
//! values, amendments included, void or not. What is known of a day is kept and goes on from where
//! it ended.
use super::fetch;
use crate::error::ReadError;
use crate::hash::IdHash;
use crate::memory::places::Place;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::meter::{DIMENSION_VALUES_MAX, Dimension, Meter, Readable};
use reckoner_domain::time::{DAY, HOUR, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// Hours of a day.
const HOURS: i64 = DAY / HOUR;
/// Most days and values kept: about 40 bytes each, at worst.
const KEPT_MAX: usize = if cfg!(test) { 16 } else { 2_000_000 };
/// Records whose places are looked up under one lock.
const PLACES_AT_ONCE: usize = 8 * 1024;
/// Most values a day shows; few under test.
pub const VALUES_MAX: usize = if cfg!(test) { 2 } else { DIMENSION_VALUES_MAX };

/// The values that a day shows, by their hashes.
pub type Shown = HashSet<IdHash, RandomState>;

/// A dimension of a meter's version on a day of a project, since its last clearing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    project: ProjectId,
    cleared_at: u64,
    meter: MeterId,
    dimension: usize,
    day: i64,
}

/// What is known of a day.
#[derive(Clone, Default)]
struct Known {
    shown: Arc<Shown>,
    /// Records up to this sequence were looked at.
    through: u64,
    /// The number of the question that last asked for it.
    asked: u64,
}

impl Known {
    fn is_full(&self) -> bool {
        self.shown.len() >= VALUES_MAX
    }
}

/// What is known of days.
#[derive(Default)]
pub struct Values(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    days: HashMap<Key, Known, RandomState>,
    /// Days, and values of all of them.
    size: usize,
    questions: u64,
}

/// A day has as many values as it shows.
enum Stop {
    Full,
    Error(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Error(error)
    }
}

/// The day that an instant lies in.
pub fn day_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(DAY)
}

/// The values of a dimension that a day shows; `None` where it shows all there are.
pub fn shown(
    shared: &Shared,
    project: ProjectId,
    meter: &Meter,
    dimension: usize,
    day: i64,
) -> Result<Option<Arc<Shown>>, ReadError> {
    let Some(declared) = meter.dimensions.get(dimension) else { return Ok(None) };
    let cleared_at = shared.memory.read().cleared_at(project);
    let key = Key { project, cleared_at, meter: meter.id.clone(), dimension, day };
    let mut known = shared.values.get(&key);
    if known.is_full() {
        return Ok(Some(known.shown));
    }
    let newer = records_after(shared, &key, meter, known.through);
    let Some((sequences, through)) = newer else { return Ok(None) };
    let day = Day { shared, project, meter, dimension: declared };
    day.look_at(&sequences, Arc::make_mut(&mut known.shown))?;
    known.through = through;
    let full = known.is_full().then(|| Arc::clone(&known.shown));
    shared.values.put(key, known);
    Ok(full)
}

/// The sequences of a day's records after one, and that of the last record of all; `None` where the
/// day has no more records than it shows values.
fn records_after(shared: &Shared, key: &Key, meter: &Meter, after: u64) -> Option<(Vec<u64>, u64)> {
    let memory = shared.memory.read();
    let project = memory.projects.get(&key.project).filter(|project| project.cleared_at == key.cleared_at)?;
    let event_type = project.event_types.find(&meter.event_type)?;
    let first = key.day.saturating_mul(HOURS);
    let (mut records, mut sequences) = (0, Vec::new());
    for delta in &memory.deltas {
        let look = delta.look();
        let hours = look.hours(key.project).range(first..first.saturating_add(HOURS));
        for cell in hours.filter_map(|(_, hour)| hour.types.get(&event_type)).flat_map(HashMap::values) {
            records += cell.events.len();
            let newer = cell.events.partition_point(|event| event.sequence() <= after);
            sequences.extend(cell.events.iter().skip(newer).map(|event| event.sequence()));
            if !project.corrections.is_empty() {
                let of_cell = cell.events.iter().flat_map(|event| project.corrections.of(event.sequence()));
                let amendments = of_cell.filter(|correction| !correction.void && correction.sequence > after);
                sequences.extend(amendments.map(|correction| correction.sequence));
            }
        }
    }
    if records <= VALUES_MAX && project.corrections.is_empty() {
        return None;
    }
    sequences.sort_unstable();
    Some((sequences, memory.sequence))
}

/// Looks at records of a day.
struct Day<'a> {
    shared: &'a Shared,
    project: ProjectId,
    meter: &'a Meter,
    dimension: &'a Dimension,
}

impl Day<'_> {
    /// Adds the values of these records, in order, until there are as many as a day shows.
    fn look_at(&self, sequences: &[u64], values: &mut Shown) -> Result<(), ReadError> {
        for sequences in sequences.chunks(PLACES_AT_ONCE) {
            let places: Vec<Place> = {
                let memory = self.shared.memory.read();
                sequences.iter().filter_map(|sequence| memory.places.find(*sequence)).collect()
            };
            let looked = fetch::each(&places, |place, event| {
                let draft = &event.draft;
                let properties: Value =
                    draft.properties.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                let (time, sequence, value) = (event.time, place.sequence, draft.value);
                let readable = Readable { time, sequence, value, properties: &properties };
                if self.meter.read(&readable).is_some()
                    && let Some(text) = self.dimension.text_of(draft.subject, &properties)
                {
                    values.insert(self.shared.hasher.of(self.project, text.as_bytes()));
                }
                if values.len() < VALUES_MAX { Ok(()) } else { Err(Stop::Full) }
            });
            match looked {
                Ok(()) => {}
                Err(Stop::Full) => break,
                Err(Stop::Error(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Values {
    fn get(&self, key: &Key) -> Known {
        let mut kept = self.0.lock();
        kept.questions += 1;
        let asked = kept.questions;
        kept.days.get_mut(key).map_or_else(
            || Known { asked, ..Known::default() },
            |known| {
                known.asked = asked;
                known.clone()
            },
        )
    }

    /// Keeps what is known of a day, and forgets days that nobody asked for when it is too much.
    fn put(&self, key: Key, known: Known) {
        let mut kept = self.0.lock();
        kept.size += 1 + known.shown.len();
        let before = kept.days.insert(key, known);
        kept.size -= before.map_or(0, |known| 1 + known.shown.len());
        while kept.size > KEPT_MAX {
            let oldest = kept.days.iter().min_by_key(|(_, known)| known.asked).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| kept.days.remove(&key)) else { break };
            kept.size -= 1 + gone.shown.len();
        }
    }
}
