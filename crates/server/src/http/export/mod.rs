//! Lists as a whole: all rows that pass a filter, as one stream, read page by page as the client takes
//! them. Memory holds a page, or a row group of Parquet, however many rows there are.
mod form;
mod pages;
mod parquet;
mod table;

pub use form::{Form, asked};
pub use pages::pages;
pub use table::{Cell, Column, Kind, Row};

use self::form::Writer;
use super::error::ApiError;
use super::middleware::request_id;
use ::parquet::errors::ParquetError;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use std::error::Error;

/// Answers with all rows, as a file of this name. What fails before the first of them are there is
/// answered as a failure; what fails later ends the connection, so that nobody takes a part for the whole.
pub async fn respond<R, E>(
    name: &str,
    form: Form,
    rows: impl Stream<Item = Result<Vec<R>, E>> + Send + 'static,
) -> Result<Response, ApiError>
where
    R: Row,
    E: Error + Send + Sync + 'static,
    ApiError: From<E>,
{
    let mut rows = Box::pin(rows);
    let first = rows.try_next().await?;
    let rows = stream::iter(first.map(Ok)).chain(rows.map_err(|error| ExportError::Rows(Box::new(error))));
    let writer = Writer::new(form).map_err(ApiError::internal)?;
    let export = Export { rows: rows.boxed(), writer: Some(writer) };
    let request = request_id::current();
    let pieces = stream::try_unfold(export, Export::next)
        .inspect_err(move |error| tracing::error!(request_id = %request, %error, "an export broke off"));
    let file = format!("attachment; filename=\"{name}.{}\"", form.name());
    let headers =
        [(header::CONTENT_TYPE, form.content_type().to_owned()), (header::CONTENT_DISPOSITION, file)];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    /// Rows could not be read.
    #[error("{0}")]
    Rows(Box<dyn Error + Send + Sync>),
    /// Rows could not be written.
    #[error(transparent)]
    Write(#[from] ParquetError),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// An export on its way.
struct Export<R> {
    rows: BoxStream<'static, Result<Vec<R>, ExportError>>,
    /// There is none after the end.
    writer: Option<Writer<R>>,
}

impl<R: Row> Export<R> {
    /// The next piece, which is not empty.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ExportError> {
        while let Some(mut writer) = self.writer.take() {
            let rows = self.rows.try_next().await?;
            // Writing thousands of rows takes a while.
            let written = tokio::task::spawn_blocking(move || match rows {
                Some(rows) => Ok((writer.write(rows)?, Some(writer))),
                None => Ok((writer.finish()?, None)),
            });
            let written: Result<_, ParquetError> = written.await.map_err(|_| ExportError::Stopping)?;
            let (bytes, writer) = written?;
            self.writer = writer;
            if !bytes.is_empty() {
                return Ok(Some((Bytes::from(bytes), self)));
            }
        }
        Ok(None)
    }
}
