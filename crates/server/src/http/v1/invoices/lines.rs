//! `/v1/invoice-lines`: the lines of all final invoices.
use super::wanted::{self, Asked, InvoiceParams, PAGE_INVOICES, Wanted};
use super::wire;
use crate::http::error::{ApiError, field_error};
use crate::http::export::{Cell, Column, Kind, Row, respond};
use crate::http::extract::{By, Params};
use crate::http::state::App;
use crate::store::invoices::Stored;
use crate::store::{Cursor, Db, Limit, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use reckoner_api::error::Problem;
use reckoner_api::invoice::BilledLine;
use reckoner_api::list::List;
use reckoner_domain::invoice::Line;
use reckoner_domain::time::Timestamp;

/// List or export lines of final invoices, in the order of the invoices' numbers.
///
/// JSON comes in pages. `format`, or `Accept: application/x-ndjson` (a line each), `text/csv` or
/// `application/vnd.apache.parquet`, gets all that pass the filters, streamed. Exports take neither
/// `limit` nor `cursor`; one that fails on its way breaks off before its end.
#[utoipa::path(
    get, path = "/v1/invoice-lines", operation_id = "list_invoice_lines", tag = "invoices",
    params(InvoiceParams),
    responses(
        (status = 200, content((List<BilledLine> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    Params(params, mut faults): Params<InvoiceParams>,
) -> Result<Response, ApiError> {
    let cursor = params.cursor.as_deref().map(Cursor::parse);
    if matches!(&cursor, Some(Ok(cursor)) if Place::parse(cursor).is_none()) {
        faults.push(field_error("cursor", "must be the next_cursor of an earlier answer"));
    }
    let asked = Asked::read(&app, &caller, &headers, params, faults).await?;
    if let Some(form) = asked.form {
        let lines = wanted::all(app.db.clone(), asked.wanted)
            .map_ok(|page| page.iter().flat_map(Billed::of).collect::<Vec<Billed>>());
        return respond("invoice-lines", form, lines).await;
    }
    let after = asked.after.as_ref().and_then(Place::parse);
    let (data, next) = match asked.wanted {
        Some(wanted) => page(&app.db, &wanted, after, asked.limit).await?,
        None => (Vec::new(), None),
    };
    let next_cursor = next.map(|place| place.cursor().to_text());
    let data: Vec<BilledLine> = data.into_iter().map(Billed::into_api).collect();
    Ok(Json(List { data, next_cursor }).into_response())
}

/// Where a line stands: the number of its invoice, and its place there, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    number: u64,
    line: u64,
}

impl Place {
    fn parse(cursor: &Cursor) -> Option<Self> {
        let (number, line) = cursor.id.split_once('.')?;
        Some(Self { number: number.parse().ok()?, line: line.parse().ok()? })
    }

    fn cursor(self) -> Cursor {
        Cursor { time: Timestamp::default(), id: format!("{}.{}", self.number, self.line) }
    }
}

/// Lines after a place, and the place of the last one where there are more.
async fn page(
    db: &Db,
    wanted: &Wanted,
    after: Option<Place>,
    limit: Limit,
) -> Result<(Vec<Billed>, Option<Place>), StoreError> {
    // The invoice of the last line may have more of them.
    let before = |place: Place| place.number.saturating_sub(1).to_string();
    let mut invoices = after.map(|place| Cursor { time: Timestamp::default(), id: before(place) });
    let mut lines: Vec<Billed> = Vec::new();
    let rows = limit.rows() as usize;
    loop {
        let page = wanted.page(db, invoices.as_ref(), PAGE_INVOICES).await?;
        let all = page.items.iter().flat_map(Billed::of);
        lines.extend(all.filter(|line| after.is_none_or(|after| line.place > after)));
        invoices = page.next;
        if lines.len() > rows || invoices.is_none() {
            break;
        }
    }
    let more = lines.len() > rows;
    lines.truncate(rows);
    let next = lines.last().filter(|_| more).map(|line| line.place);
    Ok((lines, next))
}

/// A line, with what its invoice says of itself.
struct Billed {
    place: Place,
    invoice: String,
    status: &'static str,
    customer: String,
    subscription: String,
    finalized_at: Timestamp,
    line: Line,
}

impl Billed {
    fn of(stored: &Stored) -> impl Iterator<Item = Self> {
        let header = stored.invoice.header();
        (0..).zip(stored.invoice.lines()).map(|(place, line)| Self {
            place: Place { number: header.number, line: place },
            invoice: stored.id.to_string(),
            status: stored.status.as_str(),
            customer: stored.external_id.clone(),
            subscription: stored.subscription.to_string(),
            finalized_at: header.finalized_at,
            line: line.clone(),
        })
    }

    fn into_api(self) -> BilledLine {
        BilledLine {
            invoice: self.invoice,
            invoice_number: self.place.number,
            invoice_status: self.status.to_owned(),
            line: self.place.line,
            customer: self.customer,
            subscription: self.subscription,
            finalized_at: self.finalized_at.to_string(),
            billed: wire::line(&self.line),
        }
    }
}

impl Row for Billed {
    const COLUMNS: &'static [Column] = &[
        Column::new("invoice", Kind::Text),
        Column::new("invoice_number", Kind::Whole),
        Column::new("invoice_status", Kind::Text),
        Column::new("line", Kind::Whole),
        Column::new("customer", Kind::Text),
        Column::new("subscription", Kind::Text),
        Column::new("finalized_at", Kind::Time),
        Column::new("kind", Kind::Text),
        Column::new("description", Kind::Text),
        Column::optional("period_start", Kind::Time),
        Column::optional("period_end", Kind::Time),
        Column::optional("share_part_s", Kind::Whole),
        Column::optional("share_whole_s", Kind::Whole),
        Column::optional("units", Kind::Text),
        Column::optional("included", Kind::Text),
        Column::new("details", Kind::Text),
        Column::optional("exact", Kind::Text),
        Column::new("currency", Kind::Text),
        Column::new("amount", Kind::Decimal),
        Column::optional("net", Kind::Decimal),
        Column::optional("tax", Kind::Text),
        Column::optional("plan", Kind::Text),
        Column::optional("plan_version", Kind::Whole),
        Column::optional("price", Kind::Text),
        Column::optional("meter", Kind::Text),
        Column::optional("aggregation", Kind::Text),
    ];

    fn into_cells(self) -> Vec<Cell> {
        let (amount, net, period) = (self.line.amount, self.line.net, self.line.period);
        let (place, finalized_at) = (self.place, self.finalized_at);
        let shown = self.into_api();
        let line = shown.billed;
        vec![
            shown.invoice.into(),
            place.number.into(),
            shown.invoice_status.into(),
            place.line.into(),
            shown.customer.into(),
            shown.subscription.into(),
            finalized_at.into(),
            line.kind.into(),
            line.description.into(),
            Cell::of(period.map(|period| period.start)),
            Cell::of(period.map(|period| period.end)),
            Cell::of(line.share.as_ref().map(|share| share.part_s)),
            Cell::of(line.share.as_ref().map(|share| share.whole_s)),
            Cell::of(line.units),
            Cell::of(line.included),
            serde_json::to_string(&line.details).unwrap_or_default().into(),
            Cell::of(line.exact),
            line.amount.currency.into(),
            amount.into(),
            Cell::of(net),
            Cell::of(line.tax),
            Cell::of(line.plan),
            Cell::of(line.plan_version.map(u64::from)),
            Cell::of(line.price),
            Cell::of(line.meter),
            Cell::of(line.aggregation),
        ]
    }

    fn into_json(self) -> String {
        serde_json::to_string(&self.into_api()).unwrap_or_default()
    }
}
