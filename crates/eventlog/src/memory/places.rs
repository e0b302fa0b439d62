//! Where on disk each record lies.
use crate::disk::File;
use crate::format::frame::FrameHeader;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::sync::Arc;

/// The records of one segment.
pub struct Segment {
    /// Counts from 1.
    pub number: u64,
    /// The sequence of its first record.
    pub first_sequence: u64,
    /// Its file.
    pub file: Arc<dyn File>,
    /// Where each record begins, by its sequence less the first.
    offsets: Vec<u32>,
    frames: Vec<FrameRef>,
}

/// What the records of one frame share.
struct FrameRef {
    first_sequence: u64,
    received_at: Timestamp,
    project: ProjectId,
}

/// Where a record lies, and what its frame says of it.
#[derive(Clone)]
pub struct Place {
    /// The segment's file.
    pub file: Arc<dyn File>,
    /// The segment's number.
    pub segment: u64,
    /// Where in the file the record begins.
    pub offset: u32,
    /// The record's sequence.
    pub sequence: u64,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Whose it is.
    pub project: ProjectId,
}

/// All segments, in order.
#[derive(Default)]
pub struct Places {
    segments: Vec<Segment>,
}

impl Places {
    /// A segment that has no records yet follows.
    pub fn begin_segment(&mut self, number: u64, first_sequence: u64, file: Arc<dyn File>) {
        self.segments.push(Segment { number, first_sequence, file, offsets: Vec::new(), frames: Vec::new() });
    }

    /// A frame of the last segment follows.
    pub fn begin_frame(&mut self, header: &FrameHeader) {
        if let Some(segment) = self.segments.last_mut() {
            let FrameHeader { first_sequence, received_at, project, .. } = *header;
            segment.frames.push(FrameRef { first_sequence, received_at, project });
        }
    }

    /// A record of the last frame begins at `offset` of its segment.
    pub fn push(&mut self, offset: u32) {
        if let Some(segment) = self.segments.last_mut() {
            segment.offsets.push(offset);
        }
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Where the record with this sequence lies.
    pub fn find(&self, sequence: u64) -> Option<Place> {
        let after = self.segments.partition_point(|segment| segment.first_sequence <= sequence);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let offset = *segment.offsets.get((sequence - segment.first_sequence) as usize)?;
        let after = segment.frames.partition_point(|frame| frame.first_sequence <= sequence);
        let frame = segment.frames.get(after.checked_sub(1)?)?;
        Some(Place {
            file: Arc::clone(&segment.file),
            segment: segment.number,
            offset,
            sequence,
            received_at: frame.received_at,
            project: frame.project,
        })
    }
}
