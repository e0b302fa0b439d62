//! Subscriptions that follow one elsewhere: what is decided there happens here.
use super::write::Change;
use super::{New, Result, SubscriptionError, Subscriptions};
use crate::payments::stripe::Standing;
use crate::store::customers::Customer;
use crate::store::subscriptions::{self, Stored};
use crate::store::{Tx, audit, stripe};
use reckoner_domain::id::SubscriptionId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::subscription::{AfterTrial, Collection, SubscriptionEvent, SubscriptionStatus};
use reckoner_domain::time::Timestamp;

/// What one elsewhere says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The plan; what it is now where nothing is said.
    pub plan: Option<PlanKey>,
    /// Where it stands.
    pub standing: Standing,
}

/// Which subscription follows it.
pub struct Following<'a> {
    /// Who says so.
    pub by: &'a str,
    /// Whose it is. The customer is held.
    pub customer: &'a Customer,
    /// Ours; none where there is none yet.
    pub ours: Option<&'a SubscriptionId>,
    /// The plan that the customer gets after its end, where the project has it.
    pub end_plan: Option<&'a PlanKey>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Followed {
    /// Ours that follows it; none where there is nothing to follow yet.
    pub ours: Option<SubscriptionId>,
    /// The plan of that.
    pub plan: Option<PlanKey>,
    /// What changed, to be told once it is committed.
    pub changed: Vec<Stored>,
}

/// A transaction, with what is to be written down at its end.
struct Open<'a> {
    tx: &'a mut Tx,
    noted: &'a mut Vec<audit::Change>,
    changed: Vec<Stored>,
}

impl Subscriptions {
    /// Lets a subscription of ours become what is wanted, in a transaction of the caller's, who writes the
    /// record of changes, commits, and then calls [`Subscriptions::noticed`] for what changed.
    pub async fn follow(
        &self,
        tx: &mut Tx,
        following: &Following<'_>,
        wanted: &Wanted,
        noted: &mut Vec<audit::Change>,
    ) -> Result<Followed> {
        let now = self.clock.of_project(following.customer.project);
        let mut open = Open { tx, noted, changed: Vec::new() };
        let ours = match following.ours {
            Some(id) => {
                let stored = subscriptions::lock(open.tx, following.customer.project, id).await?;
                Some(self.settle_noting(open.tx, stored, now, open.noted).await?)
            }
            None => self.begin_following(&mut open, following, wanted, now).await?,
        };
        let Some(mut ours) = ours else { return Ok(Followed::default()) };
        if !ours.subscription.status.is_over() {
            ours = self.move_along(&mut open, following, (ours, wanted), now).await?;
        }
        let Open { changed, .. } = open;
        Ok(Followed { ours: Some(ours.id), plan: Some(ours.subscription.plan), changed })
    }

    /// Begins one that follows, in the place of what the customer has.
    async fn begin_following(
        &self,
        open: &mut Open<'_>,
        following: &Following<'_>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<Stored>> {
        let Some(plan) = &wanted.plan else { return Ok(None) };
        let customer = following.customer;
        let (project, own_id) = (customer.project, customer.external_id.as_str());
        let last = subscriptions::last_of(&mut *open.tx, project, own_id).await?;
        if let Some(last) = last.filter(|last| last.ended_at.is_none()) {
            let held = subscriptions::lock(open.tx, project, &last.id).await?;
            let present = self.settle_noting(open.tx, held, now, open.noted).await?;
            let Present::Free = self.make_room(open, following, (&present, wanted), now).await? else {
                return Ok(if wanted.standing == Standing::Canceled { None } else { Some(present) });
            };
        }
        self.begin_plan(open, following, (plan, Collection::Stripe)).await.map(Some)
    }

    /// Ends what the customer has, for another one to begin.
    async fn make_room(
        &self,
        open: &mut Open<'_>,
        following: &Following<'_>,
        (present, wanted): (&Stored, &Wanted),
        now: Timestamp,
    ) -> Result<Present> {
        let status = present.subscription.status;
        if status.is_over() {
            return Ok(Present::Free);
        }
        let is_trial = status == SubscriptionStatus::Trialing;
        if present.subscription.collection == Collection::Stripe {
            let project = following.customer.project;
            if stripe::subscriptions::is_follower(&mut *open.tx, project, &present.id).await? {
                return Err(SubscriptionError::Open);
            }
            if !is_trial {
                return Ok(Present::Taken);
            }
        }
        // What is over there already ends nothing that is paid for here.
        if wanted.standing == Standing::Canceled && !is_trial {
            return Ok(Present::Taken);
        }
        let after = present.subscription.after(SubscriptionEvent::Cancel)?;
        let change = Change { before: present.clone(), after, at: now };
        let ended = self.write_noting(open.tx, following.by, change, open.noted).await?;
        open.changed.push(ended);
        Ok(Present::Free)
    }

    /// Lets one that is not over get the plan and the status that are wanted.
    async fn move_along(
        &self,
        open: &mut Open<'_>,
        following: &Following<'_>,
        (mut ours, wanted): (Stored, &Wanted),
        now: Timestamp,
    ) -> Result<Stored> {
        if let Some(plan) = wanted.plan.as_ref().filter(|plan| **plan != ours.subscription.plan) {
            let project = following.customer.project;
            let new = self.find_plan(&mut *open.tx, project, &(plan.clone(), None)).await?;
            self.check_currency(open.tx, following.customer, &new).await?;
            let after = ours.subscription.moved_to(&new, now)?;
            ours = self.become_noted(open, following.by, ours, after, now).await?;
        }
        for event in events(ours.subscription.status, wanted.standing) {
            let after = ours.subscription.after(*event)?;
            ours = self.become_noted(open, following.by, ours, after, now).await?;
        }
        if ours.subscription.status.is_over()
            && let Some(plan) = following.end_plan
        {
            match self.begin_plan(open, following, (plan, Collection::Reckoner)).await {
                Ok(_) | Err(SubscriptionError::NoSuchPlan | SubscriptionError::Archived) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ours)
    }

    async fn become_noted(
        &self,
        open: &mut Open<'_>,
        by: &str,
        before: Stored,
        after: reckoner_domain::subscription::Subscription,
        at: Timestamp,
    ) -> Result<Stored> {
        let change = Change { before, after, at };
        let stored = self.write_noting(open.tx, by, change, open.noted).await?;
        open.changed.push(stored.clone());
        Ok(stored)
    }

    async fn begin_plan(
        &self,
        open: &mut Open<'_>,
        following: &Following<'_>,
        (plan, collection): (&PlanKey, Collection),
    ) -> Result<Stored> {
        let new = New {
            customer: following.customer.clone(),
            plan: (plan.clone(), None),
            trial_days: Some(0),
            after_trial: AfterTrial::Activate,
            collection,
            started_at: None,
        };
        let begun = self.begin_new(open.tx, &following.by, new).await?;
        open.noted.push(begun.change);
        open.changed.push(begun.stored.clone());
        Ok(begun.stored)
    }
}

/// What the customer has.
enum Present {
    /// Nothing that is in the way.
    Free,
    /// What stays.
    Taken,
}

/// How a subscription comes to stand so.
fn events(from: SubscriptionStatus, to: Standing) -> &'static [SubscriptionEvent] {
    use SubscriptionEvent as Event;
    use SubscriptionStatus as Status;
    match (from, to) {
        (Status::Canceled | Status::Expired, _)
        | (Status::Active, Standing::Active)
        | (Status::PastDue, Standing::PastDue)
        | (Status::Paused, Standing::Paused) => &[],
        (_, Standing::Canceled) => &[Event::Cancel],
        (Status::Trialing, Standing::Active) => &[Event::Activate],
        (Status::Trialing, Standing::PastDue) => &[Event::Activate, Event::PaymentDue],
        (Status::Trialing, Standing::Paused) => &[Event::Activate, Event::Pause],
        (Status::Active, Standing::PastDue) => &[Event::PaymentDue],
        (Status::Active, Standing::Paused) => &[Event::Pause],
        (Status::PastDue, Standing::Active) => &[Event::Paid],
        (Status::PastDue, Standing::Paused) => &[Event::Paid, Event::Pause],
        (Status::Paused, Standing::Active) => &[Event::Resume],
        (Status::Paused, Standing::PastDue) => &[Event::Resume, Event::PaymentDue],
    }
}

impl SubscriptionError {
    /// The reason why what is wanted cannot be; `None` where something failed.
    pub fn as_conflict(&self) -> Option<String> {
        match self {
            Self::Store(_) | Self::Random(_) | Self::Mail(_) => None,
            other => Some(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_is_reached_from_every_status() {
        let wanted = [
            (Standing::Active, SubscriptionStatus::Active),
            (Standing::PastDue, SubscriptionStatus::PastDue),
            (Standing::Paused, SubscriptionStatus::Paused),
            (Standing::Canceled, SubscriptionStatus::Canceled),
        ];
        for from in SubscriptionStatus::ALL {
            for (standing, status) in wanted {
                let reached = events(from, standing).iter().try_fold(from, |at, event| at.after(*event));
                let expected = if from.is_over() { from } else { status };
                assert_eq!(reached, Some(expected), "{from:?} to {standing:?}");
            }
        }
    }
}
