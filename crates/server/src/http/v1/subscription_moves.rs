//! `POST /v1/subscriptions/move`.
use super::catalog::field_change;
use super::invoices::money;
use super::subscriptions::read_timing;
use crate::billing::moves::{Move, MoveError, Moved, OfVersion, Outcome};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::Cursor;
use axum::Json;
use axum::extract::State;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::subscription::{MovedSubscription, MovedVersion, SubscriptionMove, SubscriptionsMoved};
use reckoner_domain::key::PlanKey;

/// Move many subscriptions to another plan or version, or see what that would change.
///
/// A dry run, which it is unless `dry_run` is false, changes nothing and shows each subscription's next invoice as it is
/// and as it would be. Each subscription is moved by itself: one that fails keeps no other. One that the customer has
/// ended, or for which a change of plan is scheduled, is skipped. A call does a page; go on with `next_cursor`. After a
/// crash, begin anew: what has the plan is not among them any more.
#[utoipa::path(
    post, path = "/v1/subscriptions/move", operation_id = "move_subscriptions", tag = "subscriptions",
    request_body = SubscriptionMove,
    responses(
        (status = 200, body = SubscriptionsMoved),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The plans have different currencies", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn run(
    State(app): State<App>,
    By(caller): By,
    JsonBody(sent): JsonBody<SubscriptionMove>,
) -> Result<Json<SubscriptionsMoved>, ApiError> {
    let mut errors = Vec::new();
    let limit = sent.limit.map(|limit| limit.to_string());
    let (limit, after) = pagination::read_page(limit.as_deref(), sent.cursor.as_deref(), &mut errors);
    let when = read_timing(sent.when.as_deref(), &mut errors);
    let plan = read_key("plan", &sent.plan, &mut errors);
    let to = sent.to_plan.as_deref().map_or_else(|| plan.clone(), |to| read_key("to_plan", to, &mut errors));
    let (Some(plan), Some(to), true) = (plan, to, errors.is_empty()) else {
        return Err(ApiError::invalid(errors));
    };
    let asked =
        Move { project: caller.project, plan, version: sent.plan_version, to: (to, sent.to_version), when };
    let (moves, dry_run) = (app.billing.moves(), sent.dry_run.unwrap_or(true));
    let overview = moves.overview(&asked).await?;
    let (moved, next) =
        moves.some(&caller.actor, (&asked, &overview.to), dry_run, (after.as_ref(), limit)).await?;
    Ok(Json(SubscriptionsMoved {
        dry_run,
        to_plan: overview.to.key.to_string(),
        to_version: overview.to.version,
        from: overview.from.into_iter().map(version).collect(),
        monthly_base_before: money(overview.monthly.0),
        monthly_base_after: money(overview.monthly.1),
        data: moved.into_iter().map(subscription).collect(),
        next_cursor: next.as_ref().map(Cursor::to_text),
    }))
}

fn read_key(field: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<PlanKey> {
    PlanKey::parse(text).map_err(|error| errors.push(field_error(field, error.to_string()))).ok()
}

fn version(of: OfVersion) -> MovedVersion {
    MovedVersion {
        plan_version: of.version,
        subscriptions: of.subscriptions,
        fields: of.differences.into_iter().map(field_change).collect(),
    }
}

fn subscription(moved: Moved) -> MovedSubscription {
    let (outcome, scheduled_at, reason) = match moved.outcome {
        Outcome::Moved => ("moved", None, None),
        Outcome::Scheduled(at) => ("scheduled", Some(at.to_string()), None),
        Outcome::Skipped(why) => ("skipped", None, Some(why.to_owned())),
        Outcome::Failed(why) => ("failed", None, Some(why)),
    };
    let (before, after) = moved.next_invoice.unwrap_or_default();
    MovedSubscription {
        id: moved.before.id.to_string(),
        customer: moved.before.external_id,
        plan_version: moved.before.subscription.plan_version,
        outcome: outcome.to_owned(),
        scheduled_at,
        reason,
        next_invoice_before: before.map(money),
        next_invoice_after: after.map(money),
    }
}

impl From<MoveError> for ApiError {
    fn from(error: MoveError) -> Self {
        use crate::billing::subscriptions::SubscriptionError as Of;
        match error {
            MoveError::NoSuchPlan => Self::field("plan", "is not the key of a plan, or has no such version"),
            MoveError::Subscription(Of::NoSuchPlan) => Self::field("to_plan", "is not the key of a plan"),
            MoveError::Subscription(Of::NoSuchVersion) => {
                Self::field("to_version", "is not a version of the plan")
            }
            MoveError::Subscription(Of::Archived) => Self::field("to_plan", "is archived"),
            MoveError::Subscription(error) => error.into(),
            MoveError::Money(error) => Self::conflict("currency_differs", error.to_string()),
            MoveError::Store(error) => error.into(),
            MoveError::Invoicing(error) => error.into(),
        }
    }
}
