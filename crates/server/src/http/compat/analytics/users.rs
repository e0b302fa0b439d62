//! `GET /api/admin/analytics/users`.
use super::CALLS;
use super::numbers::number;
use super::overage::beyond;
use crate::entitlements::{Current, DecideError};
use crate::events::{EventsError, ListFilter};
use crate::http::compat::{Asked, Refused};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::StoreError;
use crate::store::overview::{self, Subscriber};
use axum::Json;
use axum::extract::State;
use reckoner_domain::id::ProjectId;
use reckoner_domain::money::MoneyError;
use reckoner_domain::ratio::Ratio;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most users of a page.
const LIMIT_MAX: usize = 100;
/// Users of a page when nothing is said.
const LIMIT: usize = 50;

/// Which users are listed.
#[derive(Debug, Default, Deserialize)]
pub struct Params {
    page: Option<String>,
    limit: Option<String>,
    plan: Option<String>,
    sort: Option<String>,
}

/// What users are sorted by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Usage,
    Overage,
    Revenue,
    Created,
}

/// What a user used and brings in.
#[derive(Clone, Copy, Default)]
struct Figures {
    calls: Ratio,
    overage_calls: Ratio,
    overage_cost: Ratio,
    subscription: Ratio,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
enum UsersError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Decide(#[from] DecideError),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The project's customers with their usage of this period and what they bring in, the highest first, or
/// the newest first where they are sorted by `created`.
#[utoipa::path(
    get, path = "/api/admin/analytics/users", operation_id = "analytics_users", tag = "system C",
    params(
        ("page" = Option<u32>, Query, description = "From 1."),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default."),
        ("plan" = Option<String>, Query, description = "Those of this plan."),
        ("sort" = Option<String>, Query, description = "`usage` (the default), `overage`, `revenue` or `created`."),
    ),
    responses(
        (status = 200, description = "`{users: [{eco_id, email, plan, status, api_calls, overage_calls, overage_cost_usd, subscription_revenue, total_revenue, created_at, last_api_call}], pagination: {page, limit, total, total_pages}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Asked(params): Asked<Params>,
) -> Result<Json<Value>, Refused> {
    let sort = match params.sort.as_deref().unwrap_or("usage") {
        "usage" => Sort::Usage,
        "overage" => Sort::Overage,
        "revenue" => Sort::Revenue,
        "created" => Sort::Created,
        _ => {
            return Err(Refused(ApiError::malformed(
                "sort must be one of: usage, overage, revenue, created",
            )));
        }
    };
    let number = |text: &Option<String>, usual: usize, most: usize| {
        text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(usual).clamp(1, most)
    };
    let limit = number(&params.limit, LIMIT, LIMIT_MAX);
    let page = number(&params.page, 1, usize::MAX);
    let asked = Page { sort, limit, skip: (page - 1).saturating_mul(limit), plan: params.plan };
    let (users, total) =
        users(&app, caller.project, &asked).await.map_err(ApiError::internal).map_err(Refused)?;
    let pages = total.div_ceil(limit);
    let pagination = json!({"page": page, "limit": limit, "total": total, "total_pages": pages});
    Ok(Json(json!({"users": users, "pagination": pagination})))
}

/// A page of users.
struct Page {
    sort: Sort,
    limit: usize,
    skip: usize,
    plan: Option<String>,
}

async fn users(app: &App, project: ProjectId, asked: &Page) -> Result<(Vec<Value>, usize), UsersError> {
    let default_plan = app.config.billing.default_plan.as_ref().map(ToString::to_string);
    let plan_of = |one: &Subscriber| match &one.has {
        Some((plan, ..)) => Some(plan.to_string()),
        None => default_plan.clone(),
    };
    let mut all = overview::subscribers(&app.db, project).await?;
    all.retain(|one| asked.plan.is_none() || plan_of(one) == asked.plan);
    all.reverse();
    let total = all.len();
    if asked.sort == Sort::Created {
        all = all.into_iter().skip(asked.skip).take(asked.limit).collect();
    }
    let mut rows = with_figures(app, project, all).await?;
    if asked.sort != Sort::Created {
        let by = |figures: &Figures| match asked.sort {
            Sort::Usage | Sort::Created => figures.calls,
            Sort::Overage => figures.overage_calls,
            Sort::Revenue => figures.subscription.plus(figures.overage_cost).unwrap_or_default(),
        };
        rows.sort_by_cached_key(|(figures, _)| std::cmp::Reverse(by(figures)));
        rows = rows.into_iter().skip(asked.skip).take(asked.limit).collect();
    }
    let ids: Vec<_> = rows.iter().map(|(_, one)| one.id.clone()).collect();
    let addresses = overview::addresses(&app.db, project, &ids).await?;
    let mut users = Vec::with_capacity(rows.len());
    for (figures, one) in rows {
        let last = ListFilter {
            customer: Some(one.external_id.clone()),
            event_type: Some(CALLS.to_owned()),
            limit: 1,
            ..ListFilter::new(project)
        };
        let last = app.events.list(last).await?.into_iter().next();
        users.push(json!({
            "eco_id": one.external_id,
            "email": addresses.get(&one.id),
            "plan": plan_of(&one),
            "status": one.has.as_ref().map_or("none", |(.., status)| status.as_str()),
            "api_calls": number(figures.calls),
            "overage_calls": number(figures.overage_calls),
            "overage_cost_usd": number(figures.overage_cost),
            "subscription_revenue": number(figures.subscription),
            "total_revenue": number(figures.subscription.plus(figures.overage_cost).unwrap_or_default()),
            "created_at": one.created_at.to_millis_text(),
            "last_api_call": last.map(|event| event.time.to_millis_text()),
        }));
    }
    Ok((users, total))
}

/// Customers with what they used and bring in.
async fn with_figures(
    app: &App,
    project: ProjectId,
    all: Vec<Subscriber>,
) -> Result<Vec<(Figures, Subscriber)>, UsersError> {
    let currents = app.entitlements.currents(project, &all, CALLS).await?;
    let mut rows = Vec::with_capacity(all.len());
    for one in all {
        let found = currents.get(&one.external_id).map(|current| figures(current, &one));
        rows.push((found.transpose()?.unwrap_or_default(), one));
    }
    Ok(rows)
}

fn figures(current: &Current, one: &Subscriber) -> Result<Figures, UsersError> {
    let Some(plan) = &current.plan else { return Ok(Figures { calls: current.used, ..Figures::default() }) };
    let (overage_calls, overage_cost) = beyond(plan, current)?;
    let recurring = one.has.as_ref().is_some_and(|(.., status)| status.is_recurring());
    let fee = plan.base_fee();
    let subscription = if recurring { fee.interval.monthly(fee.amount.exact())? } else { Ratio::ZERO };
    Ok(Figures { calls: current.used, overage_calls, overage_cost, subscription })
}

impl From<reckoner_domain::sum::Overflow> for UsersError {
    fn from(error: reckoner_domain::sum::Overflow) -> Self {
        Self::Money(error.into())
    }
}
