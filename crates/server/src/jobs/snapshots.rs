//! What customers hold, written down at each midnight of UTC.
//!
//! A snapshot is of the events that are known when it is made; what is billed is the mean over time, into which late
//! events go. Each midnight's may be made again: rows that are there stay.
use super::Jobs;
use super::run::JobError;
use crate::billing::levels::{self, Level};
use crate::events::EventsError;
use crate::random;
use crate::store::job_runs::{self, Finished, JobRun, RunResult};
use crate::store::level_snapshots::{self, LevelSnapshot};
use crate::store::watermarks::{self, Watermark};
use reckoner_domain::id::{JobRunId, ProjectId};
use reckoner_domain::meter::Meter;
use reckoner_domain::sum::Sum;
use reckoner_domain::time::{DAY, Timestamp};
use std::sync::Arc;

/// The job that writes levels down.
pub const LEVEL_SNAPSHOTS: &str = "level_snapshots";

/// Most midnights that are made up for: the latest ones.
const MIDNIGHTS_MAX: i64 = 400;
/// Most midnights that are made up for between other jobs.
pub(super) const RUNS_AT_ONCE: u64 = 4;
/// Customers that are looked at together.
const CUSTOMERS_AT_ONCE: usize = 200;

impl Jobs {
    /// Takes the snapshots of the midnights since the last one, until `now`, but no more than `runs_max` at a time;
    /// answers how many it were.
    pub(super) async fn take_snapshots(
        &self,
        project: ProjectId,
        now: Timestamp,
        runs_max: u64,
    ) -> Result<u64, JobError> {
        let meters = levels::meters(&self.catalogues.of(project));
        let last = midnight(now);
        let mut mark = watermarks::get(&self.db, project, LEVEL_SNAPSHOTS).await?;
        let first = match (&mark, self.events.stats(project).first_time) {
            (Some(mark), _) => mark.time.plus_micros(DAY),
            (None, Some(event)) => midnight(event).plus_micros(DAY),
            (None, None) => return Ok(0),
        };
        let mut at = first.max(last.plus_micros(-MIDNIGHTS_MAX * DAY));
        let mut runs = 0;
        while at <= last && !meters.is_empty() && runs < runs_max {
            self.snapshot(project, &meters, at, now).await?;
            let to = Watermark { time: at, ..Watermark::default() };
            if !watermarks::advance(&self.db, (project, LEVEL_SNAPSHOTS), mark.as_ref(), &to, now).await? {
                // Another worker is at it.
                break;
            }
            mark = Some(to);
            at = at.plus_micros(DAY);
            runs += 1;
        }
        Ok(runs)
    }

    /// One midnight, on record.
    async fn snapshot(
        &self,
        project: ProjectId,
        meters: &[Meter],
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), JobError> {
        let run = JobRun {
            id: JobRunId::from_bits(random::id_bits(self.clock.real())?),
            project,
            job: LEVEL_SNAPSHOTS.to_owned(),
            worker: self.worker.clone(),
            started_at: now,
            finished: None,
        };
        job_runs::start(&self.db, &run).await?;
        let taken = self.snapshot_all(project, meters, at).await;
        let (result, detail) = match &taken {
            Ok((kept, 0)) => (RunResult::Succeeded, format!("{at}: {kept} levels")),
            Ok((kept, failed)) => {
                (RunResult::Failed, format!("{at}: {kept} levels, {failed} customers failed"))
            }
            Err(error) => {
                tracing::error!(%at, %error, "levels could not be written down; it is tried again");
                (RunResult::Failed, format!("{at}: the stores failed"))
            }
        };
        let finished = Finished { at: now, result, detail: Some(detail) };
        let mut tx = self.db.begin().await?;
        self.finish(&mut tx, &JobRun { finished: Some(finished), ..run }).await?;
        tx.commit().await?;
        metrics::counter!("job_runs_total", "job" => LEVEL_SNAPSHOTS, "result" => result.as_str())
            .increment(1);
        taken.map(drop)
    }

    /// How many levels were written down, and of how many customers they could not be told.
    async fn snapshot_all(
        &self,
        project: ProjectId,
        meters: &[Meter],
        at: Timestamp,
    ) -> Result<(usize, usize), JobError> {
        let customers = self.events.customers(project).await?;
        let (mut kept, mut failed) = (0, 0);
        for chunk in customers.chunks(CUSTOMERS_AT_ONCE) {
            let mut found = Vec::new();
            for meter in meters {
                failed += self.levels_of(project, meter, (chunk, at), &mut found).await?;
            }
            level_snapshots::insert(&self.db, project, &found).await?;
            kept += found.len();
        }
        Ok((kept, failed))
    }

    /// Adds what some customers hold; those that fail together are looked at one by one. Answers how many failed.
    async fn levels_of(
        &self,
        project: ProjectId,
        meter: &Meter,
        (customers, at): (&[Arc<str>], Timestamp),
        found: &mut Vec<LevelSnapshot>,
    ) -> Result<usize, JobError> {
        let snapshot = |one: Level| LevelSnapshot {
            taken_at: at,
            customer: one.customer,
            meter: meter.key.to_string(),
            subject: one.subject,
            level: one.level.to_string(),
        };
        let held = |levels: Vec<Level>| levels.into_iter().filter(|one| one.level != Sum::ZERO);
        let names = customers.iter().map(ToString::to_string).collect();
        match levels::before(&self.events, project, meter, names, at).await {
            Ok(levels) => found.extend(held(levels).map(snapshot)),
            Err(EventsError::Query(_)) if customers.len() > 1 => {
                let mut failed = 0;
                for one in customers {
                    let name = vec![one.to_string()];
                    match levels::before(&self.events, project, meter, name, at).await {
                        Ok(levels) => found.extend(held(levels).map(snapshot)),
                        Err(EventsError::Query(error)) => {
                            tracing::error!(customer = %one, meter = %meter.key, %error, "a level cannot be told");
                            failed += 1;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                return Ok(failed);
            }
            Err(EventsError::Query(error)) => {
                tracing::error!(customer = ?customers.first(), meter = %meter.key, %error, "a level cannot be told");
                return Ok(1);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(0)
    }
}

/// The midnight at or before an instant.
fn midnight(instant: Timestamp) -> Timestamp {
    Timestamp::from_micros_clamped(instant.as_micros().div_euclid(DAY) * DAY)
}
