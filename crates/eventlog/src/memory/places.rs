//! Where on disk each record lies.
use crate::columns::{Columns, Origin};
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
    /// Its file; there is none where its records are columns.
    file: Option<Arc<dyn File>>,
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

/// Where a record lies.
#[derive(Clone)]
pub enum Place {
    /// In the log.
    Log(LogPlace),
    /// In a file of columns.
    Row(RowPlace),
}

/// Where in the log a record lies, and what its frame says of it.
#[derive(Clone)]
pub struct LogPlace {
    /// The segment's file.
    pub file: Arc<dyn File>,
    /// The segment's number.
    pub segment: u64,
    /// Where in the file the record begins.
    pub offset: u32,
    /// When the record arrived: what its time is told from.
    pub received_at: Timestamp,
    /// What it is shown as.
    pub origin: Origin,
}

/// Where in a file of columns a record lies.
#[derive(Clone)]
pub struct RowPlace {
    /// The file.
    pub columns: Arc<Columns>,
    /// The row.
    pub row: u32,
    /// What it is shown as, where that is not what it says.
    pub shown_as: Option<Origin>,
}

impl Place {
    /// Where the record comes from.
    pub fn origin(&self) -> Result<Origin, ReadError> {
        match self {
            Self::Log(place) => Ok(place.origin),
            Self::Row(place) => place.columns.origin(place.row),
        }
    }

    /// The same record, shown as coming from elsewhere.
    pub fn shown_as(self, origin: Origin) -> Self {
        match self {
            Self::Log(place) => Self::Log(LogPlace { origin, ..place }),
            Self::Row(place) => Self::Row(RowPlace { shown_as: Some(origin), ..place }),
        }
    }
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
        /// The segment's file, where it has one.
        file: Option<Arc<dyn File>>,
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
    /// The place; `None` of what was cleared and is not kept.
    pub fn place(&mut self, found: &Found) -> Result<Option<Place>, ReadError> {
        let (part, file, sequence) = match found {
            Found::Place(place) => return Ok(Some(place.clone())),
            Found::In { part, file, sequence } => (part, file, *sequence),
        };
        let (index, first) = part.block_of(sequence).ok_or_else(|| part.damaged())?;
        let known = matches!(&self.block, Some((of, at, _)) if Arc::ptr_eq(of, part) && *at == index);
        if !known {
            self.block = Some((Arc::clone(part), index, part.spots(index)?));
        }
        let at = (sequence - first) as usize;
        let place = match self.block.as_ref().map(|(_, _, spots)| spots) {
            Some(Spots::Log { segment, spots }) => {
                let (file, spot) = (file.clone(), spots.get(at));
                file.zip(spot).map(|(file, spot)| {
                    let Spot { offset, received_at, project } = *spot;
                    let origin = Origin { project, sequence, received_at };
                    Some(Place::Log(LogPlace { file, segment: *segment, offset, received_at, origin }))
                })
            }
            Some(Spots::Rows { first_segment, rows }) => {
                part.columns_of(*first_segment).zip(rows.get(at)).map(|(columns, row)| {
                    let columns = Arc::clone(columns);
                    row.map(|row| Place::Row(RowPlace { columns, row, shown_as: None }))
                })
            }
            None => None,
        };
        place.ok_or_else(|| part.damaged())
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
        let rows = Rows::Here(Frames::default());
        self.segments.push(Segment { number, first_sequence, file: Some(file), rows });
    }

    /// A segment follows whose records a part knows.
    pub fn push_covered(
        &mut self,
        number: u64,
        first_sequence: u64,
        file: Option<Arc<dyn File>>,
        part: &Arc<Part>,
    ) {
        self.segments.push(Segment { number, first_sequence, file, rows: Rows::Part(Arc::clone(part)) });
    }

    /// Forgets segments up to one.
    pub fn drop_through(&mut self, segment: u64) {
        self.segments.retain(|known| known.number > segment);
    }

    /// From now on a part knows the records of its segments.
    pub fn cover(&mut self, part: &Arc<Part>) {
        for segment in &mut self.segments {
            if part.covers(segment.number) {
                segment.rows = Rows::Part(Arc::clone(part));
                if part.columns_of(segment.number).is_some() {
                    segment.file = None;
                }
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
                let (part, file) = (Arc::clone(part), segment.file.clone());
                return (sequence <= part.last_sequence()).then_some(Found::In { part, file, sequence });
            }
            Rows::Here(rows) => rows,
        };
        let offset = *rows.offsets.get((sequence - segment.first_sequence) as usize)?;
        let after = rows.frames.partition_point(|frame| frame.first_sequence <= sequence);
        let FrameRef { received_at, project, .. } = *rows.frames.get(after.checked_sub(1)?)?;
        Some(Found::Place(Place::Log(LogPlace {
            file: segment.file.clone()?,
            segment: segment.number,
            offset,
            received_at,
            origin: Origin { project, sequence, received_at },
        })))
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
