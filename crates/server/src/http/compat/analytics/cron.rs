//! `POST /api/cron/process-overage`: closes what is over, and has it charged.
use crate::auth::secret_matches;
use crate::billing::invoicing::{Collected, Run};
use crate::http::compat::auth_billing::named_project;
use crate::http::compat::{Refused, failure};
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::store::projects::LIVE;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_domain::money::Money;
use reckoner_domain::ratio::Ratio;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

/// Most errors that an answer lists.
const ERRORS_MAX: usize = 100;

/// Close every billing period that is over and have usage beyond limits charged, each once.
///
/// It may be called as often as one likes, and at the same time: what is charged is not charged again. One
/// customer that fails keeps no other. Acts on `live` unless `Reckoner-Project` names another project.
#[utoipa::path(
    post, path = "/api/cron/process-overage", operation_id = "process_overage", tag = "system C",
    params(("Authorization" = Option<String>, Header, description = "`Bearer` and the configured secret.")),
    responses(
        (status = 200, description = "`{success, results: {processed, charged, total_usd, errors: [{ecoId, error}]}, duration_ms, timestamp}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 500, description = "`{error}`: no secret is configured", body = Object),
    ),
)]
pub async fn process(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refused> {
    let Some(secret) = &app.config.billing.cron_secret else {
        return Ok(failure(StatusCode::INTERNAL_SERVER_ERROR, "CRON_SECRET not configured", None));
    };
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    if !secret_matches(secret, sent) {
        return Ok(failure(StatusCode::UNAUTHORIZED, "Unauthorized", None));
    }
    let project = named_project(&app, &headers).map_err(|_| ApiError::not_found("project"))?.unwrap_or(LIVE);
    let began = Instant::now();
    let now = app.clock.of_project(project);
    let (run, collected) = app.jobs.bill(project, now).await?;
    let body = json!({
        "success": true,
        "results": results(&run, &collected).map_err(ApiError::internal)?,
        "duration_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "timestamp": now.to_millis_text(),
    });
    Ok(Json(body).into_response())
}

/// Customers whose periods were closed or whose charges were asked for, those of them that were charged for
/// usage beyond limits, and what that came to in dollars.
fn results(run: &Run, collected: &Collected) -> Result<Value, reckoner_domain::money::MoneyError> {
    let ended = run.closed.iter().filter(|one| one.period.is_some());
    let invoiced = ended.clone().filter(|one| one.invoice.is_some());
    let invoiced = invoiced.filter_map(|one| Some((one.customer.as_str(), one.overage?)));
    let taken = collected.taken.iter().map(|(customer, amount)| (customer.as_str(), *amount));
    let charged: Vec<(&str, Money)> = invoiced.chain(taken).collect();
    let failed = run.failed.iter().map(|one| {
        let customer = one.customer.as_deref().unwrap_or(one.subscription.as_str());
        json!({"ecoId": customer, "error": one.error.told()})
    });
    let declined =
        collected.declined.iter().map(|(customer, reason)| json!({"ecoId": customer, "error": reason}));
    let processed: BTreeSet<&str> = ended
        .map(|one| one.customer.as_str())
        .chain(taken_or_declined(collected))
        .chain(run.failed.iter().map(|one| one.customer.as_deref().unwrap_or(one.subscription.as_str())))
        .collect();
    let in_dollars = charged.iter().filter(|(_, amount)| amount.currency().code() == "USD");
    let total = in_dollars.map(|(_, amount)| amount.exact()).try_fold(Ratio::ZERO, Ratio::plus)?;
    let total = match "USD".parse() {
        Ok(currency) => Money::rounded(total, currency)?.amount(),
        Err(_) => total.to_string(),
    };
    Ok(json!({
        "processed": processed.len(),
        "charged": charged.iter().map(|(customer, _)| *customer).collect::<BTreeSet<_>>().len(),
        "total_usd": total,
        "errors": failed.chain(declined).take(ERRORS_MAX).collect::<Vec<_>>(),
    }))
}

fn taken_or_declined(collected: &Collected) -> impl Iterator<Item = &str> {
    let taken = collected.taken.iter().map(|(customer, _)| customer.as_str());
    taken.chain(collected.declined.iter().map(|(customer, _)| customer.as_str()))
}
