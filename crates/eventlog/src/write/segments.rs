//! The segment that is written to, and the change to the next.
use super::prepare::{self, Preparer, zeroed};
use crate::disk::{Disk, File, is_out_of_space};
use crate::format::segment::{self, HEADER_BYTES, SegmentHeader};
use crate::hash::IdHasher;
use reckoner_domain::id::ProjectId;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The segment that is written to.
pub struct Active {
    /// Its file.
    pub file: Arc<dyn File>,
    /// The seed of its frames' checksums.
    pub salt: u32,
    /// Where the next frame goes.
    pub offset: u64,
    /// Bytes in the file.
    pub length: u64,
}

/// What segments are made of.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The store they belong to.
    pub store_id: u128,
    /// Bytes in each.
    pub segment_bytes: u64,
    /// Makes salts.
    pub hasher: IdHasher,
    /// Whether the next one is prepared on a thread of its own.
    pub prepare_ahead: bool,
}

/// Why there is no next segment.
#[derive(Debug)]
pub enum RollError {
    /// No space; later there may be.
    Full,
    /// The disk failed.
    Failed(io::Error),
}

/// Writes groups to segments.
pub struct Segments {
    disk: Arc<dyn Disk>,
    plan: Plan,
    preparer: Option<Preparer>,
    /// The number of the last segment; 0 before the first.
    number: u64,
    active: Option<Active>,
    out_of_space: bool,
}

impl Segments {
    /// Goes on behind the segment with this number.
    pub fn new(disk: Arc<dyn Disk>, plan: Plan, number: u64, active: Option<Active>) -> io::Result<Self> {
        let start = || Preparer::start(Arc::clone(&disk), plan.segment_bytes);
        let preparer = plan.prepare_ahead.then(start).transpose()?;
        let mut segments = Self { disk, plan, preparer, number, active, out_of_space: false };
        segments.prepare_next();
        Ok(segments)
    }

    /// Most bytes of a group.
    pub fn group_bytes_max(&self) -> u64 {
        self.plan.segment_bytes - HEADER_BYTES
    }

    /// Whether a group of this many bytes goes into the current segment.
    pub fn fits(&self, bytes: usize) -> bool {
        self.active.as_ref().is_some_and(|active| active.offset + bytes as u64 <= active.length)
    }

    /// Where the next group goes, and the seed of its checksums.
    pub fn position(&self) -> (u64, u32) {
        self.active.as_ref().map_or((0, 0), |active| (active.offset, active.salt))
    }

    /// Writes a group that fits and makes it durable.
    pub fn commit(&mut self, group: &[u8]) -> io::Result<()> {
        let active = self.active.as_mut().ok_or_else(|| io::Error::other("there is no segment yet"))?;
        active.file.write_at(group, active.offset)?;
        active.file.sync()?;
        active.offset += group.len() as u64;
        Ok(())
    }

    /// Changes to the next segment, whose first record has this sequence; answers its number and file.
    pub fn roll(&mut self, first_sequence: u64) -> Result<(u64, Arc<dyn File>), RollError> {
        if self.out_of_space && !self.space_is_back() {
            return Err(RollError::Full);
        }
        let mut rolled = self.try_roll(first_sequence);
        // What was prepared ahead may have failed long ago.
        if rolled.as_ref().is_err_and(is_out_of_space) && self.space_is_back() {
            rolled = self.try_roll(first_sequence);
        }
        match rolled {
            Ok(file) => {
                self.out_of_space = false;
                self.prepare_next();
                Ok((self.number, file))
            }
            Err(error) if is_out_of_space(&error) => {
                self.out_of_space = true;
                Err(RollError::Full)
            }
            Err(error) => Err(RollError::Failed(error)),
        }
    }

    fn space_is_back(&self) -> bool {
        self.disk.free_bytes().is_ok_and(|free| free >= self.plan.segment_bytes)
    }

    fn prepare_next(&mut self) {
        if let Some(preparer) = &mut self.preparer {
            preparer.request(self.number + 1);
        }
    }

    fn try_roll(&mut self, first_sequence: u64) -> io::Result<Arc<dyn File>> {
        let number = self.number + 1;
        let length = self.plan.segment_bytes;
        let file = match &mut self.preparer {
            Some(preparer) => preparer.take(number)?,
            None => zeroed(self.disk.as_ref(), number, length, &AtomicBool::new(false))?,
        };
        let salt = self.plan.hasher.of(ProjectId(u32::MAX), &number.to_le_bytes()).low as u32;
        let header = SegmentHeader { number, store_id: self.plan.store_id, first_sequence, salt };
        file.write_at(&header.encode(), 0)?;
        file.sync()?;
        self.disk.rename(&prepare::file_name(number), &segment::file_name(number))?;
        self.disk.sync_names()?;
        self.number = number;
        self.active = Some(Active { file: Arc::clone(&file), salt, offset: HEADER_BYTES, length });
        Ok(file)
    }
}
