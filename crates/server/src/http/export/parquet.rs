//! A Parquet file that is sent while it is written: a row group is held at a time.
use super::table::{Cell, Column, Kind};
use arrow_array::builder::{
    BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use reckoner_domain::decimal::SCALE;
use std::sync::Arc;

/// The media type.
pub const CONTENT_TYPE: &str = "application/vnd.apache.parquet";
/// Rows of a row group.
const GROUP_ROWS: usize = 64 * 1024;
/// Bytes of a row group, about.
const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Digits of a decimal.
const PRECISION: u8 = 38;

/// Writes rows.
pub struct Writer {
    columns: &'static [Column],
    schema: SchemaRef,
    file: ArrowWriter<Vec<u8>>,
}

impl Writer {
    /// Nothing written yet.
    pub fn new(columns: &'static [Column]) -> Result<Self, ParquetError> {
        let field = |column: &Column| Field::new(column.name, data_type(column.kind), column.optional);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<Field>>()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let file = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
        Ok(Self { columns, schema, file })
    }

    /// Writes rows; answers the bytes that are there to be sent.
    pub fn write(&mut self, rows: impl Iterator<Item = Vec<Cell>>) -> Result<Vec<u8>, ParquetError> {
        let mut builders: Vec<Builder> =
            self.columns.iter().map(|column| Builder::new(column.kind)).collect();
        for row in rows {
            debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
            for ((builder, column), cell) in builders.iter_mut().zip(self.columns).zip(row) {
                builder.push(column, cell)?;
            }
        }
        let columns = builders.into_iter().map(Builder::finish).collect();
        self.file.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        self.file.sync()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }

    /// Ends the file; answers its last bytes.
    pub fn finish(self) -> Result<Vec<u8>, ParquetError> {
        self.file.into_inner()
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Decimal => DataType::Decimal128(PRECISION, SCALE as i8),
        Kind::Whole => DataType::Int64,
        Kind::Truth => DataType::Boolean,
    }
}

/// A column of some rows.
enum Builder {
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
    Whole(Int64Builder),
    Truth(BooleanBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_data_type(data_type(kind))),
            Kind::Decimal => Self::Decimal(Decimal128Builder::new().with_data_type(data_type(kind))),
            Kind::Whole => Self::Whole(Int64Builder::new()),
            Kind::Truth => Self::Truth(BooleanBuilder::new()),
        }
    }

    /// A cell that is not of the column's kind is an error: nothing is left out silently.
    fn push(&mut self, column: &Column, cell: Cell) -> Result<(), ParquetError> {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Time(builder), Cell::Time(time)) => builder.append_value(time.as_micros()),
            (Self::Truth(builder), Cell::Truth(truth)) => builder.append_value(truth),
            (Self::Whole(builder), Cell::Whole(number)) => {
                builder.append_value(i64::try_from(number).map_err(|_| misplaced(column))?);
            }
            (Self::Decimal(builder), cell @ (Cell::Decimal(_) | Cell::Money(_))) => {
                builder.append_value(cell.decimal_units().ok_or_else(|| misplaced(column))?);
            }
            (builder, Cell::Nothing) if column.optional => builder.push_nothing(),
            _ => return Err(misplaced(column)),
        }
        Ok(())
    }

    fn push_nothing(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Whole(builder) => builder.append_null(),
            Self::Truth(builder) => builder.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder) => Arc::new(builder.finish()),
            Self::Whole(mut builder) => Arc::new(builder.finish()),
            Self::Truth(mut builder) => Arc::new(builder.finish()),
        }
    }
}

fn misplaced(column: &Column) -> ParquetError {
    ParquetError::General(format!("a row does not fit the column {}", column.name))
}
