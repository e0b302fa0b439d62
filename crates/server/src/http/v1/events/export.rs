//! All events that pass a filter, as one stream: read piece by piece as the client takes them.
use super::list::to_api;
use super::{ndjson, parquet};
use crate::events::{Cursor, Events, EventsError, EventsExport, ListFilter};
use crate::http::csv;
use crate::http::error::ApiError;
use crate::http::middleware::request_id;
use ::parquet::errors::ParquetError;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{TryStreamExt, stream};
use reckoner_domain::event::Event;

/// Events that are held at once.
const PAGE_EVENTS: usize = 1_000;
/// The columns of CSV.
const COLUMNS: [&str; 10] = [
    "id",
    "customer",
    "meter",
    "value",
    "time",
    "subject",
    "properties",
    "source_context",
    "received_at",
    "sequence",
];

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line.
    Ndjson,
    /// A table.
    Csv,
    /// Columns.
    Parquet,
}

/// Which events, and whether in an order.
pub enum What {
    /// Those that pass, as they are read fastest.
    All(ListFilter),
    /// Those that pass, page by page in the order of the filter.
    InOrder(ListFilter),
}

/// Answers with all events. What fails before the first of them are there is answered as a failure;
/// what fails later ends the connection, so that nobody takes a part for the whole.
pub async fn respond(events: &Events, what: What, form: Form) -> Result<Response, ApiError> {
    let source = match what {
        What::All(filter) => Source::All(Box::new(events.export(filter).await?)),
        What::InOrder(filter) => {
            let filter = ListFilter { after: None, limit: PAGE_EVENTS, ..filter };
            Source::Pages { events: events.clone(), filter: Box::new(filter) }
        }
    };
    let mut source = Some(source);
    let first = read(&mut source).await?;
    let writer = Writer::new(form).map_err(ApiError::internal)?;
    let export = Export { source, read: Some(first), writer: Some(writer) };
    let request = request_id::current();
    let pieces = stream::try_unfold(export, Export::next)
        .inspect_err(move |error| tracing::error!(request_id = %request, %error, "an export broke off"));
    let kind = match form {
        Form::Ndjson => ndjson::CONTENT_TYPE,
        Form::Csv => csv::CONTENT_TYPE,
        Form::Parquet => parquet::CONTENT_TYPE,
    };
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response())
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Events could not be read.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// Columns could not be written.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// Where events come from.
enum Source {
    All(Box<EventsExport>),
    Pages { events: Events, filter: Box<ListFilter> },
}

/// The next events; none after the last.
async fn read(source: &mut Option<Source>) -> Result<Vec<Event>, EventsError> {
    match source.take() {
        None => Ok(Vec::new()),
        Some(Source::All(export)) => match export.next().await? {
            Some((events, export)) => {
                *source = Some(Source::All(Box::new(export)));
                Ok(events)
            }
            None => Ok(Vec::new()),
        },
        Some(Source::Pages { events, mut filter }) => {
            let page = events.list((*filter).clone()).await?;
            if let Some(last) = page.last() {
                filter.after = Some(Cursor { time: last.time, sequence: last.sequence });
                *source = Some(Source::Pages { events, filter });
            }
            Ok(page)
        }
    }
}

/// An export on its way.
struct Export {
    source: Option<Source>,
    /// What was read before anybody asked for it.
    read: Option<Vec<Event>>,
    /// There is none after the end.
    writer: Option<Writer>,
}

impl Export {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ExportError> {
        let Some(mut writer) = self.writer.take() else { return Ok(None) };
        let events = match self.read.take() {
            Some(events) => events,
            None => read(&mut self.source).await?,
        };
        // Writing thousands of events takes a while.
        let written = tokio::task::spawn_blocking(move || {
            if events.is_empty() {
                Ok((writer.finish()?, None))
            } else {
                Ok((writer.write(events)?, Some(writer)))
            }
        });
        let written: Result<_, ParquetError> = written.await.map_err(|_| ExportError::Stopping)?;
        let (bytes, writer) = written?;
        self.writer = writer;
        Ok(Some((Bytes::from(bytes), self)))
    }
}

/// Writes events in a form.
enum Writer {
    Lines { form: Form, begun: bool },
    Parquet(Box<parquet::Writer>),
}

impl Writer {
    fn new(form: Form) -> Result<Self, ParquetError> {
        Ok(match form {
            Form::Parquet => Self::Parquet(Box::new(parquet::Writer::new()?)),
            form => Self::Lines { form, begun: false },
        })
    }

    fn write(&mut self, events: Vec<Event>) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Parquet(writer) => writer.write(&events),
            Self::Lines { form, begun } => {
                let head = if std::mem::replace(begun, true) { None } else { form.head() };
                let lines = events.into_iter().map(|event| form.write(event));
                Ok(head.into_iter().chain(lines).collect::<String>().into_bytes())
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Parquet(writer) => writer.finish(),
            Self::Lines { form, begun } => {
                let head = if begun { None } else { form.head() };
                Ok(head.unwrap_or_default().into_bytes())
            }
        }
    }
}

impl Form {
    fn head(self) -> Option<String> {
        (self == Self::Csv).then(|| csv::line(COLUMNS.into_iter()))
    }

    fn write(self, event: Event) -> String {
        let event = to_api(event);
        match self {
            Self::Ndjson => {
                // Ends of lines in what was sent as properties lie between its tokens only.
                let line = serde_json::to_string(&event).unwrap_or_default();
                line.replace(['\n', '\r'], " ") + "\n"
            }
            Self::Csv | Self::Parquet => csv::line(
                [
                    event.id.as_str(),
                    &event.customer,
                    &event.meter,
                    &event.value,
                    &event.time,
                    event.subject.as_deref().unwrap_or_default(),
                    event.properties.get(),
                    event.source_context.as_ref().map_or("", |context| context.get()),
                    &event.received_at,
                    &event.sequence.to_string(),
                ]
                .into_iter(),
            ),
        }
    }
}
