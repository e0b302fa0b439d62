//! Erasures of customers, carried out one by one: one that fails does not keep the others, and is tried
//! again. Each step may be done again, so that a crash between two of them loses nothing.
use super::Jobs;
use super::advance::ClockError;
use super::run::{JobError, detached};
use crate::events::{self, AppendError, Kept, Progress};
use crate::ingest::record::RecordError;
use crate::mail;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::erasing::{self, Names};
use crate::store::erasures::{self, Erasure};
use crate::store::{StoreError, level_snapshots, meters, subjects};
use reckoner_domain::meter::{Aggregation, Meter};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the event engine is waited for before others have their turn, and how often it is asked.
const ENGINE_TRIES_MAX: u32 = 250;
const ENGINE_PAUSE: Duration = Duration::from_millis(20);

/// Why a customer is not erased yet.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The project's jobs could not be kept from running.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The control plane failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The event engine did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Mails could not be removed.
    #[error("mails in the outbox could not be removed: {0}")]
    Outbox(#[source] std::io::Error),
    /// A customer that has the id again could not be made.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> Self {
        JobError::from(error).into()
    }
}

impl Jobs {
    /// Carries out the erasures that wait; what cannot be done yet is done the next time.
    pub async fn carry_out_erasures(&self) {
        let _one_at_a_time = self.erasing.lock().await;
        let mut cleaned = Vec::new();
        let mut last: Option<Erasure> = None;
        loop {
            let pending = match erasures::pending(&self.db, last.as_ref()).await {
                Ok(pending) => pending,
                Err(error) => return tracing::warn!(%error, "erasures could not be read"),
            };
            let Some(end) = pending.last().cloned() else { break };
            last = Some(end);
            for erasure in pending {
                match self.erase(erasure.clone()).await {
                    Ok(true) => cleaned.push(erasure),
                    Ok(false) => {}
                    Err(error) => {
                        metrics::counter!("erasure_failures_total").increment(1);
                        tracing::error!(erasure = %erasure.id, %error, "an erasure failed, and is tried again");
                    }
                }
            }
        }
        if !cleaned.is_empty()
            && let Err(error) = self.finish_erasures(cleaned).await
        {
            tracing::error!(%error, "free space of the control plane could not be wiped; it is tried again");
        }
        if let Ok(pending) = erasures::count_pending(&self.db).await {
            metrics::gauge!("erasures_pending").set(pending as f64);
        }
    }

    /// Ends erasures that left nothing but free space to be wiped.
    async fn finish_erasures(&self, cleaned: Vec<Erasure>) -> Result<(), StoreError> {
        self.db.wipe().await?;
        for Erasure { id, project, customer_id, pseudonym, .. } in cleaned {
            let mut tx = self.db.begin().await?;
            erasures::finish(&mut tx, project, &id, self.clock.real()).await?;
            let change = Change::new(Some(project), SYSTEM, "customer.erased", &id)
                .after(json!({"customer": customer_id.as_str(), "pseudonym": pseudonym}));
            audit::write(&mut tx, &self.clock, vec![change]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Takes a customer out of everything; whether that is done. Nothing is aggregated meanwhile.
    async fn erase(&self, erasure: Erasure) -> Result<bool, EraseError> {
        let jobs = self.clone();
        detached(async move {
            let project = erasure.project;
            let _moving = jobs.moving.turn(project).await;
            jobs.alone(project).await?;
            let erased = jobs.erase_alone(&erasure).await;
            jobs.unclaim(project).await?;
            erased
        })
        .await
    }

    async fn erase_alone(&self, erasure: &Erasure) -> Result<bool, EraseError> {
        let Some(customer) = &erasure.customer else { return Ok(true) };
        if !self.erase_events(erasure, customer).await? {
            return Ok(false);
        }
        let names = Names { erasure, customer };
        let now = self.clock.real();
        let mails = self.redact(names).await?;
        let mut tx = self.db.begin().await?;
        erasing::rename_customer(&mut tx, names).await?;
        erasing::rename_aggregations(&mut tx, names).await?;
        erasing::remove_rejected(&mut tx, names).await?;
        erasing::close_accounts(&mut tx, names, now).await?;
        erasing::end_limits(&mut tx, names, now).await?;
        erasing::end_alerts(&mut tx, names, now).await?;
        erasing::end_billing(&mut tx, names, now).await?;
        level_snapshots::delete_of(&mut tx, erasure.project, customer).await?;
        subjects::forget_customer(&mut tx, erasure.project, &erasure.customer_id).await?;
        tx.commit().await?;
        self.billing.subscriptions.forget(erasure.project, customer);
        self.recorder.assignments.forget_customer(erasure.project, customer);
        self.recorder.names.forget_all();
        mail::remove_from_outbox(self.outbox.clone(), mails).await.map_err(EraseError::Outbox)?;
        self.recorder.free_customer(erasure.project, customer).await?;
        erasing::rename_messages(&self.db, names).await?;
        erasing::remove_answers(&self.db, names).await?;
        erasures::forget_customer(&self.db, erasure.project, &erasure.id).await?;
        Ok(true)
    }

    /// Erases the customer from its events; whether that is done already.
    async fn erase_events(&self, erasure: &Erasure, customer: &str) -> Result<bool, EraseError> {
        let (project, pseudonym) = (erasure.project, erasure.pseudonym.clone());
        let versions = meters::list_all_versions(&self.db, project).await?;
        let kept = versions.iter().flat_map(|stored| kept_by(&stored.meter)).collect();
        let asked = events::Erasure { project, customer: customer.to_owned(), pseudonym, kept };
        let mut progress = self.events.erase(asked).await?;
        for _ in 0..ENGINE_TRIES_MAX {
            if progress == Progress::Done {
                break;
            }
            tokio::time::sleep(ENGINE_PAUSE).await;
            progress = self.events.erasure(project, &erasure.pseudonym).unwrap_or(progress);
        }
        Ok(progress == Progress::Done)
    }

    /// Takes what the record of changes says of the customer away, and of users who are nothing else;
    /// answers the mails to these, to where it was billed, and those of alerts about it.
    async fn redact(&self, names: Names<'_>) -> Result<Vec<String>, EraseError> {
        let accounts = erasing::accounts(&self.db, names).await?;
        let closing = || accounts.iter().filter(|account| account.closes);
        let mut objects: Vec<String> = closing().map(|account| account.user.to_string()).collect();
        let texts: Vec<String> =
            closing().map(|account| Value::from(account.email.as_str()).to_string()).collect();
        erasing::redact(&self.db, &self.clock, None, (names, &objects, &texts)).await?;
        objects.push(names.erasure.customer_id.to_string());
        objects.extend(erasing::alerts_of(&self.db, names).await?);
        let project = Some(names.erasure.project);
        erasing::redact(&self.db, &self.clock, project, (names, &objects, &texts)).await?;
        let mut mails = erasing::mails_of_alerts(&self.db, names).await?;
        mails.extend(erasing::mails_of_billing(&self.db, names).await?);
        for account in closing() {
            mails.extend(erasing::mails_to(&self.db, account).await?);
        }
        Ok(mails)
    }
}

/// What a meter's totals are made of, and what stays of properties for that: its numbers, and those texts
/// that its definition names.
fn kept_by(meter: &Meter) -> Vec<Kept> {
    let kept = |path, texts| Kept { event_type: meter.event_type.clone(), path, texts };
    let number = meter.value_property.clone().filter(|_| meter.aggregation != Aggregation::UniqueCount);
    let filters = meter.filters.iter().map(|filter| kept(filter.path.clone(), Some(filter.any_of.clone())));
    let weights = meter.weighting.iter().map(|weighting| {
        let texts = weighting.table.entries().map(|(text, _)| text.to_owned()).collect();
        kept(weighting.path.clone(), Some(texts))
    });
    number.map(|path| kept(path, None)).into_iter().chain(filters).chain(weights).collect()
}
