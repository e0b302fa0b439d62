//! Writing changes of subscriptions down: what they were from when on, the record of changes, messages.
use super::{Result, Subscriptions, Whose, ended_a_trial};
use crate::billing::invoicing::phases_of;
use crate::billing::messages::{self, Message};
use crate::billing::standing::steps_until;
use crate::store::audit::{self, SYSTEM};
use crate::store::closings::{self, Cursor};
use crate::store::subscriptions::{self, Stored, zone_name};
use crate::store::{StoreError, Tx, subscription_phases};
use reckoner_domain::subscription::{ScheduledAction, Subscription, SubscriptionStatus};
use reckoner_domain::time::Timestamp;
use serde_json::{Value, json};

/// What a subscription becomes.
pub(super) struct Change {
    /// What it was.
    pub before: Stored,
    /// What it is.
    pub after: Subscription,
    /// From when on.
    pub at: Timestamp,
}

impl Subscriptions {
    /// Holds a subscription, with what fell due by itself written down.
    pub(super) async fn begin(&self, whose: &Whose<'_>) -> Result<(Tx, Stored, Timestamp)> {
        let mut tx = self.db.begin().await?;
        let stored = subscriptions::lock(&mut tx, whose.project, whose.id).await?;
        if whose.version.is_some_and(|version| version != stored.version) {
            return Err(StoreError::Stale.into());
        }
        let now = self.clock.of_project(whose.project);
        let settled = self.settle(&mut tx, stored, now).await?;
        Ok((tx, settled, now))
    }

    /// Writes a change down and commits.
    pub(super) async fn end(&self, mut tx: Tx, whose: &Whose<'_>, change: Change) -> Result<Stored> {
        let stored = self.write(&mut tx, &whose.by.to_string(), change).await?;
        self.commit(tx, &stored).await?;
        Ok(stored)
    }

    /// Writes down what fell due until `now`, step by step.
    pub(super) async fn settle(&self, tx: &mut Tx, stored: Stored, now: Timestamp) -> Result<Stored> {
        let mut noted = Vec::new();
        let settled = self.settle_noting(tx, stored, now, &mut noted).await?;
        audit::write(tx, &self.clock, noted).await?;
        Ok(settled)
    }

    /// The same; what the record of changes is to say is left to the caller.
    pub(super) async fn settle_noting(
        &self,
        tx: &mut Tx,
        stored: Stored,
        now: Timestamp,
        noted: &mut Vec<audit::Change>,
    ) -> Result<Stored> {
        let steps = steps_until(&mut *tx, &self.plans, &stored, now).await?;
        let mut settled = stored;
        for step in steps {
            let change = Change { before: settled, after: step.subscription, at: step.at };
            settled = self.write_noting(tx, SYSTEM, change, noted).await?;
        }
        Ok(settled)
    }

    /// Commits, and lets everybody see what a customer has from now on.
    pub(super) async fn commit(&self, tx: Tx, stored: &Stored) -> Result<()> {
        tx.commit().await?;
        self.noticed(stored);
        Ok(())
    }

    /// Lets everybody see what a customer has, after it was committed.
    pub fn noticed(&self, stored: &Stored) {
        self.debts.noticed(stored.project, &stored.external_id);
    }

    /// Lets what is in the outboxes be sent.
    pub(in crate::billing) fn wake(&self) {
        self.debts.wake();
    }

    pub(super) async fn write(&self, tx: &mut Tx, by: &str, change: Change) -> Result<Stored> {
        let mut noted = Vec::new();
        let stored = self.write_noting(tx, by, change, &mut noted).await?;
        audit::write(tx, &self.clock, noted).await?;
        Ok(stored)
    }

    /// Writes a change down; what the record of changes is to say is left to the caller.
    pub(super) async fn write_noting(
        &self,
        tx: &mut Tx,
        by: &str,
        change: Change,
        noted: &mut Vec<audit::Change>,
    ) -> Result<Stored> {
        let Change { before, after, at } = change;
        if after == before.subscription {
            return Ok(before);
        }
        let ended_at = after.status.is_over().then_some(at);
        subscriptions::update(tx, &before, &after, ended_at).await?;
        if phase_of(&after) != phase_of(&before.subscription) {
            subscription_phases::add(tx, &before.id, at, &after).await?;
            self.note_closing(tx, &before, None).await?;
        }
        let stored = Stored { subscription: after, ended_at, version: before.version + 1, ..before.clone() };
        noted.push(self.tell(tx, by, Some(&before), &stored).await?);
        let is_owed = |one: &Stored| one.subscription.status == SubscriptionStatus::PastDue;
        if is_owed(&before) != is_owed(&stored) {
            let (project, customer) = (stored.project, (&stored.customer, stored.external_id.as_str()));
            self.debts.settle(tx, project, customer, self.clock.of_project(project), noted).await?;
        }
        Ok(stored)
    }

    /// Writes down when the next closing of a subscription is to be run, after its phases have changed; with an
    /// instant, what changed of its fees until then is to be invoiced before its period ends.
    pub(super) async fn note_closing(
        &self,
        tx: &mut Tx,
        stored: &Stored,
        interim_at: Option<Timestamp>,
    ) -> Result<()> {
        let phases = phases_of(subscription_phases::of(&mut *tx, &stored.id).await?);
        let cursor = closings::cursor(&mut *tx, &stored.id).await?;
        let cursor = Cursor { interim_at: interim_at.or(cursor.interim_at), ..cursor };
        let cursor = Cursor { run_at: self.terms.next_run(&phases, &cursor), ..cursor };
        Ok(closings::put_cursor(tx, stored.project, &stored.id, cursor).await?)
    }

    /// Writes into the outbox what became of a subscription; answers what the record of changes is to say.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        by: &str,
        before: Option<&Stored>,
        after: &Stored,
    ) -> Result<audit::Change> {
        let is_over = after.subscription.status.is_over();
        let (action, event_type) = match before {
            None => ("subscription.created", messages::SUBSCRIPTION_CREATED),
            Some(_) if is_over => ("subscription.ended", messages::SUBSCRIPTION_ENDED),
            Some(_) => ("subscription.updated", messages::SUBSCRIPTION_UPDATED),
        };
        let trial_ended =
            before.is_some_and(|b| ended_a_trial(b.subscription.status, after.subscription.status));
        for event_type in
            [Some(event_type), trial_ended.then_some(messages::TRIAL_ENDED)].into_iter().flatten()
        {
            let message = Message {
                project: after.project,
                event_type,
                subject: after.id.as_str(),
                dedupe_key: format!("{event_type}:{}:{}", after.id, after.version),
                data: shown(after),
            };
            messages::enqueue(tx, &self.clock, message).await?;
        }
        self.mail_change(tx, by, before, after).await?;
        let mut change = audit::Change::new(Some(after.project), by, action, &after.id).after(shown(after));
        let from = before.map_or("none", |before| before.subscription.plan.as_str());
        if let Some(before) = before {
            change = change.before(shown(before));
        }
        let to = if is_over { "none" } else { after.subscription.plan.as_str() };
        if from != to {
            metrics::counter!("subscription_changes_total", "from_tier" => from.to_owned(), "to_tier" => to.to_owned())
                .increment(1);
        }
        Ok(change)
    }
}

/// What usage is rated and granted by.
fn phase_of(subscription: &Subscription) -> impl PartialEq + use<> {
    let Subscription { plan, plan_version, status, cycle, .. } = subscription.clone();
    (plan, plan_version, status, cycle)
}

/// A subscription as messages and the record of changes show it.
pub fn shown(stored: &Stored) -> Value {
    let subscription = &stored.subscription;
    let scheduled = subscription.at_period_end.as_ref().map(|scheduled| match &scheduled.action {
        ScheduledAction::Cancel => json!({"at": scheduled.at.to_string(), "action": "cancel"}),
        ScheduledAction::Change { plan, version } => json!({
            "at": scheduled.at.to_string(),
            "action": "change",
            "plan": plan.as_str(),
            "plan_version": version,
        }),
    });
    json!({
        "id": stored.id.as_str(),
        "customer": stored.external_id,
        "plan": subscription.plan.as_str(),
        "plan_version": subscription.plan_version,
        "status": subscription.status.as_str(),
        "started_at": subscription.started_at.to_string(),
        "trial_ends_at": subscription.trial_ends_at.map(|at| at.to_string()),
        "time_zone": zone_name(&subscription.cycle.zone),
        "next_time_zone": subscription.next_zone.as_ref().map(|change| zone_name(&change.zone)),
        "collection": subscription.collection.as_str(),
        "scheduled": scheduled,
        "ended_at": stored.ended_at.map(|at| at.to_string()),
        "version": stored.version,
    })
}
