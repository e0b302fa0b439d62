//! (a): the least that any durable, deduplicating ingest has to do.
use crate::Result;
use crate::load::Measured;
use crate::sample::{BATCH_EVENTS, Body, Ids};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Batches that share one sync.
const BATCHES_PER_SYNC: usize = 16;
/// Most events, so that the disk does not fill.
const EVENTS_MAX: u64 = 8_000_000;

/// Appends batches, keeps 128 bits of each id, and syncs after every 16.
pub fn run(folder: &Path, duration: Duration) -> Result<Measured> {
    let path = folder.join("raw");
    let mut file = File::create(&path)?;
    let (mut body, mut ids) = (Body::new(BATCH_EVENTS), Ids::new());
    let (low, high) = (RandomState::default(), RandomState::default());
    let mut seen: HashSet<u128, RandomState> = HashSet::default();
    let (began, mut latencies) = (Instant::now(), Vec::new());
    while began.elapsed() < duration && (seen.len() as u64) < EVENTS_MAX {
        let group = Instant::now();
        for _ in 0..BATCHES_PER_SYNC {
            body.renew(&mut ids);
            seen.extend(
                body.ids().map(|id| u128::from(high.hash_one(id)) << 64 | u128::from(low.hash_one(id))),
            );
            file.write_all(&body.bytes)?;
        }
        file.sync_data()?;
        latencies.push(group.elapsed());
    }
    let elapsed = began.elapsed();
    std::fs::remove_file(path)?;
    Ok(Measured::new(seen.len() as u64, elapsed, latencies))
}
