//! `GET /api/usage/events/export`: all events that are asked for, streamed.
use super::events::Asking;
use super::feed::Feed;
use super::resources::Meters;
use super::{Params, all_wrong, document, failed};
use crate::events::EventsError;
use crate::http::compat::Asked as Query;
use crate::http::csv;
use crate::http::extract::By;
use crate::http::middleware::request_id;
use crate::http::state::App;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

/// Events of a piece.
const PIECE_EVENTS: usize = 500;
/// The columns of CSV: the fields of documents.
const COLUMNS: [&str; 12] = [
    "$id",
    "workspaceId",
    "organizationId",
    "projectId",
    "resourceType",
    "units",
    "baseUnits",
    "weightedUnits",
    "source",
    "timestamp",
    "metadata",
    "idempotencyKey",
];

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    Json,
}

/// Export usage of a workspace or an organisation, the newest first.
///
/// Everything that passes the filters is streamed; an export that fails on its way breaks off before its end.
#[utoipa::path(
    get, path = "/api/usage/events/export", operation_id = "export_workspace_usage", tag = "system B",
    params(
        ("format" = Option<String>, Query, description = "csv (the default) or json."),
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("projectId" = Option<String>, Query, description = "Only of this project."),
        ("resourceType" = Option<String>, Query, description = "traffic, storage or compute."),
        ("source" = Option<String>, Query, description = "api, file, job or ai."),
        ("period" = Option<String>, Query, description = "Only of this month: `2026-01`."),
        ("startDate" = Option<String>, Query, description = "Not before, inclusive."),
        ("endDate" = Option<String>, Query, description = "Not after, inclusive."),
    ),
    responses(
        (status = 200, description = "A table, or `{data: {documents, total}}`", content((String = "text/csv"), (Object = "application/json"))),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn export(
    State(app): State<App>,
    By(caller): By,
    Query(params): Query<Params>,
) -> Result<Response, Response> {
    let form = match params.format.as_deref() {
        None | Some("" | "csv") => Ok(Form::Csv),
        Some("json") => Ok(Form::Json),
        Some(_) => Err("format must be csv or json".to_owned()),
    };
    let asking = Asking::of(&app, &caller, &params).await?;
    let form = form.map_err(|wrong| all_wrong(&[wrong]))?;
    let feed = asking.feed(&app, PIECE_EVENTS);
    let mut export = Export { feed, meters: asking.meters, form, written: 0, begun: false, ended: false };
    // What fails at once is answered as a failure.
    let first = export.piece().await.map_err(failed)?;
    let rest = stream::try_unfold(export, |mut export| async move {
        let piece = if export.ended { None } else { Some(export.piece().await?) };
        Ok::<_, EventsError>(piece.map(|piece| (piece, export)))
    });
    let request = request_id::current();
    let pieces = stream::iter([Ok(first)]).chain(rest);
    let pieces = pieces
        .inspect_err(move |error| tracing::error!(request_id = %request, %error, "an export broke off"));
    let (kind, name) = match form {
        Form::Csv => (csv::CONTENT_TYPE, "attachment; filename=\"usage-events.csv\""),
        Form::Json => ("application/json", "attachment; filename=\"usage-events.json\""),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// An export on its way.
struct Export {
    feed: Feed,
    meters: Meters,
    form: Form,
    written: u64,
    begun: bool,
    ended: bool,
}

impl Export {
    /// The next piece; the last one ends it.
    async fn piece(&mut self) -> Result<Bytes, EventsError> {
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            text.push_str(&self.head());
        }
        for _ in 0..PIECE_EVENTS {
            let Some((resource, event)) = self.feed.next().await? else {
                self.ended = true;
                break;
            };
            let fields = document::fields(&event, resource, &self.meters);
            text.push_str(&self.row(fields));
            self.written += 1;
        }
        if self.ended && self.form == Form::Json {
            text.push_str(&format!("],\"total\":{}}}}}", self.written));
        }
        Ok(text.into())
    }

    fn head(&self) -> String {
        match self.form {
            Form::Csv => csv::line(COLUMNS.into_iter()),
            Form::Json => "{\"data\":{\"documents\":[".to_owned(),
        }
    }

    fn row(&self, fields: Map<String, Value>) -> String {
        if self.form == Form::Json {
            let comma = if self.written == 0 { "" } else { "," };
            return format!("{comma}{}", Value::Object(fields));
        }
        let cell = |name: &&str| match fields.get(*name) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let cells: Vec<String> = COLUMNS.iter().map(cell).collect();
        csv::line(cells.iter().map(String::as_str))
    }
}
