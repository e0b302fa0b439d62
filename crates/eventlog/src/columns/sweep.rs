//! Walks over the events of one type in a file, row group by row group: of row groups that have nothing
//! else only what is asked for is read.
use super::read::Batch;
use super::{Columns, Fields, Group, Kind, Row};
use crate::error::ReadError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::ops::Range;

/// Rows decoded together.
const BATCH_ROWS: usize = if cfg!(test) { 8 } else { 8 * 1024 };

/// The events to walk over.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Whose.
    pub project: ProjectId,
    /// Their type.
    pub event_type: &'a str,
    /// When they were used.
    pub times: Range<Timestamp>,
}

/// Rows that were read together.
pub struct Rows<'r> {
    batch: Batch<'r>,
    count: usize,
    times: Range<i64>,
    /// What to look for, where rows may be of something else.
    mixed: Option<(ProjectId, &'r str)>,
}

impl Asked<'_> {
    fn may_be_in(&self, group: &Group) -> bool {
        let within = |bounds: &Option<(Vec<u8>, Vec<u8>)>, text: &str| {
            bounds.as_ref().is_none_or(|(least, greatest)| {
                least.as_slice() <= text.as_bytes() && text.as_bytes() <= greatest.as_slice()
            })
        };
        let projects =
            group.projects.is_none_or(|(least, greatest)| (least..=greatest).contains(&self.project.0));
        let times = group
            .times
            .is_none_or(|(least, greatest)| greatest >= self.times.start && least < self.times.end);
        projects
            && times
            && within(&group.kinds, Kind::Event.as_str())
            && within(&group.event_types, self.event_type)
    }

    /// Whether a row group has events of this project and type alone.
    fn is_all_of(&self, group: &Group) -> bool {
        let only = |bounds: &Option<(Vec<u8>, Vec<u8>)>, text: &str| {
            let text = text.as_bytes();
            bounds.as_ref().is_some_and(|(least, greatest)| least == text && greatest == text)
        };
        group.projects == Some((self.project.0, self.project.0))
            && only(&group.kinds, Kind::Event.as_str())
            && only(&group.event_types, self.event_type)
    }
}

impl Columns {
    /// How many rows lie in row groups that may have what is asked for.
    pub fn rows_near(&self, asked: &Asked<'_>) -> Result<u64, ReadError> {
        let groups = self.groups(|group| asked.may_be_in(group))?;
        Ok(groups.iter().map(|rows| rows.len() as u64).sum())
    }

    /// Shows the events that are asked for, some at a time; of each these fields.
    pub fn sweep<E: From<ReadError>>(
        &self,
        asked: &Asked<'_>,
        fields: Fields,
        mut each: impl FnMut(&Rows<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut groups = Vec::new();
        let mut number = 0_usize;
        self.groups(|group| {
            if asked.may_be_in(group) {
                groups.push((number, asked.is_all_of(group)));
            }
            number += 1;
            false
        })?;
        groups
            .into_iter()
            .try_for_each(|(group, alone)| self.sweep_group((group, alone), asked, fields, &mut each))
    }

    fn sweep_group<E: From<ReadError>>(
        &self,
        (group, alone): (usize, bool),
        asked: &Asked<'_>,
        fields: Fields,
        each: &mut impl FnMut(&Rows<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let fields = if alone { fields } else { Fields { origin: true, event_type: true, ..fields } };
        let mixed = (!alone).then_some((asked.project, asked.event_type));
        let metadata = self.metadata()?;
        let source = self.source.for_reader();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), fields.columns());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), metadata)
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|_| source.failure())?;
        for batch in reader {
            let batch = batch.map_err(|_| source.failure())?;
            let count = batch.num_rows();
            let times = asked.times.start.as_micros()..asked.times.end.as_micros();
            let batch = Batch::new(&batch).ok_or_else(|| self.damaged())?;
            each(&Rows { batch, count, times, mixed })?;
        }
        Ok(())
    }
}

impl<'r> Rows<'r> {
    /// The numbers of the rows that lie in time.
    pub fn in_time(&self) -> impl Iterator<Item = usize> {
        (0..self.count).filter(|number| self.times.contains(&self.batch.time(*number)))
    }

    /// The sequence of a row.
    pub fn sequence(&self, number: usize) -> u64 {
        self.batch.sequence(number)
    }

    /// A row, `None` where it is not asked for; an error where it is none that was written.
    pub fn row(&self, number: usize, of: &Columns) -> Result<Option<Row<'r>>, ReadError> {
        let row = self.batch.row(number).ok_or_else(|| of.damaged())?;
        let asked = self.mixed.is_none_or(|(project, event_type)| {
            row.kind == Kind::Event
                && row.origin.project == project
                && row.event.draft.event_type == event_type
        });
        Ok(asked.then_some(row))
    }
}
