//! Verdicts and leases as the API shows them.
use crate::entitlements::{GrantedFeature, Held, Lease, Refusal, Verdict};
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_api::entitlement::{
    CustomerEntitlement, EntitlementType, Lease as ApiLease, LimitBehaviour, LimitReset, RefusalReason,
    Verdict as ApiVerdict,
};
use reckoner_domain::quota::{Limit, Reset};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::{SECOND, Timestamp};

/// After how many seconds a customer that is suspended may ask again: it is restored at once when it pays.
const SUSPENDED_RETRY_S: u64 = 60;

/// The answer to a wish: 200 or 429, with the headers of limits.
pub fn answer(verdict: &Verdict, now: Timestamp) -> Response {
    let status = if verdict.is_allowed() { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
    let mut response = (status, Json(to_api(verdict))).into_response();
    put_headers(response.headers_mut(), verdict, now);
    response
}

/// Writes what is left into headers: `X-RateLimit-*` and the IETF's `RateLimit` fields.
pub fn put_headers(headers: &mut HeaderMap, verdict: &Verdict, now: Timestamp) {
    if !verdict.is_allowed() {
        let otherwise = if verdict.refused == Some(Refusal::Suspended) { SUSPENDED_RETRY_S } else { 1 };
        let seconds = verdict.resets.map_or(otherwise, |(at, _)| seconds_until(at, now));
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let (Some(limit), Some(remaining), Some((at, reset))) =
        (verdict.limit.units(), verdict.remaining, verdict.resets)
    else {
        return;
    };
    let (limit, remaining, seconds) = (limit.to_string(), text(remaining), seconds_until(at, now));
    let whole = |text: &str| text.split('.').next().unwrap_or("0").to_owned();
    for (name, value) in [
        ("x-ratelimit-limit", limit.clone()),
        ("x-ratelimit-remaining", remaining.clone()),
        ("x-ratelimit-reset", at.to_string()),
        ("ratelimit-policy", format!("\"{}\";q={}", reset.as_str(), whole(&limit))),
        ("ratelimit", format!("\"{}\";r={};t={seconds}", reset.as_str(), whole(&remaining))),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Whole seconds until an instant, rounded up, at least one.
fn seconds_until(at: Timestamp, now: Timestamp) -> u64 {
    let micros = at.micros_since(now).max(1);
    u64::try_from((micros + SECOND - 1) / SECOND).unwrap_or(1)
}

/// A verdict as the API shows it.
pub fn to_api(verdict: &Verdict) -> ApiVerdict {
    ApiVerdict {
        allowed: verdict.is_allowed(),
        limit: verdict.limit.units().map(|units| units.to_string()),
        used: text(verdict.used),
        remaining: verdict.remaining.map(text),
        resets_at: verdict.resets.map(|(at, _)| at.to_string()),
        behaviour: behaviour(verdict.limit),
        reset: verdict.resets.map(|(_, reset)| to_api_reset(reset)),
        reason: verdict.refused.map(|refusal| match refusal {
            Refusal::Limit => RefusalReason::Limit,
            Refusal::NotEntitled => RefusalReason::NotEntitled,
            Refusal::Suspended => RefusalReason::Suspended,
        }),
        duplicate: verdict.is_repeat.then_some(true),
    }
}

/// What a customer has of a feature, as the API shows it.
pub fn to_api_held(held: &Held) -> CustomerEntitlement {
    let mut shown = CustomerEntitlement {
        feature: held.feature.as_str().to_owned(),
        kind: EntitlementType::Boolean,
        value: None,
        meter: None,
        limit: None,
        used: None,
        remaining: None,
        resets_at: None,
        reset: None,
        behaviour: None,
    };
    match &held.granted {
        GrantedFeature::Boolean => {}
        GrantedFeature::Static(value) => {
            shown.kind = EntitlementType::Static;
            shown.value = Some(value.clone());
        }
        GrantedFeature::Metered(meter, verdict) => {
            shown.kind = EntitlementType::Metered;
            shown.meter = Some(meter.as_str().to_owned());
            shown.limit = verdict.limit.units().map(|units| units.to_string());
            shown.used = Some(text(verdict.used));
            shown.remaining = verdict.remaining.map(text);
            shown.resets_at = verdict.resets.map(|(at, _)| at.to_string());
            shown.reset = verdict.resets.map(|(_, reset)| to_api_reset(reset));
            shown.behaviour = Some(behaviour(verdict.limit));
        }
    }
    shown
}

/// A lease as the API shows it.
fn to_api_lease(Lease { lease, verdict }: &Lease) -> ApiLease {
    ApiLease {
        lease_id: lease.id.to_string(),
        granted: text(lease.granted),
        expires_at: lease.expires_at.to_string(),
        limit: verdict.limit.units().map(|units| units.to_string()),
        used: text(verdict.used),
        remaining: verdict.remaining.map(text),
        resets_at: verdict.resets.map(|(at, _)| at.to_string()),
        behaviour: behaviour(verdict.limit),
        reset: verdict.resets.map(|(_, reset)| to_api_reset(reset)),
    }
}

/// A lease as an answer, with what is left in its headers.
pub fn lease(lease: &Lease, now: Timestamp) -> Response {
    let mut response = Json(to_api_lease(lease)).into_response();
    put_headers(response.headers_mut(), &lease.verdict, now);
    response
}

fn behaviour(limit: Limit) -> LimitBehaviour {
    match limit {
        Limit::Block(_) => LimitBehaviour::Block,
        Limit::Overage(_) => LimitBehaviour::Overage,
        Limit::Unlimited => LimitBehaviour::Unlimited,
    }
}

fn to_api_reset(reset: Reset) -> LimitReset {
    match reset {
        Reset::Day => LimitReset::Day,
        Reset::Month => LimitReset::Month,
        Reset::BillingPeriod => LimitReset::BillingPeriod,
    }
}

fn text(number: Ratio) -> String {
    number.to_shown()
}
