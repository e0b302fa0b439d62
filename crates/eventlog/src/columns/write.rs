//! Writes rows.
use super::file::{Checked, Sink};
use super::told::{self, Told};
use super::{Kind, Row, schema};
use crate::disk::File;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use std::io;
use std::sync::Arc;

/// Rows handed on at once.
const BATCH_ROWS: usize = 8 * 1024;

/// Writes rows, which come in order.
pub struct RowWriter {
    writer: ArrowWriter<Sink>,
    rows: Rows,
}

/// Rows that are not handed on yet, by column.
struct Rows {
    project: UInt32Builder,
    record: StringBuilder,
    customer: StringBuilder,
    meter: StringBuilder,
    time: TimestampMicrosecondBuilder,
    value: Decimal128Builder,
    id: StringBuilder,
    subject: StringBuilder,
    properties: StringBuilder,
    source_context: StringBuilder,
    time_given: BooleanBuilder,
    received_at: TimestampMicrosecondBuilder,
    sequence: Int64Builder,
    corrects: Int64Builder,
    corrected_by: StringBuilder,
    value_before: Decimal128Builder,
}

impl RowWriter {
    /// Writes to an empty file.
    pub fn new(file: Arc<dyn File>, told: &Told) -> io::Result<Self> {
        let properties = schema::properties(told.to_pairs());
        let writer = ArrowWriter::try_new(Sink::new(file), schema::schema(), Some(properties));
        Ok(Self { writer: writer.map_err(as_io)?, rows: Rows::new() })
    }

    /// Appends a row.
    pub fn push(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.sequence.len() >= BATCH_ROWS { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let batch = RecordBatch::try_new(schema::schema(), self.rows.finish()).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(as_io)
    }

    /// Ends the file and makes it durable.
    pub fn finish(mut self) -> io::Result<Checked> {
        self.hand_on()?;
        self.writer.flush().map_err(as_io)?;
        self.writer.sync()?;
        let (bytes, checksum) = self.writer.inner().so_far();
        self.writer.append_key_value_metadata(told::checksum_pair(bytes, checksum));
        self.writer.into_inner().map_err(as_io)?.finish()
    }
}

impl Rows {
    fn new() -> Self {
        let decimals = || Decimal128Builder::new().with_data_type(schema::decimal());
        let instants = || TimestampMicrosecondBuilder::new().with_data_type(schema::instant());
        Self {
            project: UInt32Builder::new(),
            record: StringBuilder::new(),
            customer: StringBuilder::new(),
            meter: StringBuilder::new(),
            time: instants(),
            value: decimals(),
            id: StringBuilder::new(),
            subject: StringBuilder::new(),
            properties: StringBuilder::new(),
            source_context: StringBuilder::new(),
            time_given: BooleanBuilder::new(),
            received_at: instants(),
            sequence: Int64Builder::new(),
            corrects: Int64Builder::new(),
            corrected_by: StringBuilder::new(),
            value_before: decimals(),
        }
    }

    fn push(&mut self, row: &Row<'_>) {
        let draft = &row.event.draft;
        let stands = row.kind != Kind::Void;
        self.project.append_value(row.origin.project.0);
        self.record.append_value(row.kind.as_str());
        self.customer.append_value(draft.customer);
        self.meter.append_value(draft.event_type);
        self.time.append_value(row.event.time.as_micros());
        self.value.append_option(stands.then(|| draft.value.units()));
        self.id.append_option(stands.then_some(draft.id));
        self.subject.append_option(draft.subject);
        self.properties.append_option(draft.properties);
        self.source_context.append_option(draft.source_context);
        self.time_given.append_value(draft.time.is_some());
        self.received_at.append_value(row.origin.received_at.as_micros());
        self.sequence.append_value(row.origin.sequence as i64);
        self.corrects.append_option(row.correction.map(|correction| correction.target as i64));
        self.corrected_by.append_option(row.correction.map(|correction| correction.by));
        self.value_before.append_option(row.correction.map(|correction| correction.before.units()));
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let builders: [&mut dyn ArrayBuilder; 16] = [
            &mut self.project,
            &mut self.record,
            &mut self.customer,
            &mut self.meter,
            &mut self.time,
            &mut self.value,
            &mut self.id,
            &mut self.subject,
            &mut self.properties,
            &mut self.source_context,
            &mut self.time_given,
            &mut self.received_at,
            &mut self.sequence,
            &mut self.corrects,
            &mut self.corrected_by,
            &mut self.value_before,
        ];
        builders.into_iter().map(|builder| builder.finish()).collect()
    }
}

fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    }
}
