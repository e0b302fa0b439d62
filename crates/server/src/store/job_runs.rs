//! Runs of jobs, for those who look after them.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::row;
use crate::sql;
use reckoner_domain::id::{JobRunId, ProjectId};
use reckoner_domain::time::Timestamp;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// It did what it should.
    Succeeded,
    /// It did not; its detail says why.
    Failed,
}

impl RunResult {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// Identifies it.
    pub id: JobRunId,
    /// The project it was for.
    pub project: ProjectId,
    /// The job's name.
    pub job: String,
    /// Who ran it.
    pub worker: String,
    /// When it began, by the project's clock.
    pub started_at: Timestamp,
    /// When and how it ended; `None` while it runs, or for ever when its worker died.
    pub finished: Option<Finished>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// When, by the project's clock.
    pub at: Timestamp,
    /// How.
    pub result: RunResult,
    /// What it did, or why it failed.
    pub detail: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    job: String,
    worker: String,
    started_at: i64,
    finished_at: Option<i64>,
    result: Option<String>,
    detail: Option<String>,
}

fn from_row(row: Row) -> Result<JobRun> {
    let finished = match (row.finished_at, row.result.as_deref()) {
        (None, None) => None,
        (Some(at), Some(result)) => {
            let result = match result {
                "succeeded" => RunResult::Succeeded,
                "failed" => RunResult::Failed,
                other => return Err(StoreError::corrupt("result", other)),
            };
            Some(Finished { at: row::time("finished_at", at)?, result, detail: row.detail })
        }
        _ => return Err(StoreError::corrupt("finished_at", "without a result, or the other way round")),
    };
    Ok(JobRun {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        job: row.job,
        worker: row.worker,
        started_at: row::time("started_at", row.started_at)?,
        finished,
    })
}

/// Notes that a run has begun; its end is noted by [`finish`].
pub async fn start(on: impl Exec, run: &JobRun) -> Result<()> {
    let query = sql!(
        "insert into job_runs (id, project_id, job, worker, started_at) values ($1, $2, $3, $4, $5)",
        &run.id,
        run.project,
        run.job.as_str(),
        run.worker.as_str(),
        run.started_at
    );
    on.run(query).await.map(drop)
}

/// Notes how a run ended; [`StoreError::NotFound`] when it is not running.
pub async fn finish(on: impl Exec, project: ProjectId, id: &JobRunId, finished: &Finished) -> Result<()> {
    let query = sql!(
        "update job_runs set finished_at = $1, result = $2, detail = $3
         where project_id = $4 and id = $5 and finished_at is null",
        finished.at,
        finished.result.as_str(),
        finished.detail.as_deref(),
        project,
        id
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Runs of a job, or of all, the newest first.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    job: Option<&str>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<JobRun>> {
    let mut query = sql!("select * from job_runs where project_id = $1", project).when(job, " and job = ?");
    if let Some(after) = after {
        query = query.push(" and (started_at, id) < (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let query = query.push(" order by started_at desc, id desc limit ?", [limit.probe().into()]);
    let runs = row::each(on.all(query).await?, from_row)?;
    Ok(Page::new(runs, limit, |run: &JobRun| Cursor { time: run.started_at, id: run.id.to_string() }))
}

/// Deletes runs that began before an instant and says how many.
pub async fn purge(on: impl Exec, project: ProjectId, before: Timestamp) -> Result<u64> {
    on.run(sql!("delete from job_runs where project_id = $1 and started_at < $2", project, before)).await
}
