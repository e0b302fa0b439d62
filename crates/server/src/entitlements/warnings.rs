//! Warnings: a customer who reached a threshold of a quota is told of once in each window, by webhook
//! and by mail.
use super::{DecideError, Entitlements};
use crate::billing::messages::{self, Message};
use crate::billing::standing::Has;
use crate::ingest::used::Used;
use crate::mail::{self, About, Mailer, Template};
use crate::store::quota_notices::{self, QuotaWindow};
use crate::store::{Tx, memberships};
use crate::webhooks::dispatcher::Waker;
use reckoner_domain::entitlement::Grant;
use reckoner_domain::id::ProjectId;
use reckoner_domain::plan::Plan;
use reckoner_domain::quota::{EXCEEDED_PERCENT, Limit, Quota};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::Timestamp;
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a failure is waited out, in seconds.
const PAUSE_S: u64 = 1;

/// The task that looks at customers whose usage moved.
pub struct Warner {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Warner {
    /// Starts.
    pub fn start(entitlements: Entitlements, used: Used, waker: Waker, mailer: Mailer) -> Self {
        let (stop, mut stopping) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let customers = tokio::select! {
                    customers = used.next() => customers,
                    _ = stopping.changed() => return,
                };
                let mut failed = false;
                for (project, customer) in customers {
                    match entitlements.warn(&mailer, project, &customer).await {
                        Ok(true) => {
                            waker.wake();
                            mailer.wake();
                        }
                        Ok(false) => {}
                        Err(error) => {
                            tracing::warn!(%error, "the thresholds of a quota could not be looked at");
                            used.note(project, std::iter::once(&*customer));
                            failed = true;
                        }
                    }
                    if *stopping.borrow() {
                        return;
                    }
                }
                if failed {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(PAUSE_S)) => {}
                        _ = stopping.changed() => return,
                    }
                }
            }
        });
        Self { stop, task }
    }

    /// Ends after the customer that is looked at.
    pub async fn stop(self) {
        // A task that has ended does not listen any more.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the watch over quotas failed");
        }
    }
}

impl Entitlements {
    /// Tells of the thresholds that a customer has reached and that were not told of; says whether any
    /// was.
    async fn warn(&self, mailer: &Mailer, project: ProjectId, customer: &str) -> Result<bool, DecideError> {
        let now = self.clock.of_project(project);
        let standing = self.standing.of(project, customer).await?;
        let Has::Plan { plan, resets, .. } = &standing.has else { return Ok(false) };
        let catalogue = self.catalogues.of(project);
        let mut told = false;
        for entitlement in &plan.entitlements {
            let Grant::Metered(quota) = &entitlement.grant else { continue };
            let Some(meter) = catalogue.get(quota.meter.as_str()) else { continue };
            let limited = self.limited(project, customer, (quota, meter), resets, now);
            let used = limited.counter.used(&self.events, now).await?;
            if quota.reached(used, limited.counter.told())?.is_empty() {
                continue;
            }
            let of = QuotaWindow {
                project,
                customer,
                meter: quota.meter.as_str(),
                start: limited.counter.window().start,
            };
            let fired = quota_notices::highest(&self.db, of).await?;
            let reached = quota.reached(used, fired)?;
            for threshold in reached.iter().copied() {
                // Of several that are reached at once a mail tells of the highest.
                let mailer = Some(mailer).filter(|_| Some(&threshold) == reached.last());
                let window = limited.counter.window();
                told |= self.tell(of, (plan, quota, window.end), (threshold, used), mailer).await?;
                limited.counter.set_told(threshold);
            }
            limited.counter.set_told(fired.unwrap_or(0));
        }
        Ok(told)
    }

    /// Queues a mail to the people of a customer.
    async fn mail(
        &self,
        tx: &mut Tx,
        mailer: &Mailer,
        of: QuotaWindow<'_>,
        template: &Template,
    ) -> Result<(), DecideError> {
        let now = self.clock.real();
        for (user, address) in memberships::addresses_of_customer(&mut *tx, of.project, of.customer).await? {
            let about = About { project: of.project, user: Some(&user), recipient: &address };
            mailer.queue(tx, about, template, now, None).await?;
        }
        Ok(())
    }

    /// Notes a threshold, puts its message into the outbox and queues its mail: all or nothing.
    async fn tell(
        &self,
        of: QuotaWindow<'_>,
        (plan, quota, resets_at): (&Plan, &Quota, Timestamp),
        (threshold, used): (u32, Ratio),
        mailer: Option<&Mailer>,
    ) -> Result<bool, DecideError> {
        let now = self.clock.of_project(of.project);
        let mut tx = self.db.begin().await?;
        if !quota_notices::note(&mut tx, of, threshold, now).await? {
            return Ok(false);
        }
        let exceeded = threshold >= EXCEEDED_PERCENT;
        let event_type = if exceeded { messages::QUOTA_EXCEEDED } else { messages::QUOTA_WARNING };
        let start = of.start.to_string();
        let message = Message {
            project: of.project,
            event_type,
            subject: of.customer,
            dedupe_key: format!("{event_type}:{}:{}:{start}:{threshold}", of.customer, of.meter),
            data: json!({
                "customer": of.customer,
                "meter": of.meter,
                "plan": plan.key.as_str(),
                "threshold": threshold,
                "limit": quota.limit.units().map(|units| units.to_string()),
                "used": used.to_shown(),
                "behaviour": quota.limit.behaviour(),
                "window_start": start,
            }),
        };
        messages::enqueue(&mut tx, &self.clock, message).await?;
        if let (Some(mailer), Some(limit)) = (mailer, quota.limit.units()) {
            let template = Template::QuotaReached(mail::Quota {
                meter: of.meter.to_owned(),
                plan: plan.name.clone(),
                percent: threshold,
                used: used.to_shown(),
                limit: limit.to_string(),
                exceeded,
                blocks: matches!(quota.limit, Limit::Block(_)),
                resets_at: resets_at.to_string(),
            });
            self.mail(&mut tx, mailer, of, &template).await?;
        }
        tx.commit().await?;
        metrics::counter!("quota_thresholds_total", "type" => event_type).increment(1);
        if exceeded {
            metrics::counter!(
                "usage_quota_exceeded_total",
                "resource_type" => of.meter.to_owned(),
                "user_tier" => plan.key.as_str().to_owned()
            )
            .increment(1);
        }
        Ok(true)
    }
}
