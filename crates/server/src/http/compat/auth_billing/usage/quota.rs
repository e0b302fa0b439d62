//! `GET /usage/tokens`, `/usage/storage`, `/usage/tier`, `/usage/quota` and `POST /usage/check-quota`.
use super::super::wire::Failure;
use super::super::{Refused, Sent};
use super::{Own, Resource, no_resource, tier};
use crate::entitlements::{Current, Refusal};
use crate::http::compat::analytics::numbers::number;
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::http::v1::entitlements::wire::put_headers;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use reckoner_domain::decimal::{Decimal, Excess};
use reckoner_domain::quota::Limit;
use reckoner_domain::ratio::Ratio;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// From which share of a quota on a check warns, in percent.
pub(super) const WARN_FROM_PERCENT: u64 = 80;

/// A wish to use something.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaCheck {
    /// `llm_tokens`, `memory_storage`, `agent_minutes` or `messages`.
    #[schema(value_type = String)]
    resource_type: Option<Value>,
    /// How much of it.
    #[schema(value_type = f64)]
    amount: Option<Value>,
}

/// What is allowed, as these paths say it: -1 without a limit.
pub(super) fn limit(limit: Limit) -> Value {
    limit.units().map_or_else(|| json!(-1), |units| number(units.into()))
}

/// How much of a limit is used, in percent; 0 without one.
pub(super) fn percentage(current: &Current) -> Value {
    current.limit.percentage(current.used).map_or_else(|| json!(0), |percent| number(percent.into()))
}

fn short(current: &Current) -> Value {
    json!({"used": number(current.used), "limit": limit(current.limit), "percentage": percentage(current)})
}

fn long(current: &Current) -> Result<Value, Refused> {
    let remaining = current.limit.remaining(current.used).map_err(ApiError::internal)?;
    Ok(json!({
        "used": number(current.used),
        "limit": limit(current.limit),
        "remaining": remaining.map_or_else(|| json!(-1), number),
        "percentage": percentage(current),
    }))
}

async fn current(app: &App, own: &Own, resource: Resource) -> Result<Current, Refused> {
    Ok(app.entitlements.current(own.project(), &own.user, resource.as_str()).await?)
}

/// The user's tokens of language models since the last reset.
#[utoipa::path(
    get, path = "/usage/tokens", operation_id = "token_usage", tag = "usage of users",
    responses(
        (status = 200, description = "`{used, limit, percentage}`; -1 where there is no limit", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn tokens(State(app): State<App>, own: Own) -> Result<Json<Value>, Refused> {
    Ok(Json(short(&current(&app, &own, Resource::LlmTokens).await?)))
}

/// The user's memory, in bytes.
#[utoipa::path(
    get, path = "/usage/storage", operation_id = "storage_usage", tag = "usage of users",
    responses(
        (status = 200, description = "`{used, limit, percentage}`; -1 where there is no limit", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn storage(State(app): State<App>, own: Own) -> Result<Json<Value>, Refused> {
    Ok(Json(short(&current(&app, &own, Resource::MemoryStorage).await?)))
}

/// The user's plan.
#[utoipa::path(
    get, path = "/usage/tier", operation_id = "usage_tier", tag = "usage of users",
    responses(
        (status = 200, description = "`{userId, tier}`; the tier is `none` without a plan", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn tier_of(State(app): State<App>, own: Own) -> Result<Json<Value>, Refused> {
    let tokens = current(&app, &own, Resource::LlmTokens).await?;
    Ok(Json(json!({"userId": own.user, "tier": tier(tokens.plan.as_deref())})))
}

/// What the user used of each quota, and when tokens are counted anew.
#[utoipa::path(
    get, path = "/usage/quota", operation_id = "usage_quota", tag = "usage of users",
    responses(
        (status = 200, description = "`{userId, tier, tokens: {used, limit, remaining, percentage}, messages, storage, resetsAt}`; -1 where there is no limit", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn quota(State(app): State<App>, own: Own) -> Result<Json<Value>, Refused> {
    let tokens = current(&app, &own, Resource::LlmTokens).await?;
    Ok(Json(json!({
        "userId": own.user,
        "tier": tier(tokens.plan.as_deref()),
        "tokens": long(&tokens)?,
        "messages": long(&current(&app, &own, Resource::Messages).await?)?,
        "storage": long(&current(&app, &own, Resource::MemoryStorage).await?)?,
        "resetsAt": tokens.window.end.to_millis_text(),
    })))
}

/// Say whether the user may use so much more; nothing is used.
#[utoipa::path(
    post, path = "/usage/check-quota", operation_id = "check_quota", tag = "usage of users",
    request_body = QuotaCheck,
    responses(
        (status = 200, description = "`{hasQuota, message}`", body = Object),
        (status = 400, body = Failure),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
    ),
)]
pub async fn check(
    State(app): State<App>,
    own: Own,
    Sent(sent): Sent<QuotaCheck>,
) -> Result<(HeaderMap, Json<Value>), Refused> {
    let mut faults = Vec::new();
    let resource = sent.resource_type.as_ref().and_then(Value::as_str).and_then(Resource::parse);
    if resource.is_none() {
        faults.push(no_resource());
    }
    let amount = read_amount(sent.amount.as_ref(), &mut faults);
    let (Some(resource), Some(amount)) = (resource, amount) else {
        return Err(Refused::new(StatusCode::BAD_REQUEST, faults.join("; ")));
    };
    let amount = Ratio::from(amount);
    if app.recorder.catalogues.of(own.project()).reading(resource.as_str()).is_none() {
        return Err(super::record::misconfigured(resource));
    }
    let verdict = app.entitlements.check(own.project(), &own.user, resource.as_str(), amount).await?;
    let message = if verdict.refused == Some(Refusal::Suspended) {
        "The account is suspended: please pay what is due".to_owned()
    } else if !verdict.is_allowed() {
        format!(
            "Quota exceeded. Current: {}, Requested: {}, Limit: {}",
            verdict.used.to_shown(),
            amount.to_shown(),
            verdict.limit.units().unwrap_or_default()
        )
    } else if verdict.limit.units().is_none() {
        "Unlimited quota".to_owned()
    } else {
        let after = verdict.used.plus(amount).map_err(ApiError::internal)?;
        match share(verdict.limit, after) {
            Some(percent) if percent >= Ratio::from_count(WARN_FROM_PERCENT) => {
                format!("Warning: {}% of quota will be used", one_digit(percent))
            }
            _ => "Quota available".to_owned(),
        }
    };
    let mut headers = HeaderMap::new();
    put_headers(&mut headers, &verdict, app.clock.of_project(own.project()));
    // Nothing was refused: it was only asked.
    headers.remove(header::RETRY_AFTER);
    Ok((headers, Json(json!({"hasQuota": verdict.is_allowed(), "message": message}))))
}

/// A number of the body; strings are none.
fn read_amount(sent: Option<&Value>, faults: &mut Vec<String>) -> Option<Decimal> {
    let text = sent.and_then(Value::as_number).map(ToString::to_string);
    let amount = text.and_then(|text| Decimal::parse_with(&text, Excess::Round).ok());
    if amount.is_none_or(|amount| amount < Decimal::ZERO) {
        faults.push("amount must be a number that is not negative".to_owned());
        return None;
    }
    amount
}

/// Use in percent of a limit, unrounded, so that a threshold is reached at it and not before; `None`
/// without a limit.
pub(super) fn share(limit: Limit, used: Ratio) -> Option<Ratio> {
    let limit = Ratio::from(limit.units()?);
    let hundred = Ratio::from_count(100);
    if limit.is_zero() {
        return Some(if used > Ratio::ZERO { hundred } else { Ratio::ZERO });
    }
    used.times(hundred).and_then(|used| used.over(limit)).ok()
}

/// A number with one fractional digit, half to even.
pub(super) fn one_digit(number: Ratio) -> String {
    let tenths = number.to_parts_half_even(1).unwrap_or_default();
    format!("{}{}.{}", if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_one_fractional_digit() {
        for (text, shown) in [("85", "85.0"), ("99.95", "100.0"), ("99.949", "99.9"), ("-0.25", "-0.2")] {
            assert_eq!(one_digit(Ratio::parse(text).expect("a number")), shown);
        }
    }
}
