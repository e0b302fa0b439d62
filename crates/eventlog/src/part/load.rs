//! Finds the parts of a log at its start.
use super::rebuild::rebuild;
use super::{NAMES, Part};
use crate::columns::{self, Columns, Known};
use crate::disk::Disk;
use crate::error::{OpenError, ReadError};
use crate::format::segment;
use crate::memory::ids::SHARDS;
use crate::recover::{corrupt, while_doing};
use crate::shared::Shared;
use std::io;

/// Shards whose ids are read together.
const SHARDS_AT_ONCE: usize = 64;

/// Parts that follow each other from the first segment on, and the files that are not needed.
pub struct Loaded {
    /// The parts.
    pub parts: Vec<Part>,
    /// What was not finished, or is told from elsewhere.
    pub unneeded: Vec<String>,
}

/// Opens the parts among these files that follow each other from the first segment on, or the first
/// behind what was dropped, and tell of none but sealed segments. What other ones tell is told again from the segments, by whoever reads
/// them, or from columns: here, where `anew` is given.
pub fn load(
    disk: &dyn Disk,
    names: &[String],
    (store_id, in_log, dropped): (u128, &[u64], (u64, u64)),
    anew: Option<&Shared>,
) -> Result<Loaded, OpenError> {
    let found: Vec<(u64, u64)> = names.iter().filter_map(|name| NAMES.parse(name)).collect();
    let sealed: Vec<(u64, u64)> = names.iter().filter_map(|name| columns::NAMES.parse(name)).collect();
    let newest = in_log.last().copied().unwrap_or(0);
    let mut parts: Vec<Part> = Vec::new();
    let mut next = dropped.0 + 1;
    loop {
        let begins = |(first, last): &&(u64, u64)| *first == next && *last < newest;
        let mut candidates: Vec<(u64, u64)> = found.iter().filter(begins).copied().collect();
        // Of two that begin with the same segment, the one that reaches further was made of the other.
        candidates.sort_unstable_by_key(|(_, last)| u64::MAX - last);
        let mut part = None;
        for (first, last) in candidates {
            let opened = open(disk, &NAMES.of(first, last), store_id)?;
            part = opened.filter(|part| {
                part.is_of(first, last) && follows(dropped.1, parts.last(), part) && part.has(in_log)
            });
            part = part.map(|part| instead_of_log(part, in_log)).transpose()?.flatten();
            if part.is_some() {
                break;
            }
        }
        if part.is_none() && !in_log.contains(&next) {
            let from = sealed.iter().filter(begins).max();
            part = from.zip(anew).map(|(from, shared)| from_columns(disk, shared, *from)).transpose()?;
        }
        let Some(part) = part.filter(|part| follows(dropped.1, parts.last(), part)) else { break };
        next = part.index().segments.last().map_or(next, |last| last.number) + 1;
        parts.push(part);
    }
    // Of those that have become columns some may have been left by a crash.
    let needed = in_log.iter().filter(|segment| **segment >= next);
    let gap =
        needed.zip(next..).find(|(segment, expected)| **segment != *expected).map(|(_, missing)| missing);
    let none = newest < next && (next > 1 || !sealed.is_empty());
    if let Some(missing) = gap.or(none.then_some(next)) {
        return Err(corrupt(&segment::file_name(missing), 0, "it is missing, and later ones are there"));
    }
    let used = |name: &str| {
        parts.iter().any(|part| part.name() == name || part.columns().iter().any(|of| of.name() == name))
    };
    let of_parts = |name: &&String| NAMES.has(name) || columns::NAMES.has(name);
    let unneeded = names.iter().filter(of_parts).filter(|name| !used(name)).cloned().collect();
    Ok(Loaded { parts, unneeded })
}

/// A part whose columns are as they were written, where their segments are still there to be told
/// from; they go because of it.
fn instead_of_log(part: Part, in_log: &[u64]) -> Result<Option<Part>, OpenError> {
    for columns in part.columns() {
        let Known { first, last, .. } = columns.known();
        let mut segments = *first..=*last;
        if !segments.clone().any(|segment| in_log.contains(&segment)) {
            continue;
        }
        match columns.check(|| true) {
            Ok(()) => {}
            Err(ReadError::Io(error)) => return Err(while_doing("read sealed events")(error)),
            Err(_) if segments.all(|segment| in_log.contains(&segment)) => return Ok(None),
            Err(error) => return Err(corrupt(columns.name(), 0, &error.to_string())),
        }
    }
    Ok(Some(part))
}

/// Tells a part from its columns.
fn from_columns(disk: &dyn Disk, shared: &Shared, segments: (u64, u64)) -> Result<Part, OpenError> {
    let name = columns::NAMES.of(segments.0, segments.1);
    let told_anew = || {
        let columns = Columns::found(disk, segments)?;
        let told = columns.told()?;
        let numbers = told.segments.iter().map(|segment| segment.number);
        let ours = told.store_id == shared.store_id && numbers.eq(segments.0..=segments.1);
        ours.then(|| rebuild(disk, shared, &columns, &told)).transpose()
    };
    let part = told_anew().map_err(|error| match error {
        ReadError::Io(source) => while_doing("write down what is told from sealed events")(source),
        error => corrupt(&name, 0, &error.to_string()),
    })?;
    part.ok_or_else(|| corrupt(&name, 0, "it is of another store, or of other segments than its name says"))
}

fn open(disk: &dyn Disk, name: &str, store_id: u128) -> Result<Option<Part>, OpenError> {
    match Part::open(disk, name, store_id) {
        Ok(part) => Ok(Some(part)),
        Err(ReadError::Io(error)) => Err(while_doing("open what is written down of segments")(error)),
        Err(_) => Ok(None),
    }
}

/// Whether a part goes on behind the one before it, or behind what was dropped.
fn follows(dropped: u64, before: Option<&Part>, part: &Part) -> bool {
    part.index().first_sequence() == before.map_or(dropped, Part::last_sequence) + 1
}

/// Takes in the ids of all parts, some shards of each at a time, on two threads: an id's shard is at
/// hand in the processor's cache then.
pub fn load_ids(shared: &Shared) -> Result<(), ReadError> {
    let parts = shared.memory.read().parts.clone();
    let load_from = |first: usize| {
        for from in (first..SHARDS).step_by(2 * SHARDS_AT_ONCE) {
            let shards = from..from + SHARDS_AT_ONCE;
            let mut ids: Vec<Vec<(u64, u64)>> = vec![Vec::new(); SHARDS_AT_ONCE];
            for part in &parts {
                for (shard, tag, sequence) in part.ids(shards.clone())? {
                    if let Some(of_shard) = ids.get_mut(shard - from) {
                        of_shard.push((tag, sequence));
                    }
                }
            }
            for (shard, ids) in shards.zip(ids) {
                shared.ids.load(shard, ids.into_iter());
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| load_from(SHARDS_AT_ONCE));
        let own = load_from(0);
        own.and(other.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed").into())))
    })
}
