//! What limited callers are told.
use super::Refusal;
use crate::clock;
use crate::limits::{Decision, whole};
use crate::rates::State;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use reckoner_api::entitlement::{LimitReset, RefusalReason, Verdict};
use serde_json::{Value, json};

/// When refused callers whose limit never starts anew, or who are refused for want of a server, may come again, in
/// seconds.
const RETRY_S: i64 = 1;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const IETF: HeaderName = HeaderName::from_static("ratelimit");
const IETF_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds how the caller stands, where there is a limit.
pub(super) fn tell(headers: &mut HeaderMap, verdict: &Verdict) {
    let (Some(limit), Some(remaining)) = (&verdict.limit, &verdict.remaining) else { return };
    let mut put = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put(LIMIT, limit);
    put(REMAINING, remaining);
    let name = match verdict.reset {
        Some(LimitReset::Day) => "day",
        Some(LimitReset::Month) => "month",
        Some(LimitReset::BillingPeriod) => "billing_period",
        None => "total",
    };
    put(IETF_POLICY, &format!("\"{name}\";q={}", whole(limit)));
    let mut rest = format!("\"{name}\";r={}", whole(remaining));
    if let Some(resets_at) = &verdict.resets_at {
        put(RESET, resets_at);
        rest.push_str(&format!(";t={}", seconds_until(resets_at)));
    }
    put(IETF, &rest);
}

/// Why a decision refuses.
pub(super) fn why(decision: &Decision) -> Refusal {
    match (&decision.verdict, decision.reason()) {
        (None, _) => Refusal::Away,
        (_, Some(RefusalReason::Suspended)) => Refusal::Suspended,
        (_, Some(RefusalReason::NotEntitled)) => Refusal::NotEntitled,
        _ => Refusal::Quota,
    }
}

/// The answer to whoever calls too often.
pub(super) fn slow_down(state: &State) -> Response<Bytes> {
    let retry_after = state.refused_s.unwrap_or(1);
    let body = json!({
        "error": "Rate limit exceeded",
        "message": state.message(),
        "limit": state.rate.count,
        "period": state.span.as_str(),
        "scope": state.dimension.as_str(),
        "retry_after": retry_after,
    });
    let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, &body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer to a request that may not pass.
pub(super) fn refuse(decision: &Decision, upgrade_url: &str) -> Response<Bytes> {
    let (status, body) = match (&decision.verdict, decision.reason()) {
        (Some(_), Some(RefusalReason::Suspended)) => {
            (StatusCode::FORBIDDEN, forbidden("The account is suspended", upgrade_url))
        }
        (Some(_), Some(RefusalReason::NotEntitled)) => {
            (StatusCode::FORBIDDEN, forbidden("Your plan does not include this", upgrade_url))
        }
        (Some(verdict), _) => (StatusCode::TOO_MANY_REQUESTS, limited(verdict, upgrade_url)),
        (None, _) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"error": "Service Unavailable", "message": "Usage limits cannot be checked at the moment"}),
        ),
    };
    let mut response = json_response(status, &body);
    let headers = response.headers_mut();
    if let Some(verdict) = &decision.verdict {
        tell(headers, verdict);
    }
    if status != StatusCode::FORBIDDEN {
        let resets_at = decision.verdict.as_ref().and_then(|verdict| verdict.resets_at.as_deref());
        headers.insert(RETRY_AFTER, HeaderValue::from(resets_at.map_or(RETRY_S, seconds_until)));
    }
    response
}

fn limited(verdict: &Verdict, upgrade_url: &str) -> Value {
    let limit = verdict.limit.as_deref().unwrap_or("0");
    let per = match verdict.reset {
        Some(LimitReset::Day) => "/day",
        Some(LimitReset::Month) => "/month",
        Some(LimitReset::BillingPeriod) => "/billing period",
        None => "",
    };
    json!({
        "error": "API limit exceeded",
        "message": format!("You have exceeded your {limit} API calls{per} limit"),
        "current_usage": number(&verdict.used),
        "limit": number(limit),
        "period_end": verdict.resets_at.as_deref().map(in_millis),
        "upgrade_url": upgrade_url,
    })
}

fn forbidden(message: &str, upgrade_url: &str) -> Value {
    json!({"error": "Forbidden", "message": message, "upgrade_url": upgrade_url})
}

/// An instant with three digits of its second, as this body has it everywhere.
fn in_millis(time: &str) -> String {
    let read = time.parse::<jiff::Timestamp>();
    read.map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// A decimal as a JSON number.
fn number(decimal: &str) -> Value {
    serde_json::from_str(decimal).unwrap_or_else(|_| Value::from(decimal))
}

/// Whole seconds until a time, at least one.
fn seconds_until(time: &str) -> i64 {
    let until = time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_second() - clock::now().as_second());
    until.max(RETRY_S)
}
