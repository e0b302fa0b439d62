//! Reminders of trials that end tomorrow: at 10:00 UTC of the day before, each once.
use super::messages::{self, Message};
use super::subscriptions::{SubscriptionError, shown};
use super::trials::{Moved, Trials};
use crate::mail::What;
use crate::store::{StoreError, subscriptions, trial_reminders};
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::trial::{self, TrialEnd};

/// How many subscriptions are looked at at once.
const AT_ONCE: u32 = 200;

/// After how long a reminder that failed is tried again, in microseconds.
const AGAIN_AFTER: i64 = HOUR;

impl Trials {
    /// When somebody of a project is to be reminded next.
    pub async fn next_reminder(&self, project: ProjectId) -> Result<Option<Timestamp>, StoreError> {
        let first = trial_reminders::due(&self.db, project, Timestamp::MAX, (None, 1)).await?;
        Ok(first.into_iter().next().map(|(at, _)| at))
    }

    /// Reminds those who are to be until an instant. One that fails keeps no other.
    pub async fn remind(&self, project: ProjectId, until: Timestamp) -> Result<Moved, StoreError> {
        let (mut reminded, mut after) = (Moved::default(), None);
        loop {
            let due = trial_reminders::due(&self.db, project, until, (after.as_ref(), AT_ONCE)).await?;
            for (_, id) in &due {
                match self.remind_one(project, id).await {
                    Ok(done) => {
                        metrics::counter!("trial_expiration_checks_total", "action" => "reminded")
                            .increment(u64::from(done));
                        reminded.done += u64::from(done);
                    }
                    Err(error) => {
                        // It is tried again, and does not keep the job busy until then.
                        let later = self.clock.of_project(project).plus_micros(AGAIN_AFTER);
                        trial_reminders::put_off(&self.db, project, id, later).await?;
                        reminded.failed.push((id.clone(), error));
                    }
                }
            }
            if due.len() < AT_ONCE as usize {
                return Ok(reminded);
            }
            after = due.into_iter().next_back();
        }
    }

    async fn remind_one(&self, project: ProjectId, id: &SubscriptionId) -> Result<bool, SubscriptionError> {
        let mut tx = self.db.begin().await?;
        // Holds it: of two that do this at once, one does.
        if !trial_reminders::done(&mut tx, project, id).await? {
            return Ok(false);
        }
        let stored = subscriptions::get(&mut tx, project, id).await?;
        let ends_at = stored.subscription.trial_ends_at.unwrap_or(Timestamp::MIN);
        // After a long stop there is nothing to be reminded of.
        if trial::end_seen_from(self.clock.of_project(project), ends_at) == TrialEnd::Past {
            tx.commit().await?;
            return Ok(false);
        }
        let message = Message {
            project,
            event_type: messages::TRIAL_ENDING,
            subject: stored.id.as_str(),
            dedupe_key: format!("{}:{}:{ends_at}", messages::TRIAL_ENDING, stored.id),
            data: shown(&stored),
        };
        messages::enqueue(&mut tx, &self.clock, message).await?;
        self.subscriptions.mail(&mut tx, &stored, What::TrialEnding, ends_at).await?;
        tx.commit().await?;
        self.subscriptions.wake();
        Ok(true)
    }
}
