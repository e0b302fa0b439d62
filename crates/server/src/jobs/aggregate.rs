//! Aggregates completed periods, each once, however often and wherever it runs.
use super::figures::{self, Computed, Meters, span_of};
use super::plan::{Task, Who};
use super::run::{JobError, Turn};
use super::view::View;
use super::{AGGREGATE, Jobs, frozen, payload};
use crate::random;
use crate::store::Tx;
use crate::store::aggregations::{self, Applied, Candidate, Outcome};
use crate::store::job_retries::{self, Retry};
use crate::store::job_runs::RunResult;
use crate::store::meters;
use crate::store::watermarks::{self, Watermark};
use crate::store::webhook_endpoints::{self, Moment};
use crate::store::webhook_messages::{self, NewMessage};
use reckoner_domain::id::ProjectId;
use reckoner_domain::period::{Period, PeriodSpan};
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Aggregations of one transaction.
const TRANSACTION_ROWS: usize = 500;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Periods looked at.
    pub periods: u64,
    /// Aggregations made, completed or revised.
    pub changed: u64,
    /// Webhooks made.
    pub announced: u64,
    /// Aggregations that could not be made; the next run tries them again.
    pub failed: u64,
    /// Which was the first of them, and why.
    pub first_failure: Option<String>,
    /// Imported aggregations that events of the log contradict; they stay as they are.
    pub kept: u64,
    /// Which was the first of them.
    pub first_kept: Option<String>,
}

impl Done {
    /// Whether all of it was done.
    pub fn result(&self) -> RunResult {
        if self.failed == 0 { RunResult::Succeeded } else { RunResult::Failed }
    }

    /// In words.
    pub fn describe(&self) -> String {
        let done = format!(
            "{} periods, {} aggregations changed, {} webhooks",
            self.periods, self.changed, self.announced
        );
        let failed = self
            .first_failure
            .as_ref()
            .map(|first| format!("; {} failed and will be tried again: {first}", self.failed));
        let kept = self.first_kept.as_ref().map(|first| {
            format!(
                "; warning: {} imported aggregations stay, though events here say otherwise: {first}",
                self.kept
            )
        });
        done + &failed.unwrap_or_default() + &kept.unwrap_or_default()
    }
}

/// A run under way.
struct Run<'a> {
    project: ProjectId,
    now: Timestamp,
    turn: &'a mut Turn,
    meters: Meters,
    done: Done,
    /// What failed, by the aggregation's id.
    retries: BTreeMap<String, Retry>,
}

/// How far a run came, and what it left behind: to be written down once all else is.
pub(super) struct Ending {
    from: Option<Watermark>,
    to: Watermark,
    succeeded: Vec<String>,
    retries: Vec<Retry>,
}

impl Jobs {
    /// Aggregates what is due for a project at `now`; with `current`, open periods too. The caller
    /// writes down the end: a crash before that looks at the same periods again and finds them done.
    pub(super) async fn aggregate(
        &self,
        turn: &mut Turn,
        view: &View,
        now: Timestamp,
        current: bool,
    ) -> Result<(Done, Ending), JobError> {
        let project = turn.project();
        let known = job_retries::list(&self.db, project, AGGREGATE).await?;
        let mut tasks = view.scene(now, current).tasks();
        tasks.extend(again(&known));
        // What was dropped cannot be looked at again: aggregations of it stay as they are.
        let dropped_until = self.events.dropped_until(project).unwrap_or(Timestamp::MIN);
        tasks.retain(|task| task.span.start >= dropped_until);
        let meters = Meters::new(self.catalogues.of(project), meters::archived(&self.db, project).await?);
        let mut run = Run { project, now, turn, meters, done: Done::default(), retries: BTreeMap::new() };
        for task in &tasks {
            for (part, as_of) in frozen::parts(&self.db, project, task).await? {
                self.run_task(&mut run, &part, (view.through_sequence, as_of)).await?;
            }
            run.done.periods += 1;
        }
        let Run { done, retries, .. } = run;
        let ending = Ending {
            from: view.mark.clone(),
            to: Watermark {
                sequence: view.through_sequence,
                time: view.done_until().max(now),
                periods: view.periods().iter().copied().collect(),
            },
            succeeded: known.iter().map(Retry::id).filter(|id| !retries.contains_key(id)).collect(),
            retries: retries.into_values().collect(),
        };
        Ok((done, ending))
    }

    /// Writes down how a run ended that came to its end.
    pub(super) async fn write_ending(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        ending: Ending,
        now: Timestamp,
    ) -> Result<(), JobError> {
        let Ending { from, to, succeeded, retries } = ending;
        let job = (project, AGGREGATE);
        if from.as_ref() != Some(&to) {
            // Another worker may have come as far; then its mark stands.
            watermarks::advance(&mut *tx, job, from.as_ref(), &to, self.clock.real()).await?;
        }
        job_retries::remove(tx, job, &succeeded).await?;
        Ok(job_retries::put(tx, job, &retries, now).await?)
    }

    async fn run_task(
        &self,
        run: &mut Run<'_>,
        task: &Task,
        through: (u64, Option<Timestamp>),
    ) -> Result<(), JobError> {
        self.keep(run.turn).await?;
        let mut expected = aggregations::open_customers(&self.db, run.project, &span_of(task)).await?;
        expected.retain(|customer| task.who.has(customer));
        let Computed { candidates, failed } =
            figures::compute(&self.events, run.project, &run.meters, (task, expected), through).await?;
        for (customer, reason) in failed {
            let retry = Retry { customer, span: span_of(task), reason };
            let id = retry.id();
            tracing::error!(project = ?run.project, aggregation = %id, reason = %retry.reason, "an aggregation failed");
            run.done.failed += 1;
            run.done.first_failure.get_or_insert_with(|| format!("{id}: {}", retry.reason));
            // An open period comes again by itself.
            if task.complete {
                run.retries.insert(id, retry);
            }
        }
        self.store(run, candidates).await
    }

    /// Stores aggregations and their webhooks, both or neither.
    async fn store(&self, run: &mut Run<'_>, mut candidates: Vec<Candidate>) -> Result<(), JobError> {
        while !candidates.is_empty() {
            self.keep(run.turn).await?;
            let rest = candidates.split_off(candidates.len().min(TRANSACTION_ROWS));
            let mut tx = self.db.begin().await?;
            let outcomes = aggregations::apply_many(&mut tx, run.project, candidates, run.now).await?;
            let announced = self.announce(&mut tx, run.project, run.now, &outcomes).await?;
            tx.commit().await?;
            if announced > 0 {
                self.waker.wake();
            }
            note_kept(run, &outcomes);
            run.done.announced += announced;
            run.done.changed += outcomes.iter().filter(|outcome| outcome.is_change()).count() as u64;
            candidates = rest;
        }
        Ok(())
    }

    async fn announce(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        now: Timestamp,
        outcomes: &[Outcome],
    ) -> Result<u64, JobError> {
        let endpoints = webhook_endpoints::list_enabled(&mut *tx, project).await?;
        let at = Moment { real: self.clock.real(), project: now };
        let mut told = Vec::new();
        for outcome in outcomes {
            let Some(announcement) = outcome.announcement() else { continue };
            let aggregation = &outcome.aggregation;
            let kind = payload::event_type(announcement);
            let dedupe_key = format!("{kind}:{}:{}", aggregation.id, aggregation.revision);
            let body = payload::body(announcement, aggregation, now);
            told.push((kind, aggregation.id.as_str(), dedupe_key, body, random::id_bits(at.real)?));
        }
        let messages: Vec<NewMessage<'_>> = told
            .iter()
            .map(|(kind, id, dedupe_key, body, bits)| NewMessage {
                bits: *bits,
                project,
                event_type: kind,
                subject: Some(id),
                dedupe_key,
                payload: body,
                at,
            })
            .collect();
        let takers = |message: &NewMessage<'_>| {
            endpoints.iter().filter(|endpoint| endpoint.takes(message.event_type)).collect()
        };
        let announced = webhook_messages::enqueue_all(tx, &messages, takers).await?.len() as u64;
        Ok(announced)
    }
}

/// Notes which imported aggregations stay as they are against what the events say.
fn note_kept(run: &mut Run<'_>, outcomes: &[Outcome]) {
    for outcome in outcomes.iter().filter(|outcome| outcome.applied == Applied::Kept) {
        let id = &outcome.aggregation.id;
        tracing::warn!(project = ?run.project, aggregation = %id, "an imported aggregation stays, though events say otherwise");
        run.done.kept += 1;
        run.done.first_kept.get_or_insert_with(|| id.clone());
    }
}

/// Tasks for what failed before, by period.
fn again(retries: &[Retry]) -> Vec<Task> {
    let mut by_span: BTreeMap<(Timestamp, Timestamp, Period, &str), BTreeSet<String>> = BTreeMap::new();
    for Retry { customer, span, .. } in retries {
        // Only what was a period is noted.
        let Ok(period) = span.period.parse::<Period>() else { continue };
        by_span.entry((span.end, span.start, period, &span.key)).or_default().insert(customer.clone());
    }
    let task =
        |((end, start, period, key), who): ((Timestamp, Timestamp, Period, &str), BTreeSet<String>)| {
            let span = PeriodSpan { period, key: key.to_owned(), start, end };
            Task { span, who: Who::Only(Arc::new(who)), complete: true }
        };
    by_span.into_iter().map(task).collect()
}
