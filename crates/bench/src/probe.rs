//! What the disk does by itself: a 4 KiB append and an fdatasync, over and over.
use crate::Result;
use crate::load::Measured;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const BLOCK_BYTES: usize = 4096;
const PROBE: Duration = Duration::from_secs(1);

/// Counts syncs as events.
pub fn fdatasync(folder: &Path) -> Result<Measured> {
    let path = folder.join("probe");
    let mut file = File::create(&path)?;
    let (began, mut latencies) = (Instant::now(), Vec::new());
    while began.elapsed() < PROBE {
        let one = Instant::now();
        file.write_all(&[7; BLOCK_BYTES])?;
        file.sync_data()?;
        latencies.push(one.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(Measured::new(latencies.len() as u64, began.elapsed(), latencies))
}
