//! The values that a day shows of a declared dimension: those that were committed first, up to
//! [`DIMENSION_VALUES_MAX`]; later ones are one together.
//!
//! Which they are follows from the log alone: from the first records of the day with different
//! values, amendments included, void or not. What is known of a day is kept and goes on from where
//! it ended.
use super::fetch;
use super::scan::{Scan, ScanError};
use crate::columns::{Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::hash::IdHash;
use crate::memory::places::{Finder, Found};
use crate::part::Part;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::json::Extractor;
use reckoner_domain::meter::{DIMENSION_VALUES_MAX, Dimension, Meter, Readable};
use reckoner_domain::time::{DAY, HOUR, Timestamp};
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

/// A dimension of a meter's version on a day of a project, since its last clearing and erasure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    project: ProjectId,
    cleared_at: u64,
    renamings: u64,
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

/// Why no more records are looked at.
enum Stop {
    /// A day has as many values as it shows.
    Full,
    /// The project was cleared, or a customer erased, meanwhile.
    Cleared,
    Error(ReadError),
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Read(error) => Self::Error(error),
            ScanError::Cleared | ScanError::Moved | ScanError::Overflow(_) => Self::Cleared,
        }
    }
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
    let (cleared_at, renamings) = {
        let memory = shared.memory.read();
        memory.projects.get(&project).map_or((0, 0), |known| (known.cleared_at, known.renamings))
    };
    let key = Key { project, cleared_at, renamings, meter: meter.id.clone(), dimension, day };
    let mut known = shared.values.get(&key);
    if known.is_full() {
        return Ok(Some(known.shown));
    }
    let day = Day { shared, project, meter, dimension: declared };
    let swept = if known.through == 0 { day.sweep(key.day)? } else { Swept::default() };
    let newer = records_after(shared, &key, meter, (known.through, &swept.parts))?;
    let Some((sequences, through)) = newer else { return Ok(None) };
    known.through = through;
    let shown = Arc::make_mut(&mut known.shown);
    if swept.parts.is_empty() {
        day.look_at(&sequences, shown)?;
    } else {
        let mut values = swept.values;
        day.look_at(&sequences, &mut values)?;
        if values.len() < VALUES_MAX {
            *shown = values;
        } else {
            // There are as many as are shown, or more: which came first matters.
            let all = records_after(shared, &key, meter, (0, &[]))?;
            let Some((sequences, through)) = all else { return Ok(None) };
            day.look_at(&sequences, shown)?;
            known.through = through;
        }
    }
    let full = known.is_full().then(|| Arc::clone(&known.shown));
    shared.values.put(key, known);
    Ok(full)
}

/// The sequences of a day's records after one, without those of some parts, and that of the last record
/// of all; `None` where the day has no more records than it shows values.
fn records_after(
    shared: &Shared,
    key: &Key,
    meter: &Meter,
    (after, without): (u64, &[Arc<Part>]),
) -> Result<Option<(Vec<u64>, u64)>, ReadError> {
    let (cells, event_type) = {
        let memory = shared.memory.read();
        let event_type =
            memory.projects.get(&key.project).and_then(|known| known.event_types.find(&meter.event_type));
        (memory.cells(key.project), event_type)
    };
    let Some(event_type) = event_type.filter(|_| cells.cleared_at == key.cleared_at) else { return Ok(None) };
    let first = key.day.saturating_mul(HOURS);
    let hours = first..first.saturating_add(HOURS);
    let mut sequences = Vec::new();
    for part in cells.parts.iter().filter(|part| !without.iter().any(|known| Arc::ptr_eq(known, part))) {
        let Some(section) = part.section(key.project, key.cleared_at) else { continue };
        let block =
            Part::event_type(section, &meter.event_type).and_then(|number| section.block(number, key.day));
        let Some(block) = block else { continue };
        let mut own = Vec::new();
        part.each_cell(section, block, &hours, None, |found| {
            own.push((found.cell, ()));
            Ok::<(), ReadError>(())
        })?;
        part.each_event(block, &own, |_, (), events| {
            sequences.extend(events.iter().map(|event| event.sequence));
            Ok::<(), ReadError>(())
        })?;
    }
    for delta in &cells.deltas {
        let look = delta.look();
        let hours = look.hours(key.project).range(hours.clone());
        let cells = hours.filter_map(|(_, hour)| hour.types.get(&event_type)).flat_map(HashMap::values);
        sequences.extend(cells.flat_map(|cell| cell.events.iter().map(|event| event.sequence())));
    }
    // What was committed meanwhile is looked at next time.
    sequences.retain(|sequence| *sequence <= cells.sequence);
    let memory = shared.memory.read();
    let corrections = memory.projects.get(&key.project).map(|known| &known.corrections);
    let amended = corrections.filter(|corrections| !corrections.is_empty()).map(|corrections| {
        let all = sequences.iter().flat_map(|sequence| corrections.of(*sequence));
        let amendments = all.filter(|correction| !correction.void && correction.sequence <= cells.sequence);
        amendments.map(|correction| correction.sequence).collect::<Vec<_>>()
    });
    drop(memory);
    sequences.extend(amended.unwrap_or_default());
    if without.is_empty() && sequences.len() <= VALUES_MAX {
        return Ok(None);
    }
    sequences.retain(|sequence| *sequence > after);
    sequences.sort_unstable();
    Ok(Some((sequences, cells.sequence)))
}

/// Looks at records of a day.
struct Day<'a> {
    shared: &'a Shared,
    project: ProjectId,
    meter: &'a Meter,
    dimension: &'a Dimension,
}

/// What files of columns have of a day, in whatever order.
#[derive(Default)]
struct Swept {
    parts: Vec<Arc<Part>>,
    /// The values of their records; not all of them where they are as many as a day shows.
    values: Shown,
}

impl Day<'_> {
    /// Looks at what lies in files of columns that are mostly of this day: reading them as they lie takes a
    /// fraction of what it takes to read record by record in the order in which they came.
    fn sweep(&self, day: i64) -> Result<Swept, ReadError> {
        let hour = |day: i64| Timestamp::from_hour_index(day.saturating_mul(HOURS));
        let times = hour(day)..hour(day.saturating_add(1));
        let mut scan = Scan::new(self.shared, self.project, &self.meter.event_type, &[], times, None);
        let broad = scan.take_broad()?;
        let mut swept = Swept::default();
        if broad.is_empty() {
            return Ok(swept);
        }
        let mut extractor = self.extractor();
        let fields = Fields { subject: true, properties: true, ..Fields::NONE };
        let mut add = |origin: &Origin, event: &EventRecord<'_>| {
            self.add(&mut extractor, (origin, event), &mut swept.values)
        };
        match scan.sweep_as_stored(&broad, fields, &mut add) {
            Ok(amendments) => self.look_at(&amendments, &mut swept.values)?,
            Err(Stop::Full) => {}
            // Whoever asks for it sees that itself.
            Err(Stop::Cleared) => return Ok(Swept::default()),
            Err(Stop::Error(error)) => return Err(error),
        }
        swept.parts = broad.into_iter().map(|asked| asked.part).collect();
        Ok(swept)
    }

    fn extractor(&self) -> Extractor {
        let declared = match self.dimension {
            Dimension::Property(path) => Some(path),
            Dimension::Subject => None,
        };
        Extractor::new(declared.into_iter().chain(self.meter.paths()))
    }

    /// Adds the value of a record, unless there are as many as a day shows then.
    fn add(
        &self,
        extractor: &mut Extractor,
        (origin, event): (&Origin, &EventRecord<'_>),
        values: &mut Shown,
    ) -> Result<(), Stop> {
        let draft = &event.draft;
        let properties = extractor.read(draft.properties);
        let (time, sequence, value) = (event.time, origin.sequence, draft.value);
        let readable = Readable { time, sequence, value, properties: &properties };
        if self.meter.read(&readable).is_some()
            && let Some(text) = self.dimension.text_of(draft.subject, &properties)
        {
            values.insert(self.shared.hasher.of(self.project, text.as_bytes()));
        }
        if values.len() < VALUES_MAX { Ok(()) } else { Err(Stop::Full) }
    }

    /// Adds the values of these records, in order, until there are as many as a day shows.
    fn look_at(&self, sequences: &[u64], values: &mut Shown) -> Result<(), ReadError> {
        let mut extractor = self.extractor();
        for sequences in sequences.chunks(PLACES_AT_ONCE) {
            let found: Vec<Found> = {
                let memory = self.shared.memory.read();
                sequences.iter().filter_map(|sequence| memory.places.find(*sequence)).collect()
            };
            let mut finder = Finder::default();
            let places = found.iter().filter_map(|found| finder.place(found).transpose());
            let places = places.collect::<Result<Vec<_>, _>>()?;
            let looked =
                fetch::each(&places, |_, origin, event| self.add(&mut extractor, (origin, event), values));
            match looked {
                Ok(()) => {}
                Err(Stop::Full | Stop::Cleared) => break,
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
