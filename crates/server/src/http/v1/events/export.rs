//! All events that pass a filter, as one stream: read piece by piece as the client takes them.
use super::list::to_api;
use crate::events::{Cursor, Events, EventsError, EventsExport, ListFilter};
use crate::http::error::ApiError;
use crate::http::export::{self, Cell, Column, Form, Kind, Row};
use axum::response::Response;
use futures_util::stream;
use reckoner_domain::event::Event;

/// Events that are held at once.
const PAGE_EVENTS: usize = 1_000;

/// Which events, and whether in an order.
pub enum What {
    /// Those that pass, as they are read fastest.
    All(ListFilter),
    /// Those that pass, page by page in the order of the filter.
    InOrder(ListFilter),
}

/// Answers with all events.
pub async fn respond(events: &Events, what: What, form: Form) -> Result<Response, ApiError> {
    let source = match what {
        What::All(filter) => Source::All(Box::new(events.export(filter).await?)),
        What::InOrder(filter) => {
            let filter = ListFilter { after: None, limit: PAGE_EVENTS, ..filter };
            Source::Pages { events: events.clone(), filter: Box::new(filter) }
        }
    };
    export::respond("events", form, stream::try_unfold(source, Source::next)).await
}

/// Where events come from.
enum Source {
    All(Box<EventsExport>),
    Pages { events: Events, filter: Box<ListFilter> },
}

impl Source {
    /// The next events, and where those after them come from; `None` after the last.
    async fn next(self) -> Result<Option<(Vec<Event>, Self)>, EventsError> {
        match self {
            Self::All(export) => {
                Ok(export.next().await?.map(|(events, export)| (events, Self::All(Box::new(export)))))
            }
            Self::Pages { events, mut filter } => {
                let page = events.list((*filter).clone()).await?;
                let Some(last) = page.last() else { return Ok(None) };
                filter.after = Some(Cursor { time: last.time, sequence: last.sequence });
                Ok(Some((page, Self::Pages { events, filter })))
            }
        }
    }
}

impl Row for Event {
    const COLUMNS: &'static [Column] = &[
        Column::new("id", Kind::Text),
        Column::new("customer", Kind::Text),
        Column::new("meter", Kind::Text),
        Column::new("value", Kind::Decimal),
        Column::new("time", Kind::Time),
        Column::optional("subject", Kind::Text),
        Column::new("properties", Kind::Text),
        Column::optional("source_context", Kind::Text),
        Column::new("received_at", Kind::Time),
        Column::new("sequence", Kind::Whole),
        Column::optional("amended_at", Kind::Time),
    ];

    fn into_cells(self) -> Vec<Cell> {
        vec![
            self.id.into(),
            self.customer.into(),
            self.event_type.into(),
            self.value.into(),
            self.time.into(),
            Cell::of(self.subject),
            self.properties.unwrap_or_else(|| "{}".to_owned()).into(),
            Cell::of(self.source_context),
            self.received_at.into(),
            self.sequence.into(),
            Cell::of(self.amended_at),
        ]
    }

    fn into_json(self) -> String {
        // Ends of lines in what was sent as properties lie between its tokens only.
        serde_json::to_string(&to_api(self)).unwrap_or_default().replace(['\n', '\r'], " ")
    }
}
