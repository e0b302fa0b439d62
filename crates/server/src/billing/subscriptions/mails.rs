//! Mails to the people of a customer about its subscription.
use super::{Result, Subscriptions, ended_a_trial};
use crate::mail::{About, SubscriptionNews, Template, What};
use crate::store::audit::SYSTEM;
use crate::store::subscriptions::Stored;
use crate::store::{Tx, memberships};
use reckoner_domain::subscription::{AfterTrial, ScheduledAction, SubscriptionStatus};
use reckoner_domain::time::Timestamp;

impl Subscriptions {
    /// Queues what a change of a subscription lets its people know.
    pub(super) async fn mail_change(
        &self,
        tx: &mut Tx,
        by: &str,
        before: Option<&Stored>,
        after: &Stored,
    ) -> Result<()> {
        let Some((what, at)) = news(by, before, after) else { return Ok(()) };
        self.mail(tx, after, what, at).await
    }

    /// Queues a mail about a subscription.
    pub(in crate::billing) async fn mail(
        &self,
        tx: &mut Tx,
        stored: &Stored,
        what: What,
        at: Timestamp,
    ) -> Result<()> {
        let people =
            memberships::addresses_of_customer(&mut *tx, stored.project, &stored.external_id).await?;
        if people.is_empty() {
            return Ok(());
        }
        let subscription = &stored.subscription;
        let plan = self.plans.get(&mut *tx, stored.project, &subscription.plan, subscription.plan_version);
        let template = Template::Subscription(SubscriptionNews {
            what,
            plan: plan.await?.name.clone(),
            at: at.to_string(),
            goes_on: subscription.after_trial == AfterTrial::Activate,
        });
        for (user, address) in &people {
            let about = About { project: stored.project, user: Some(user), recipient: address };
            self.debts.mailer.queue(tx, about, &template, self.clock.real(), None).await?;
        }
        Ok(())
    }
}

/// What there is to tell, and when it happens.
fn news(by: &str, before: Option<&Stored>, after: &Stored) -> Option<(What, Timestamp)> {
    let now = &after.subscription;
    let ends = |stored: &Stored| {
        let scheduled = stored.subscription.at_period_end.as_ref();
        scheduled
            .filter(|scheduled| scheduled.action == ScheduledAction::Cancel)
            .map(|scheduled| scheduled.at)
    };
    let Some(before) = before else {
        // What follows a trial by itself is told with the end of the trial.
        let begins = by != SYSTEM && now.status == SubscriptionStatus::Active;
        return begins.then_some((What::Confirmed, now.started_at));
    };
    let cancelled = now.status == SubscriptionStatus::Canceled;
    if !cancelled && ended_a_trial(before.subscription.status, now.status) {
        return Some((What::TrialEnded, now.trial_ends_at?));
    }
    match (ends(before), ends(after), after.ended_at) {
        (None, Some(at), _) => Some((What::Cancelled, at)),
        (None, None, Some(at)) if before.ended_at.is_none() => Some((What::Cancelled, at)),
        _ => None,
    }
}
