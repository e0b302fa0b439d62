//! Records from disk: neighbours are read together.
use crate::error::ReadError;
use crate::format::record::{self, EventRecord};
use crate::memory::places::Place;
use crate::shared::event_of;

/// Records closer than this are read together.
const GAP_BYTES_MAX: u32 = 4 * 1024;
/// Most bytes read at once, but for a longer record.
const RUN_BYTES_MAX: u32 = 256 * 1024;
/// Bytes read for a run's last record before its length is known.
const TAIL_BYTES: u32 = 1024;

/// Shows every event at these places to `each`, in the order given; places in the order of their
/// sequence read fastest.
pub fn each<E: From<ReadError>>(
    places: &[Place],
    mut each: impl FnMut(&Place, &EventRecord<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = Vec::new();
    let mut rest = places;
    while let Some(first) = rest.first() {
        let (run, after) = rest.split_at(run_length(rest).max(1));
        rest = after;
        let end = run.last().map_or(first.offset, |last| last.offset) + TAIL_BYTES;
        fill(&mut buffer, first, (end - first.offset) as usize)?;
        for place in run {
            let start = (place.offset - first.offset) as usize;
            let cut = buffer.get(start..).unwrap_or_default();
            let bytes = record::length(cut).ok_or_else(|| damaged(place))?;
            if bytes > cut.len() {
                fill(&mut buffer, first, start + bytes)?;
            }
            let mut input = buffer.get(start..start + bytes).ok_or_else(|| damaged(place))?;
            let record = record::take(&mut input, place.received_at).map_err(|_| damaged(place))?;
            if let Some(event) = event_of(record) {
                each(place, &event)?;
            }
        }
    }
    Ok(())
}

/// The bytes of one record.
pub fn record(place: &Place) -> Result<Vec<u8>, ReadError> {
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
fn run_length(places: &[Place]) -> usize {
    let Some(first) = places.first() else { return 0 };
    let near = |pair: &&[Place]| match pair {
        [a, b] => {
            a.segment == b.segment
                && b.offset >= a.offset
                && b.offset - a.offset <= GAP_BYTES_MAX
                && b.offset - first.offset <= RUN_BYTES_MAX
        }
        _ => false,
    };
    1 + places.windows(2).take_while(near).count()
}

fn fill(buffer: &mut Vec<u8>, from: &Place, bytes: usize) -> Result<(), ReadError> {
    buffer.resize(bytes, 0);
    let got = from.file.read_at(buffer, u64::from(from.offset))?;
    buffer.truncate(got);
    Ok(())
}

/// What lies at a place is no record.
pub fn damaged(place: &Place) -> ReadError {
    ReadError::Damaged { segment: place.segment, offset: place.offset }
}
