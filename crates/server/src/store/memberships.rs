//! What users are to projects.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::access::Role;
use reckoner_domain::id::{CustomerId, ProjectId, UserId};
use reckoner_domain::time::Timestamp;

/// What a user is to a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The project.
    pub project: ProjectId,
    /// The user.
    pub user: UserId,
    /// The role.
    pub role: Role,
    /// Whose data the user may see as a customer; others may have one too, from when they registered.
    pub customer: Option<CustomerId>,
    /// When it was made, in real time.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: i64,
    user_id: String,
    role: String,
    customer_id: Option<String>,
    created_at: i64,
}

fn from_row(row: Row) -> Result<Membership> {
    Ok(Membership {
        project: row::project(row.project_id)?,
        user: row::id(row.user_id)?,
        role: row.role.parse().map_err(|error| StoreError::corrupt("role", error))?,
        customer: row.customer_id.map(row::id).transpose()?,
        created_at: row::time("created_at", row.created_at)?,
    })
}

/// Makes a user a member; one that is one already stays as it is, which `false` tells.
pub async fn join(on: impl Exec, membership: &Membership) -> Result<bool> {
    let query = sql!(
        "insert into memberships (project_id, user_id, role, customer_id, created_at)
         values ($1, $2, $3, $4, $5) on conflict (project_id, user_id) do nothing",
        membership.project,
        &membership.user,
        membership.role.as_str(),
        membership.customer.as_ref(),
        membership.created_at
    );
    Ok(on.run(query).await? == 1)
}

/// Makes a member that is neither owner nor administrator an administrator; says whether that is news.
pub async fn promote(on: impl Exec, project: ProjectId, user: &UserId) -> Result<bool> {
    let query = sql!(
        "update memberships set role = 'admin'
         where project_id = $1 and user_id = $2 and role in ('analyst', 'customer')",
        project,
        user
    );
    Ok(on.run(query).await? == 1)
}

/// The memberships of a user, in the order of joining: at most one a project.
pub async fn of_user(on: impl Exec, user: &UserId) -> Result<Vec<Membership>> {
    let query = sql!("select * from memberships where user_id = $1 order by created_at, project_id", user);
    row::each(on.all(query).await?, from_row)
}

/// The users whose customers have this own id, in any project.
pub async fn users_of_customer(on: impl Exec, external_id: &str) -> Result<Vec<UserId>> {
    let query = sql!(
        "select m.user_id from customers c
         join memberships m on m.project_id = c.project_id and m.customer_id = c.id
         where c.external_id = $1 order by m.user_id limit 100",
        external_id
    );
    row::each(on.all(query).await?, |(id,): (String,)| row::id(id))
}
