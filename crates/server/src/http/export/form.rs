//! The forms of an export, and which is asked for.
use super::parquet;
use super::table::{Cell, Row};
use crate::http::error::{choice_error, field_error};
use crate::http::v1::events::ndjson;
use crate::http::{accept, csv};
use ::parquet::errors::ParquetError;
use axum::http::HeaderMap;
use reckoner_api::error::FieldError;
use std::marker::PhantomData;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table.
    Csv,
    /// An array of JSON objects.
    Json,
    /// A JSON object a line.
    Ndjson,
    /// Columns.
    Parquet,
}

impl Form {
    /// What `format` may be.
    pub const NAMES: [&str; 4] = ["csv", "json", "ndjson", "parquet"];
    const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Ndjson, Self::Parquet];

    /// Its name, which its files end with too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }

    /// The type of what a client gets.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => csv::CONTENT_TYPE,
            Self::Json => accept::JSON,
            Self::Ndjson => ndjson::CONTENT_TYPE,
            Self::Parquet => parquet::CONTENT_TYPE,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// The form in which the whole of a list is asked for: by `format`, or else by `Accept`, where JSON is
/// that of pages. What is wrong is noted; `limit` and `cursor` are taken away, as there are no pages.
pub fn asked(
    headers: &HeaderMap,
    format: Option<&str>,
    (limit, cursor): (&mut Option<String>, &mut Option<String>),
    errors: &mut Vec<FieldError>,
) -> Option<Form> {
    let form = match format {
        Some(name) => {
            let form = Form::parse(name);
            if form.is_none() {
                errors.push(choice_error("format", &Form::NAMES));
            }
            form
        }
        None => {
            let offered = [accept::JSON, ndjson::CONTENT_TYPE, csv::MEDIA_TYPE, parquet::CONTENT_TYPE];
            match accept::preferred(headers, &offered) {
                ndjson::CONTENT_TYPE => Some(Form::Ndjson),
                csv::MEDIA_TYPE => Some(Form::Csv),
                parquet::CONTENT_TYPE => Some(Form::Parquet),
                _ => None,
            }
        }
    };
    if form.is_some() {
        for (name, given) in [("limit", limit.take()), ("cursor", cursor.take())] {
            if given.is_some() {
                errors.push(field_error(name, "is not for exports, which have everything"));
            }
        }
    }
    form
}

/// Writes rows in a form.
pub enum Writer<R> {
    /// As text.
    Text {
        /// Which.
        form: Form,
        /// Whether a row is written.
        begun: bool,
        /// What rows it writes.
        rows: PhantomData<fn(R)>,
    },
    /// As columns.
    Parquet(Box<parquet::Writer>),
}

impl<R: Row> Writer<R> {
    /// Nothing written yet.
    pub fn new(form: Form) -> Result<Self, ParquetError> {
        Ok(match form {
            Form::Parquet => Self::Parquet(Box::new(parquet::Writer::new(R::COLUMNS)?)),
            form => Self::Text { form, begun: false, rows: PhantomData },
        })
    }

    /// Writes rows; answers the bytes that are there to be sent.
    pub fn write(&mut self, rows: Vec<R>) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Parquet(writer) => writer.write(rows.into_iter().map(Row::into_cells)),
            Self::Text { form, begun, .. } => {
                let mut text = String::new();
                for row in rows {
                    if !std::mem::replace(begun, true) {
                        text.push_str(&head::<R>(*form));
                    } else if *form == Form::Json {
                        text.push_str(",\n");
                    }
                    match form {
                        Form::Csv => text.push_str(&line(row.into_cells())),
                        Form::Json => text.push_str(&row.into_json()),
                        Form::Ndjson | Form::Parquet => text.extend([row.into_json().as_str(), "\n"]),
                    }
                }
                Ok(text.into_bytes())
            }
        }
    }

    /// Ends it; answers the last bytes.
    pub fn finish(self) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Parquet(writer) => writer.finish(),
            Self::Text { form, begun, .. } => {
                let head = if begun { String::new() } else { head::<R>(form) };
                let end = if form == Form::Json { "]" } else { "" };
                Ok((head + end).into_bytes())
            }
        }
    }
}

/// What comes before the first row, and alone where there is none.
fn head<R: Row>(form: Form) -> String {
    match form {
        Form::Csv => csv::line(R::COLUMNS.iter().map(|column| column.name)),
        Form::Json => "[".to_owned(),
        Form::Ndjson | Form::Parquet => String::new(),
    }
}

fn line(cells: Vec<Cell>) -> String {
    let cells: Vec<String> = cells.into_iter().map(Cell::into_text).collect();
    csv::line(cells.iter().map(String::as_str))
}
