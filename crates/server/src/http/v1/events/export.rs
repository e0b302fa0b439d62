//! All events that pass a filter, as one stream: read page by page as the client takes them.
use super::list::to_api;
use super::ndjson;
use crate::events::{Cursor, Events, EventsError, ListFilter};
use crate::http::csv;
use crate::http::error::ApiError;
use crate::http::middleware::request_id;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
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
}

/// Answers with all events. What fails before the first page is there is answered as a failure; what
/// fails later ends the connection, so that nobody takes a part for the whole.
pub async fn respond(events: &Events, filter: ListFilter, form: Form) -> Result<Response, ApiError> {
    let filter = ListFilter { after: None, limit: PAGE_EVENTS, ..filter };
    let first = events.list(filter.clone()).await?;
    let export = Export { events: events.clone(), filter, read: Some(first) };
    let request = request_id::current();
    let pages = stream::try_unfold(export, Export::next)
        .map_ok(move |page| Bytes::from(page.into_iter().map(|event| form.write(event)).collect::<String>()))
        .inspect_err(move |error| tracing::error!(request_id = %request, %error, "an export broke off"));
    let head = stream::iter(form.head().map(|head| Ok(Bytes::from(head))));
    let kind = match form {
        Form::Ndjson => ndjson::CONTENT_TYPE,
        Form::Csv => csv::CONTENT_TYPE,
    };
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(head.chain(pages))).into_response())
}

/// An export on its way.
struct Export {
    events: Events,
    filter: ListFilter,
    /// The page that was read before anybody asked for it.
    read: Option<Vec<Event>>,
}

impl Export {
    async fn next(mut self) -> Result<Option<(Vec<Event>, Self)>, EventsError> {
        let page = match self.read.take() {
            Some(page) => page,
            None => self.events.list(self.filter.clone()).await?,
        };
        let Some(last) = page.last() else { return Ok(None) };
        self.filter.after = Some(Cursor { time: last.time, sequence: last.sequence });
        Ok(Some((page, self)))
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
            Self::Csv => csv::line(
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
