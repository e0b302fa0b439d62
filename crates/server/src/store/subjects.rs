//! Subjects: names that are shown for them, and whose usage theirs is.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;

/// A subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// As events name it.
    pub subject: String,
    /// The name shown.
    pub display_name: Option<String>,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
}

/// From when on a subject's usage is whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The subject.
    pub subject: String,
    /// The first instant.
    pub effective_from: Timestamp,
    /// The customer's own id.
    pub customer: String,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    subject: String,
    display_name: Option<String>,
    created_at: i64,
}

fn from_row(row: Row) -> Result<Subject> {
    let created_at = row::time("created_at", row.created_at)?;
    Ok(Subject { subject: row.subject, display_name: row.display_name, created_at })
}

#[derive(sqlx::FromRow)]
struct AssignmentRow {
    subject: String,
    effective_from: i64,
    external_id: String,
    created_at: i64,
}

fn from_assignment_row(row: AssignmentRow) -> Result<Assignment> {
    Ok(Assignment {
        subject: row.subject,
        effective_from: row::time("effective_from", row.effective_from)?,
        customer: row.external_id,
        created_at: row::time("created_at", row.created_at)?,
    })
}

/// Makes a subject; [`StoreError::Conflict`] where there is one of that name.
pub async fn create(on: impl Exec, project: ProjectId, subject: &Subject) -> Result<()> {
    let query = sql!(
        "insert into subjects (project_id, subject, display_name, created_at) values ($1, $2, $3, $4)",
        project,
        subject.subject.as_str(),
        subject.display_name.as_deref(),
        subject.created_at
    );
    on.run(query).await.map(drop)
}

/// Makes a subject where there is none of that name.
pub async fn ensure(on: impl Exec, project: ProjectId, subject: &str, now: Timestamp) -> Result<()> {
    let query = sql!(
        "insert into subjects (project_id, subject, created_at) values ($1, $2, $3)
         on conflict (project_id, subject) do nothing",
        project,
        subject,
        now
    );
    on.run(query).await.map(drop)
}

/// A subject.
pub async fn get(on: impl Exec, project: ProjectId, subject: &str) -> Result<Subject> {
    let query = sql!(
        "select subject, display_name, created_at from subjects where project_id = $1 and subject = $2",
        project,
        subject
    );
    from_row(on.one(query).await?)
}

/// Changes the name shown.
pub async fn rename(on: impl Exec, project: ProjectId, subject: &str, name: Option<&str>) -> Result<()> {
    let query = sql!(
        "update subjects set display_name = $1 where project_id = $2 and subject = $3",
        name,
        project,
        subject
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Subjects by name.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Subject>> {
    let query = sql!("select subject, display_name, created_at from subjects where project_id = $1", project)
        .when(after.map(|after| after.id.as_str()), " and subject > ?")
        .push(" order by subject limit ?", [limit.probe().into()]);
    let rows = row::each(on.all(query).await?, from_row)?;
    Ok(Page::new(rows, limit, |one: &Subject| Cursor { time: Timestamp::EPOCH, id: one.subject.clone() }))
}

/// The names shown of those of these subjects that have one.
pub async fn names(on: impl Exec, project: ProjectId, subjects: &[&str]) -> Result<Vec<(String, String)>> {
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    let query = sql!(
        "select subject, display_name from subjects where project_id = $1 and display_name is not null",
        project
    );
    on.all(query.push(" and subject in ", []).list(subjects.iter().map(|subject| Val::from(*subject)))).await
}

/// What a subject is assigned to from exactly that instant on.
pub async fn assigned_at(
    on: impl Exec,
    project: ProjectId,
    subject: &str,
    effective_from: Timestamp,
) -> Result<Option<Assignment>> {
    let query = sql!(
        "select a.subject, a.effective_from, c.external_id, a.created_at from subject_assignments a
         join customers c on c.id = a.customer_id
         where a.project_id = $1 and a.subject = $2 and a.effective_from = $3",
        project,
        subject,
        effective_from
    );
    on.opt(query).await?.map(from_assignment_row).transpose()
}

/// Assigns a subject to a customer from an instant on; what was assigned from that very instant on is replaced.
pub async fn assign(
    tx: &mut Tx,
    project: ProjectId,
    (subject, customer): (&str, &CustomerId),
    effective_from: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let query = sql!(
        "insert into subject_assignments (project_id, subject, effective_from, customer_id, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (project_id, subject, effective_from) do update
         set customer_id = excluded.customer_id, created_at = excluded.created_at",
        project,
        subject,
        effective_from,
        customer,
        now
    );
    tx.run(query).await.map(drop)
}

/// How many assignments a project has.
pub async fn count_assignments(on: impl Exec, project: ProjectId) -> Result<u64> {
    let query = sql!("select count(*) from subject_assignments where project_id = $1", project);
    let (number,): (i64,) = on.one(query).await?;
    row::sequence("count", number)
}

/// A subject's assignments, the latest first.
pub async fn assignments(
    on: impl Exec,
    project: ProjectId,
    subject: &str,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Assignment>> {
    let query = sql!(
        "select a.subject, a.effective_from, c.external_id, a.created_at from subject_assignments a
         join customers c on c.id = a.customer_id where a.project_id = $1 and a.subject = $2",
        project,
        subject
    )
    .when(after.map(|after| after.time), " and a.effective_from < ?")
    .push(" order by a.effective_from desc limit ?", [limit.probe().into()]);
    let rows = row::each(on.all(query).await?, from_assignment_row)?;
    let cursor = |one: &Assignment| Cursor { time: one.effective_from, id: String::new() };
    Ok(Page::new(rows, limit, cursor))
}

/// Every assignment of a project.
pub async fn all_assignments(on: impl Exec, project: ProjectId) -> Result<Vec<Assignment>> {
    let query = sql!(
        "select a.subject, a.effective_from, c.external_id, a.created_at from subject_assignments a
         join customers c on c.id = a.customer_id where a.project_id = $1",
        project
    );
    row::each(on.all(query).await?, from_assignment_row)
}

/// Takes a customer's assignments away, with the names of subjects that were never another's.
pub async fn forget_customer(tx: &mut Tx, project: ProjectId, customer: &CustomerId) -> Result<()> {
    let query = sql!(
        "update subjects set display_name = null where project_id = $1
         and subject in (select subject from subject_assignments where project_id = $1 and customer_id = $2)
         and subject not in (select subject from subject_assignments where project_id = $1 and customer_id <> $2)",
        project,
        customer
    );
    tx.run(query).await?;
    let query =
        sql!("delete from subject_assignments where project_id = $1 and customer_id = $2", project, customer);
    tx.run(query).await.map(drop)
}
