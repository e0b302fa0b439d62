//! Reads rows.
use super::footers::FOOTERS;
use super::schema::Column;
use super::{Columns, Correction, Fields, Group, Kind, Origin, Row};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType, UInt32Type};
use arrow_array::{Array, BooleanArray, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow_array::{TimestampMicrosecondArray, UInt32Array};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::ops::Range;

/// Rows decoded together.
const BATCH_ROWS: usize = 8 * 1024;

impl Fields {
    pub(super) fn columns(self) -> Vec<usize> {
        use Column::{CorrectedBy, Corrects, Subject, Time, TimeGiven, Value, ValueBefore};
        use Column::{Customer, Id, Meter, Project, Properties, ReceivedAt, Record, Sequence, SourceContext};
        let mut columns = vec![Time, Value, Sequence];
        columns.extend([Project, Record, ReceivedAt].into_iter().filter(|_| self.origin));
        columns.extend(self.customer.then_some(Customer));
        columns.extend(self.event_type.then_some(Meter));
        columns.extend(self.subject.then_some(Subject));
        columns.extend(self.properties.then_some(Properties));
        if self.all {
            columns.extend([Id, SourceContext, TimeGiven, Corrects, CorrectedBy, ValueBefore]);
        }
        columns.into_iter().map(|column| column as usize).collect()
    }
}

impl Columns {
    pub(super) fn metadata(&self) -> Result<ArrowReaderMetadata, ReadError> {
        FOOTERS.get(&self.footer, || {
            let source = self.source.for_reader();
            let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
            ArrowReaderMetadata::load(&source, options).map_err(|_| source.failure())
        })
    }

    /// The rows of each row group that is wanted.
    pub fn groups(&self, mut wants: impl FnMut(&Group) -> bool) -> Result<Vec<Range<u32>>, ReadError> {
        let metadata = self.metadata()?;
        let mut start = 0;
        let mut wanted = Vec::new();
        for group in metadata.metadata().row_groups() {
            let end = start + group.num_rows() as u32;
            let statistics = |column: Column| group.column(column as usize).statistics();
            let texts = |column: Column| {
                let known = statistics(column)?;
                Some((known.min_bytes_opt()?.to_vec(), known.max_bytes_opt()?.to_vec()))
            };
            let instant = |bytes: &[u8]| Timestamp::from_micros(i64::from_le_bytes(bytes.try_into().ok()?));
            let times = || {
                let known = statistics(Column::Time)?;
                Some((instant(known.min_bytes_opt()?)?, instant(known.max_bytes_opt()?)?))
            };
            let number = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?));
            let projects = || {
                let known = statistics(Column::Project)?;
                Some((number(known.min_bytes_opt()?)?, number(known.max_bytes_opt()?)?))
            };
            let known = Group {
                projects: projects(),
                kinds: texts(Column::Record),
                customers: texts(Column::Customer),
                event_types: texts(Column::Meter),
                times: times(),
            };
            if wants(&known) {
                wanted.push(start..end);
            }
            start = end;
        }
        Ok(wanted)
    }

    /// Where a row comes from.
    pub fn origin(&self, row: u32) -> Result<Origin, ReadError> {
        let mut origin = None;
        self.read(&[row], Fields::ORIGIN, |_, row| {
            origin = Some(row.origin);
            Ok::<(), ReadError>(())
        })?;
        origin.ok_or_else(|| self.damaged())
    }

    /// Shows all rows of a range, each with its number.
    pub fn read_range<E: From<ReadError>>(
        &self,
        rows: Range<u32>,
        fields: Fields,
        mut each: impl FnMut(u32, &Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = rows.start;
        let numbers: Vec<u32> = rows.collect();
        self.read(&numbers, fields, |number, row| each(first + number as u32, row))
    }

    /// Shows these rows, which are in order, each with its place among them.
    pub fn read<E: From<ReadError>>(
        &self,
        rows: &[u32],
        fields: Fields,
        mut each: impl FnMut(usize, &Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let metadata = self.metadata()?;
        let (groups, selection) = self.select(&metadata, rows)?;
        let source = self.source.for_reader();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), fields.columns());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), metadata)
            .with_row_groups(groups)
            .with_row_selection(selection)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|_| source.failure())?;
        let mut shown = 0;
        for batch in reader {
            let batch = batch.map_err(|_| source.failure())?;
            let decoded = Batch::new(&batch).ok_or_else(|| self.damaged())?;
            for number in 0..batch.num_rows() {
                each(shown, &decoded.row(number).ok_or_else(|| self.damaged())?)?;
                shown += 1;
            }
        }
        if shown == rows.len() { Ok(()) } else { Err(self.damaged().into()) }
    }

    /// The row groups that rows lie in, and which of their rows.
    fn select(
        &self,
        metadata: &ArrowReaderMetadata,
        rows: &[u32],
    ) -> Result<(Vec<usize>, RowSelection), ReadError> {
        let (mut groups, mut ranges) = (Vec::new(), Vec::<Range<usize>>::new());
        // Where a row group begins, in the file and among those that are read.
        let (mut start, mut base) = (0, 0);
        let mut rest = rows;
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            let count = group.num_rows() as usize;
            let inside = rest.partition_point(|row| (*row as usize) < start + count);
            let (own, after) = rest.split_at(inside);
            rest = after;
            if !own.is_empty() {
                groups.push(number);
                let run = |run: &[u32]| {
                    let at = |row: Option<&u32>| row.map_or(0, |row| *row as usize) + base - start;
                    at(run.first())..at(run.last()) + 1
                };
                ranges.extend(own.chunk_by(|a, b| *a + 1 == *b).map(run));
                base += count;
            }
            start += count;
        }
        if !rest.is_empty() {
            return Err(self.damaged());
        }
        Ok((groups, RowSelection::from_consecutive_ranges(ranges.into_iter(), base)))
    }
}

/// Rows that were read, by column.
pub(super) struct Batch<'a> {
    time: &'a TimestampMicrosecondArray,
    value: &'a Decimal128Array,
    sequence: &'a Int64Array,
    from: Option<Source<'a>>,
    meter: Option<&'a StringArray>,
    customer: Option<&'a StringArray>,
    subject: Option<&'a StringArray>,
    properties: Option<&'a StringArray>,
    rest: Option<Rest<'a>>,
}

/// Where rows come from.
struct Source<'a> {
    project: &'a UInt32Array,
    record: &'a StringArray,
    received_at: &'a TimestampMicrosecondArray,
}

/// What is there when all fields are read.
struct Rest<'a> {
    id: &'a StringArray,
    source_context: &'a StringArray,
    time_given: &'a BooleanArray,
    corrects: &'a Int64Array,
    corrected_by: &'a StringArray,
    value_before: &'a Decimal128Array,
}

impl<'a> Batch<'a> {
    pub fn new(batch: &'a RecordBatch) -> Option<Self> {
        let column = |column: Column| batch.column_by_name(column.name());
        let text = |of: Column| column(of)?.as_string_opt::<i32>();
        let instant = |of: Column| column(of)?.as_primitive_opt::<TimestampMicrosecondType>();
        let number = |of: Column| column(of)?.as_primitive_opt::<Int64Type>();
        let decimal = |of: Column| column(of)?.as_primitive_opt::<Decimal128Type>();
        let rest = || {
            Some(Rest {
                id: text(Column::Id)?,
                source_context: text(Column::SourceContext)?,
                time_given: column(Column::TimeGiven)?.as_boolean_opt()?,
                corrects: number(Column::Corrects)?,
                corrected_by: text(Column::CorrectedBy)?,
                value_before: decimal(Column::ValueBefore)?,
            })
        };
        let from = || {
            Some(Source {
                project: column(Column::Project)?.as_primitive_opt::<UInt32Type>()?,
                record: text(Column::Record)?,
                received_at: instant(Column::ReceivedAt)?,
            })
        };
        Some(Self {
            time: instant(Column::Time)?,
            value: decimal(Column::Value)?,
            sequence: number(Column::Sequence)?,
            from: from(),
            meter: text(Column::Meter),
            customer: text(Column::Customer),
            subject: text(Column::Subject),
            properties: text(Column::Properties),
            rest: rest(),
        })
    }

    /// The sequence of a row.
    pub fn sequence(&self, number: usize) -> u64 {
        self.sequence.value(number).cast_unsigned()
    }

    /// The instant of a row.
    pub fn time(&self, number: usize) -> i64 {
        self.time.value(number)
    }

    /// The row with this number; `None` where it is none that was written.
    pub fn row(&self, number: usize) -> Option<Row<'a>> {
        let time = Timestamp::from_micros(self.time.value(number))?;
        // What lies where there is none is whatever was decoded there before.
        let decimal = |of: &Decimal128Array| {
            Decimal::from_units(if of.is_valid(number) { of.value(number) } else { 0 })
        };
        let sequence = u64::try_from(self.sequence.value(number)).ok()?;
        let (origin, kind) = match &self.from {
            Some(from) => {
                let project = ProjectId(from.project.value(number));
                let received_at = Timestamp::from_micros(from.received_at.value(number))?;
                (Origin { project, sequence, received_at }, Kind::parse(from.record.value(number))?)
            }
            None => (Origin { project: ProjectId(0), sequence, received_at: time }, Kind::Event),
        };
        let rest = self.rest.as_ref();
        let correction = |rest: &Rest<'a>| {
            Some(Correction {
                target: u64::try_from(rest.corrects.value(number)).ok()?,
                by: rest.corrected_by.value(number),
                before: decimal(rest.value_before)?,
            })
        };
        let correction = match rest {
            Some(rest) if kind != Kind::Event => Some(correction(rest)?),
            _ => None,
        };
        let given = rest.is_none_or(|rest| rest.time_given.value(number));
        let text = |of: Option<&'a StringArray>| {
            of.filter(|texts| texts.is_valid(number)).map(|texts| texts.value(number))
        };
        let draft = EventDraft {
            id: text(rest.map(|rest| rest.id)).unwrap_or_default(),
            customer: text(self.customer).unwrap_or_default(),
            event_type: text(self.meter).unwrap_or_default(),
            value: decimal(self.value)?,
            time: given.then_some(time),
            subject: text(self.subject),
            properties: text(self.properties),
            source_context: text(rest.map(|rest| rest.source_context)),
        };
        Some(Row { origin, kind, event: EventRecord { draft, time }, correction })
    }
}
