//! Events as a Parquet file that is sent while it is written: a row group is held at a time.
use arrow_array::builder::{Decimal128Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use reckoner_domain::decimal::SCALE;
use reckoner_domain::event::Event;
use std::sync::Arc;

/// The media type.
pub const CONTENT_TYPE: &str = "application/vnd.apache.parquet";
/// Rows of a row group.
const GROUP_ROWS: usize = 64 * 1024;
/// Bytes of a row group, about.
const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Digits of a value.
const PRECISION: u8 = 38;

/// Writes events.
pub struct Writer {
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
}

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Result<Self, ParquetError> {
        let schema = schema();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
        Ok(Self { schema, writer })
    }

    /// Writes events; answers the bytes that are there to be sent.
    pub fn write(&mut self, events: &[Event]) -> Result<Vec<u8>, ParquetError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns(events))?;
        self.writer.write(&batch)?;
        self.writer.sync()?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// Ends the file; answers its last bytes.
    pub fn finish(self) -> Result<Vec<u8>, ParquetError> {
        self.writer.into_inner()
    }
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn decimal() -> DataType {
    DataType::Decimal128(PRECISION, SCALE as i8)
}

fn schema() -> SchemaRef {
    let fields = [
        ("id", DataType::Utf8, false),
        ("customer", DataType::Utf8, false),
        ("meter", DataType::Utf8, false),
        ("value", decimal(), false),
        ("time", instant(), false),
        ("subject", DataType::Utf8, true),
        ("properties", DataType::Utf8, true),
        ("source_context", DataType::Utf8, true),
        ("received_at", instant(), false),
        ("amended_at", instant(), true),
        ("sequence", DataType::Int64, false),
    ];
    let field = |(name, kind, nullable)| Field::new(name, kind, nullable);
    Arc::new(Schema::new(fields.into_iter().map(field).collect::<Vec<Field>>()))
}

/// The events by column, in the order of the schema.
fn columns(events: &[Event]) -> Vec<ArrayRef> {
    fn texts<'e>(events: &'e [Event], text: impl Fn(&'e Event) -> Option<&'e str>) -> ArrayRef {
        let mut builder = StringBuilder::new();
        for event in events {
            builder.append_option(text(event));
        }
        Arc::new(builder.finish())
    }
    let instants = |of: fn(&Event) -> Option<i64>| -> ArrayRef {
        let mut builder = TimestampMicrosecondBuilder::new().with_data_type(instant());
        for event in events {
            builder.append_option(of(event));
        }
        Arc::new(builder.finish())
    };
    let mut values = Decimal128Builder::new().with_data_type(decimal());
    let mut sequences = Int64Builder::new();
    for event in events {
        values.append_value(event.value.units());
        sequences.append_value(event.sequence.cast_signed());
    }
    vec![
        texts(events, |event| Some(&event.id)),
        texts(events, |event| Some(&event.customer)),
        texts(events, |event| Some(&event.event_type)),
        Arc::new(values.finish()),
        instants(|event| Some(event.time.as_micros())),
        texts(events, |event| event.subject.as_deref()),
        texts(events, |event| event.properties.as_deref()),
        texts(events, |event| event.source_context.as_deref()),
        instants(|event| Some(event.received_at.as_micros())),
        instants(|event| event.amended_at.map(|time| time.as_micros())),
        Arc::new(sequences.finish()),
    ]
}
