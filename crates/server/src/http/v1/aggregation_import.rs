//! `POST /v1/aggregations/import`: aggregations that another system made.
use super::time;
use crate::clock;
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::state::App;
use crate::ingest::draft::{CUSTOMER_ID_PREFIX, text_fault};
use crate::store::Db;
use crate::store::aggregations::{self, Figure, Figures, NewImport, Span};
use crate::store::audit::{self, Change};
use crate::store::locks;
use crate::store::webhook_status::Status;
use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use reckoner_api::aggregation::{ImportedAggregations, NewAggregation, NewAggregations, WebhookStatus};
use reckoner_api::error::{FieldError, Problem};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::CUSTOMER_BYTES_MAX;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::MeterKey;
use reckoner_domain::period::Period;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use serde_json::json;
use std::collections::BTreeSet;

/// Most aggregations of a request.
const AGGREGATIONS_MAX: usize = 1_000;
/// Most bytes of what an error of a webhook says.
const ERROR_BYTES_MAX: usize = 1_024;

/// Import aggregations of periods that have ended, all of them or none.
///
/// Their ids are made of customer, period and key. One that is there and says the same stays as it is, so that an
/// import may be repeated; one that says otherwise is a conflict. No webhook is sent for what is imported, and its
/// figures never change here: events that arrive for it later are kept, and the aggregation job tells of them.
#[utoipa::path(
    post, path = "/v1/aggregations/import", operation_id = "import_aggregations", tag = "aggregations", request_body = NewAggregations,
    responses(
        (status = 200, body = ImportedAggregations),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Aggregations of these ids exist with other content, or are of times that are billed for ever", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn import(
    State(app): State<App>,
    By(caller): By,
    JsonBody(sent): JsonBody<NewAggregations>,
) -> Result<Json<ImportedAggregations>, ApiError> {
    let count = sent.aggregations.len();
    if !(1..=AGGREGATIONS_MAX).contains(&count) {
        let reason = format!("must have 1 to {AGGREGATIONS_MAX} entries");
        return Err(ApiError::field("aggregations", reason));
    }
    let now = app.clock.of_project(caller.project);
    let zone = app.project(caller.project).and_then(|project| clock::zone(&project.time_zone));
    let mut check = Check { zone: zone.unwrap_or(TimeZone::UTC), now, at: String::new(), errors: Vec::new() };
    let mut new = Vec::with_capacity(count);
    let mut ids = BTreeSet::new();
    for (index, one) in sent.aggregations.into_iter().enumerate() {
        check.at = format!("aggregations[{index}]");
        let Some(one) = check.aggregation(one) else { continue };
        if !ids.insert(one.id()) {
            check.note("period_key", "is there more than once for this customer");
        }
        new.push(one);
    }
    if !check.errors.is_empty() {
        return Err(ApiError::invalid(check.errors));
    }
    let mut tx = app.db.begin().await?;
    let taken = aggregations::import(&mut tx, caller.project, &new, now).await?;
    if !taken.conflicts.is_empty() {
        tx.rollback().await?;
        let conflicting = new.iter().enumerate().filter(|(_, one)| taken.conflicts.contains(&one.id()));
        let reason = |id: String| format!("{id} is there with other content");
        let errors =
            conflicting.map(|(index, one)| field_error(&format!("aggregations[{index}]"), reason(one.id())));
        let detail = format!("{} aggregations are there with other content", taken.conflicts.len());
        return Err(ApiError::conflict("aggregation_conflict", detail).with_errors(errors.collect()));
    }
    if let Some(error) =
        locked(&app.db, caller.project, new.iter().filter(|one| taken.created.contains(&one.id()))).await?
    {
        tx.rollback().await?;
        return Err(error);
    }
    let imported = taken.created.len() as u64;
    let unchanged = count as u64 - imported;
    if imported > 0 {
        let change =
            Change::new(Some(caller.project), &caller.actor, "aggregations.imported", "aggregations");
        let change = change.after(json!({"imported": imported, "unchanged": unchanged}));
        audit::write(&mut tx, &app.clock, vec![change]).await?;
    }
    tx.commit().await?;
    let customers: BTreeSet<String> = new.into_iter().map(|one| one.customer).collect();
    app.recorder.ensure_customers(caller.project, customers.into_iter().collect()).await?;
    Ok(Json(ImportedAggregations { imported, unchanged }))
}

/// Why days and months that are billed for ever get no figures from elsewhere.
async fn locked<'a>(
    db: &Db,
    project: ProjectId,
    new: impl Iterator<Item = &'a NewImport> + Clone + Send,
) -> Result<Option<ApiError>, ApiError> {
    let new = new.filter(|one| matches!(one.span.period.as_str(), "daily" | "monthly"));
    let (Some(start), Some(end)) =
        (new.clone().map(|one| one.span.start).min(), new.clone().map(|one| one.span.end).max())
    else {
        return Ok(None);
    };
    let customers: BTreeSet<String> = new.clone().map(|one| one.customer.clone()).collect();
    let customers: Vec<String> = customers.into_iter().collect();
    let locks = locks::overlapping(db, project, Window { start, end }, Some(&customers)).await?;
    let is_locked = |one: &&NewImport| {
        let window = Window { start: one.span.start, end: one.span.end };
        locks.iter().any(|lock| lock.customer == one.customer && lock.covers(window))
    };
    let errors: Vec<FieldError> = new
        .filter(is_locked)
        .map(|one| field_error("aggregations", format!("{} is of a time that is billed for ever", one.id())))
        .collect();
    if errors.is_empty() {
        return Ok(None);
    }
    metrics::counter!("billing_lock_errors_total").increment(1);
    let detail = format!("{} aggregations are of times that are billed for ever", errors.len());
    Ok(Some(ApiError::conflict("BILLING_PERIOD_LOCKED", detail).with_errors(errors)))
}

/// Checks aggregations and notes everything that is wrong with them.
struct Check {
    zone: TimeZone,
    now: Timestamp,
    /// The aggregation that is looked at.
    at: String,
    errors: Vec<FieldError>,
}

impl Check {
    fn note(&mut self, field: &str, reason: impl Into<String>) {
        self.errors.push(field_error(&format!("{}.{field}", self.at), reason));
    }

    /// The aggregation, where nothing is wrong with it.
    fn aggregation(&mut self, sent: NewAggregation) -> Option<NewImport> {
        let before = self.errors.len();
        if let Some(reason) = text_fault(&sent.customer, CUSTOMER_BYTES_MAX) {
            self.note("customer", reason);
        } else if sent.customer.starts_with(CUSTOMER_ID_PREFIX) {
            self.note("customer", format!("may not begin with {CUSTOMER_ID_PREFIX}"));
        }
        let span = self.span(&sent);
        let figures = self.figures(&sent);
        if sent.event_count == 0 {
            self.note("event_count", "must be at least 1");
        }
        let status = self.status(sent.webhook_status.unwrap_or_default());
        let created_at = self.time("created_at", sent.created_at.as_deref()).unwrap_or(self.now);
        let (customer, event_count) = (sent.customer, sent.event_count);
        let new = NewImport { customer, span: span?, figures, event_count, status, created_at };
        (self.errors.len() == before).then_some(new)
    }

    fn time(&mut self, field: &str, text: Option<&str>) -> Option<Timestamp> {
        time::optional(&format!("{}.{field}", self.at), text, &mut self.errors)
    }

    /// The period: one of the project's time zone or of UTC, in which other systems count.
    fn span(&mut self, sent: &NewAggregation) -> Option<Span> {
        let start = self.time("period_start", Some(&sent.period_start));
        let end = self.time("period_end", Some(&sent.period_end));
        let Ok(period) = sent.period.parse::<Period>() else {
            self.errors.push(choice_error(&format!("{}.period", self.at), &Period::NAMES));
            return None;
        };
        let (start, end) = (start?, end?);
        if end > self.now {
            self.note("period_end", format!("must have passed: it is {}", self.now));
        }
        let zones = [&self.zone, &TimeZone::UTC];
        let whole = zones.into_iter().any(|zone| {
            let span = period.span_at(start, zone);
            (span.start, span.end, span.key.as_str()) == (start, end, sent.period_key.as_str())
        });
        if !whole {
            self.note(
                "period_key",
                "must be that of a period with this start and end, in UTC or the project's time zone",
            );
        }
        Some(Span { period: period.as_str().to_owned(), key: sent.period_key.clone(), start, end })
    }

    fn figures(&mut self, sent: &NewAggregation) -> Figures {
        let mut figures = Figures::new();
        for (key, value) in &sent.values {
            let field = format!("values.{key}");
            if let Err(error) = MeterKey::parse(key) {
                self.note(&field, format!("names no meter: a key {error}"));
            }
            let Some(count) = sent.event_counts.get(key).copied() else {
                self.note(&format!("event_counts.{key}"), "is required: the value has no count");
                continue;
            };
            match Decimal::parse(&value.to_text()) {
                Ok(value) => {
                    figures.insert(key.clone(), Figure { value: value.to_string(), count });
                }
                Err(error) => self.note(&field, error.to_string()),
            }
        }
        for key in sent.event_counts.keys().filter(|key| !sent.values.contains_key(*key)) {
            self.note(&format!("values.{key}"), "is required: the count has no value");
        }
        figures
    }

    fn status(&mut self, sent: WebhookStatus) -> Status {
        let error_fault = sent.last_error.as_deref().and_then(|error| text_fault(error, ERROR_BYTES_MAX));
        if let Some(reason) = error_fault {
            self.note("webhook_status.last_error", reason);
        }
        Status {
            delivered: sent.delivered,
            attempts: sent.attempts,
            delivered_at: self.time("webhook_status.delivered_at", sent.delivered_at.as_deref()),
            last_error: sent.last_error,
            last_attempt_at: self.time("webhook_status.last_attempt_at", sent.last_attempt_at.as_deref()),
            dry_run: sent.dry_run.unwrap_or_default(),
        }
    }
}
