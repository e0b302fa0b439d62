//! The columns of sealed events, and how they are written.
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use reckoner_domain::decimal::SCALE;
use std::sync::Arc;

/// Rows of a row group.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes of a row group, about: it is held while it is written.
const GROUP_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of a column's dictionary in a row group, which is decoded with every page.
const DICTIONARY_BYTES: usize = 64 * 1024;
/// Rows of a page: one event is read by reading one page of each column.
const PAGE_ROWS: usize = 2 * 1024;
/// Digits of a value, the point not counted.
pub const PRECISION: u8 = 38;

/// The columns, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Column {
    /// The project's number.
    Project,
    /// `event`, `amendment` or `void`.
    Record,
    /// The customer.
    Customer,
    /// The event type.
    Meter,
    /// When it was used.
    Time,
    /// The amount used.
    Value,
    /// The event's id.
    Id,
    /// What used it.
    Subject,
    /// A JSON object.
    Properties,
    /// A JSON object.
    SourceContext,
    /// Whether a time was sent.
    TimeGiven,
    /// When it arrived.
    ReceivedAt,
    /// The record's sequence.
    Sequence,
    /// The sequence of the event that a correction is about.
    Corrects,
    /// Who made a correction.
    CorrectedBy,
    /// What the value was before a correction.
    ValueBefore,
}

impl Column {
    /// The column's name.
    pub fn name(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// Names of the columns, by [`Column`].
const NAMES: [&str; 16] = [
    "project",
    "record",
    "customer",
    "meter",
    "time",
    "value",
    "id",
    "subject",
    "properties",
    "source_context",
    "time_given",
    "received_at",
    "sequence",
    "corrects_sequence",
    "corrected_by",
    "value_before",
];

/// The order of rows.
const SORTED_BY: [Column; 6] =
    [Column::Project, Column::Record, Column::Customer, Column::Meter, Column::Time, Column::Sequence];

/// A point in time, UTC.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A value.
pub fn decimal() -> DataType {
    DataType::Decimal128(PRECISION, SCALE as i8)
}

/// The columns as Arrow has them.
pub fn schema() -> SchemaRef {
    let types = [
        (DataType::UInt32, false),
        (DataType::Utf8, false),
        (DataType::Utf8, false),
        (DataType::Utf8, false),
        (instant(), false),
        (decimal(), true),
        (DataType::Utf8, true),
        (DataType::Utf8, true),
        (DataType::Utf8, true),
        (DataType::Utf8, true),
        (DataType::Boolean, false),
        (instant(), false),
        (DataType::Int64, false),
        (DataType::Int64, true),
        (DataType::Utf8, true),
        (decimal(), true),
    ];
    let field = |(name, (kind, nullable)): (&&str, (DataType, bool))| Field::new(*name, kind, nullable);
    Arc::new(Schema::new(NAMES.iter().zip(types).map(field).collect::<Vec<_>>()))
}

/// How they are written: what is repeated as a dictionary, what grows as differences, statistics of
/// what rows are sorted by.
pub fn properties(pairs: Vec<KeyValue>) -> WriterProperties {
    let path = |column: Column| ColumnPath::from(column.name());
    let sorted =
        |column: &Column| SortingColumn { column_idx: *column as i32, descending: false, nulls_first: false };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_key_value_metadata(Some(pairs))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_sorting_columns(Some(SORTED_BY.iter().map(sorted).collect()));
    for column in [Column::Project, Column::Record, Column::Customer, Column::Meter, Column::Time] {
        properties = properties.set_column_statistics_enabled(path(column), EnabledStatistics::Page);
    }
    for column in [Column::Time, Column::Sequence] {
        properties = properties
            .set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), Encoding::DELTA_BINARY_PACKED);
    }
    for column in [Column::Id, Column::Properties] {
        properties = properties
            .set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    properties.build()
}
