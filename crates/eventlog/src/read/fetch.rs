//! Records from disk: neighbours are read together.
use crate::columns::{Columns, Fields, Kind, Origin};
use crate::error::ReadError;
use crate::format::record::{self, EventRecord};
use crate::memory::places::{LogPlace, Place, RowPlace};
use crate::shared::{event_of, to_event};
use reckoner_domain::event::Event;
use std::sync::Arc;

/// Records closer than this are read together.
const GAP_BYTES_MAX: u32 = 4 * 1024;
/// Most bytes read at once, but for a longer record.
const RUN_BYTES_MAX: u32 = 256 * 1024;
/// Bytes read for a run's last record before its length is known.
const TAIL_BYTES: u32 = 1024;

/// Most rows of columns read together.
const ROWS_MAX: usize = 16 * 1024;

/// Shows every event at these places to `each`, in the order given, with the number of its place;
/// places in the order of their sequence read fastest.
pub fn each<E: From<ReadError>>(
    places: &[Place],
    mut each: impl FnMut(usize, &Origin, &EventRecord<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = Vec::new();
    let mut rest = places;
    while let Some(first) = rest.first() {
        let before = places.len() - rest.len();
        let mut each =
            |number: usize, origin: &Origin, event: &EventRecord<'_>| each(before + number, origin, event);
        match first {
            Place::Log(first) => {
                let (run, after) = rest.split_at(run_length(first, rest));
                log(&mut buffer, first, run, &mut each)?;
                rest = after;
            }
            Place::Row(RowPlace { columns, .. }) => {
                let same =
                    |place: &&Place| matches!(place, Place::Row(of) if Arc::ptr_eq(&of.columns, columns));
                let (run, after) = rest.split_at(rest.iter().take(ROWS_MAX).take_while(same).count());
                rows(columns, run, &mut each)?;
                rest = after;
            }
        }
    }
    Ok(())
}

/// Reads records of the log that lie near each other.
fn log<E: From<ReadError>>(
    buffer: &mut Vec<u8>,
    first: &LogPlace,
    run: &[Place],
    each: &mut impl FnMut(usize, &Origin, &EventRecord<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let run =
        || run.iter().filter_map(|place| if let Place::Log(place) = place { Some(place) } else { None });
    let end = run().next_back().map_or(first.offset, |last| last.offset) + TAIL_BYTES;
    fill(buffer, first, (end - first.offset) as usize)?;
    for (number, place) in run().enumerate() {
        let start = (place.offset - first.offset) as usize;
        let cut = buffer.get(start..).unwrap_or_default();
        let bytes = record::length(cut).ok_or_else(|| damaged(place))?;
        if bytes > cut.len() {
            fill(buffer, first, start + bytes)?;
        }
        let mut input = buffer.get(start..start + bytes).ok_or_else(|| damaged(place))?;
        let record = record::take(&mut input, place.received_at).map_err(|_| damaged(place))?;
        if let Some(event) = event_of(record) {
            each(number, &place.origin, &event)?;
        }
    }
    Ok(())
}

/// Reads rows of one file, each once, and shows them in the order of their places.
fn rows<E: From<ReadError>>(
    columns: &Columns,
    run: &[Place],
    each: &mut impl FnMut(usize, &Origin, &EventRecord<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let places =
        || run.iter().filter_map(|place| if let Place::Row(place) = place { Some(place) } else { None });
    let mut numbers: Vec<u32> = places().map(|place| place.row).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut events: Vec<Option<Event>> = Vec::with_capacity(numbers.len());
    columns.read(&numbers, Fields::ALL, |_, row| {
        events.push((row.kind != Kind::Void).then(|| to_event(&row.origin, &row.event)));
        Ok::<(), ReadError>(())
    })?;
    for (number, place) in places().enumerate() {
        let at = numbers.binary_search(&place.row).unwrap_or_default();
        if let Some(Some(event)) = events.get(at) {
            let Event { project, sequence, received_at, .. } = *event;
            let origin = place.shown_as.unwrap_or(Origin { project, sequence, received_at });
            each(number, &origin, &EventRecord::of(event))?;
        }
    }
    Ok(())
}

/// The bytes of one record.
pub fn record(place: &LogPlace) -> Result<Vec<u8>, ReadError> {
    let mut buffer = Vec::new();
    fill(&mut buffer, place, TAIL_BYTES as usize)?;
    let bytes = record::length(&buffer).ok_or_else(|| damaged(place))?;
    if bytes > buffer.len() {
        fill(&mut buffer, place, bytes)?;
    }
    buffer.truncate(bytes);
    Ok(buffer)
}

/// How many places from the front are read together.
fn run_length(first: &LogPlace, places: &[Place]) -> usize {
    let near = |pair: &&[Place]| match pair {
        [Place::Log(a), Place::Log(b)] => {
            a.segment == b.segment
                && b.offset >= a.offset
                && b.offset - a.offset <= GAP_BYTES_MAX
                && b.offset - first.offset <= RUN_BYTES_MAX
        }
        _ => false,
    };
    1 + places.windows(2).take_while(near).count()
}

fn fill(buffer: &mut Vec<u8>, from: &LogPlace, bytes: usize) -> Result<(), ReadError> {
    buffer.resize(bytes, 0);
    let got = from.file.read_at(buffer, u64::from(from.offset))?;
    buffer.truncate(got);
    Ok(())
}

/// What lies at a place is no record.
pub fn damaged(place: &LogPlace) -> ReadError {
    ReadError::Damaged { segment: place.segment, offset: place.offset }
}
