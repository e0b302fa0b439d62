//! Where on disk each record lies.
use crate::disk::File;
use crate::error::ReadError;
use crate::format::frame::FrameHeader;
use crate::part::Part;
use crate::part::places::{Spot, Spots};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::sync::Arc;

/// The records of one segment.
pub struct Segment {
    /// Counts from 1.
    number: u64,
    /// The sequence of its first record.
    first_sequence: u64,
    file: Arc<dyn File>,
    rows: Rows,
}

/// Where a segment's records lie.
enum Rows {
    /// As they came.
    Here(Frames),
    /// As a part has it.
    Part(Arc<Part>),
}

#[derive(Default)]
struct Frames {
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

/// A place, or where to look it up: that may mean reading a part, and is not done under a lock.
#[derive(Clone)]
pub enum Found {
    /// The place.
    Place(Place),
    /// A part knows it.
    In {
        /// The part.
        part: Arc<Part>,
        /// The segment's file.
        file: Arc<dyn File>,
        /// The record's sequence.
        sequence: u64,
    },
}

/// Looks places up; those near each other cost one look.
#[derive(Default)]
pub struct Finder {
    block: Option<(Arc<Part>, usize, Spots)>,
}

impl Finder {
    /// The place.
    pub fn place(&mut self, found: &Found) -> Result<Place, ReadError> {
        let (part, file, sequence) = match found {
            Found::Place(place) => return Ok(place.clone()),
            Found::In { part, file, sequence } => (part, file, *sequence),
        };
        let (index, first) = part.block_of(sequence).ok_or_else(|| part.damaged())?;
        let known = matches!(&self.block, Some((of, at, _)) if Arc::ptr_eq(of, part) && *at == index);
        if !known {
            self.block = Some((Arc::clone(part), index, part.spots(index)?));
        }
        let spots = self.block.as_ref().map(|(_, _, spots)| spots);
        let found =
            spots.and_then(|block| Some((block.segment, block.spots.get((sequence - first) as usize)?)));
        let (segment, spot) = found.ok_or_else(|| part.damaged())?;
        let Spot { offset, received_at, project } = *spot;
        Ok(Place { file: Arc::clone(file), segment, offset, sequence, received_at, project })
    }
}

/// All segments, in order.
#[derive(Default)]
pub struct Places {
    segments: Vec<Segment>,
}

impl Places {
    /// A segment that has no records yet follows.
    pub fn begin_segment(&mut self, number: u64, first_sequence: u64, file: Arc<dyn File>) {
        self.segments.push(Segment { number, first_sequence, file, rows: Rows::Here(Frames::default()) });
    }

    /// A segment follows whose records a part knows.
    pub fn push_covered(&mut self, number: u64, first_sequence: u64, file: Arc<dyn File>, part: &Arc<Part>) {
        self.segments.push(Segment { number, first_sequence, file, rows: Rows::Part(Arc::clone(part)) });
    }

    /// From now on a part knows the records of its segments.
    pub fn cover(&mut self, part: &Arc<Part>) {
        for segment in &mut self.segments {
            if part.covers(segment.number) {
                segment.rows = Rows::Part(Arc::clone(part));
            }
        }
    }

    /// A frame of the last segment follows.
    pub fn begin_frame(&mut self, header: &FrameHeader) {
        if let Some(Segment { rows: Rows::Here(rows), .. }) = self.segments.last_mut() {
            let FrameHeader { first_sequence, received_at, project, .. } = *header;
            rows.frames.push(FrameRef { first_sequence, received_at, project });
        }
    }

    /// A record of the last frame begins at `offset` of its segment.
    pub fn push(&mut self, offset: u32) {
        if let Some(Segment { rows: Rows::Here(rows), .. }) = self.segments.last_mut() {
            rows.offsets.push(offset);
        }
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Where the record with this sequence lies.
    pub fn find(&self, sequence: u64) -> Option<Found> {
        let after = self.segments.partition_point(|segment| segment.first_sequence <= sequence);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let rows = match &segment.rows {
            Rows::Part(part) => {
                let (part, file) = (Arc::clone(part), Arc::clone(&segment.file));
                return (sequence <= part.last_sequence()).then_some(Found::In { part, file, sequence });
            }
            Rows::Here(rows) => rows,
        };
        let offset = *rows.offsets.get((sequence - segment.first_sequence) as usize)?;
        let after = rows.frames.partition_point(|frame| frame.first_sequence <= sequence);
        let frame = rows.frames.get(after.checked_sub(1)?)?;
        Some(Found::Place(Place {
            file: Arc::clone(&segment.file),
            segment: segment.number,
            offset,
            sequence,
            received_at: frame.received_at,
            project: frame.project,
        }))
    }

    /// The records of a segment that no part knows yet, by sequence.
    pub fn spots(&self, number: u64) -> Vec<Spot> {
        let segment = self.segments.iter().find(|segment| segment.number == number);
        let Some(Segment { first_sequence, rows: Rows::Here(rows), .. }) = segment else { return Vec::new() };
        let mut frames = rows.frames.iter().peekable();
        let mut frame = None;
        let spot = |(sequence, offset): (u64, &u32)| {
            while let Some(next) = frames.next_if(|next| next.first_sequence <= sequence) {
                frame = Some(next);
            }
            let FrameRef { received_at, project, .. } = frame?;
            Some(Spot { offset: *offset, received_at: *received_at, project: *project })
        };
        (*first_sequence..).zip(&rows.offsets).filter_map(spot).collect()
    }
}
