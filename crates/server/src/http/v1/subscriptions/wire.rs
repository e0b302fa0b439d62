//! Subscriptions as the API shows them.
use crate::store::subscription_phases::Phase;
use crate::store::subscriptions::{Stored, zone_name};
use reckoner_api::subscription::{
    Phase as ApiPhase, Scheduled as ApiScheduled, Subscription as ApiSubscription,
};
use reckoner_domain::subscription::{Scheduled, ScheduledAction, SubscriptionStatus};
use reckoner_domain::time::Timestamp;

/// A subscription at an instant.
pub fn to_api(stored: &Stored, now: Timestamp) -> ApiSubscription {
    let subscription = &stored.subscription;
    let billed = !subscription.status.is_over() && subscription.status != SubscriptionStatus::Trialing;
    let period = billed.then(|| subscription.cycle.period_at(now)).flatten();
    ApiSubscription {
        id: stored.id.to_string(),
        customer: stored.external_id.clone(),
        plan: subscription.plan.to_string(),
        plan_version: subscription.plan_version,
        status: subscription.status.as_str().to_owned(),
        started_at: subscription.started_at.to_string(),
        trial_ends_at: subscription.trial_ends_at.map(|at| at.to_string()),
        after_trial: subscription.after_trial.as_str().to_owned(),
        current_period_start: period.map(|period| period.start.to_string()),
        current_period_end: period.map(|period| period.end.to_string()),
        time_zone: zone_name(&subscription.cycle.zone).to_owned(),
        next_time_zone: subscription.next_zone.as_ref().map(|change| zone_name(&change.zone).to_owned()),
        collection: subscription.collection.as_str().to_owned(),
        scheduled: subscription.at_period_end.as_ref().map(to_api_scheduled),
        ended_at: stored.ended_at.map(|at| at.to_string()),
        created_at: stored.created_at.to_string(),
        version: stored.version,
    }
}

fn to_api_scheduled(scheduled: &Scheduled) -> ApiScheduled {
    let at = scheduled.at.to_string();
    match &scheduled.action {
        ScheduledAction::Cancel => {
            ApiScheduled { at, action: "cancel".to_owned(), plan: None, plan_version: None }
        }
        ScheduledAction::Change { plan, version } => ApiScheduled {
            at,
            action: "change".to_owned(),
            plan: Some(plan.to_string()),
            plan_version: Some(*version),
        },
    }
}

/// What a subscription was from an instant on.
pub fn to_api_phase(phase: &Phase) -> ApiPhase {
    ApiPhase {
        starts_at: phase.starts_at.to_string(),
        plan: phase.plan.to_string(),
        plan_version: phase.plan_version,
        status: phase.status.as_str().to_owned(),
    }
}
