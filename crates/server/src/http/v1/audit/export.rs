//! All entries that pass a filter, as one stream: read page by page as the client takes them.
use super::to_api;
use crate::http::csv;
use crate::http::error::ApiError;
use crate::http::middleware::request_id;
use crate::http::v1::events::ndjson;
use crate::store::audit::{self, Filter, Stored};
use crate::store::{Db, Limit, StoreError};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use reckoner_domain::id::ProjectId;

/// Entries that are held at once.
const PAGE_ENTRIES: u32 = 200;
/// The columns of CSV.
const COLUMNS: [&str; 11] = [
    "number",
    "created_at",
    "project_time",
    "actor",
    "action",
    "object",
    "before",
    "after",
    "previous_hash",
    "hash",
    "redacted_by",
];

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line.
    Ndjson,
    /// A table; what an object was and is, is JSON.
    Csv,
}

/// Answers with all entries. What fails before the first page is there is answered as a failure; what
/// fails later ends the connection, so that nobody takes a part for the whole.
pub async fn respond(
    db: &Db,
    project: Option<ProjectId>,
    filter: Filter,
    form: Form,
) -> Result<Response, ApiError> {
    let mut export = Export { db: db.clone(), project, filter, before: None, read: None };
    export.read = Some(export.page().await?);
    let request = request_id::current();
    let pages = stream::try_unfold(export, Export::next)
        .map_ok(move |page| Bytes::from(page.into_iter().map(|entry| form.write(entry)).collect::<String>()))
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
    db: Db,
    project: Option<ProjectId>,
    filter: Filter,
    /// The number before which it goes on.
    before: Option<u64>,
    /// The page that was read before anybody asked for it.
    read: Option<Vec<Stored>>,
}

impl Export {
    async fn page(&self) -> Result<Vec<Stored>, StoreError> {
        let limit = Limit::new(PAGE_ENTRIES).unwrap_or_default();
        Ok(audit::list(&self.db, self.project, &self.filter, self.before, limit).await?.items)
    }

    async fn next(mut self) -> Result<Option<(Vec<Stored>, Self)>, StoreError> {
        let page = match self.read.take() {
            Some(page) => page,
            None => self.page().await?,
        };
        let Some(last) = page.last() else { return Ok(None) };
        self.before = Some(last.entry.number);
        Ok(Some((page, self)))
    }
}

impl Form {
    fn head(self) -> Option<String> {
        (self == Self::Csv).then(|| csv::line(COLUMNS.into_iter()))
    }

    fn write(self, stored: Stored) -> String {
        let entry = to_api(stored);
        match self {
            Self::Ndjson => serde_json::to_string(&entry).unwrap_or_default() + "\n",
            Self::Csv => {
                let (number, before, after) =
                    (entry.number.to_string(), entry.before.to_string(), entry.after.to_string());
                let redacted_by = entry.redacted_by.unwrap_or_default();
                let cells = [
                    &number,
                    &entry.created_at,
                    &entry.project_time,
                    &entry.actor,
                    &entry.action,
                    &entry.object,
                    &before,
                    &after,
                    &entry.previous_hash,
                    &entry.hash,
                    &redacted_by,
                ];
                csv::line(cells.into_iter().map(String::as_str))
            }
        }
    }
}
