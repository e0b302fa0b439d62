//! Finds the parts of a log at its start.
use super::build::TEMPORARY_PREFIX;
use super::{Part, segments_of};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::memory::ids::SHARDS;
use crate::shared::Shared;
use std::io;

/// Shards whose ids are read together.
const SHARDS_AT_ONCE: usize = 64;

/// Opens the parts among these files that follow each other from the first segment on and tell of
/// none but sealed segments; all other ones go: they are told from the segments again.
pub fn load(disk: &dyn Disk, names: &[String], store_id: u128, segments: u64) -> io::Result<Vec<Part>> {
    let mut found: Vec<(u64, u64, &String)> = Vec::new();
    for name in names {
        if let Some((first, last)) = segments_of(name) {
            found.push((first, last, name));
        } else if name.starts_with(TEMPORARY_PREFIX) {
            disk.remove(name)?;
        }
    }
    // Of two that begin with the same segment, the one that reaches further was made of the other.
    found.sort_unstable_by_key(|(first, last, _)| (*first, u64::MAX - last));
    let mut parts: Vec<Part> = Vec::new();
    let mut next = 1;
    for (first, last, name) in found {
        let part = if first == next && last < segments { open(disk, name, store_id)? } else { None };
        match part.filter(|part| part.is_of(first, last) && follows(parts.last(), part)) {
            Some(part) => {
                next = last + 1;
                parts.push(part);
            }
            None => disk.remove(name)?,
        }
    }
    Ok(parts)
}

fn open(disk: &dyn Disk, name: &str, store_id: u128) -> io::Result<Option<Part>> {
    match Part::open(name, disk.open(name)?, store_id) {
        Ok(part) => Ok(Some(part)),
        Err(ReadError::Io(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

fn follows(before: Option<&Part>, part: &Part) -> bool {
    part.index().first_sequence() == before.map_or(1, |before| before.last_sequence() + 1)
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
