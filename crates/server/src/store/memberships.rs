//! What users are to projects.
use super::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::access::Role;
use reckoner_domain::id::{CustomerId, ProjectId, UserId};
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// Most people of a customer that are told something.
const PEOPLE_MAX: u32 = 10;

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

/// Gives a member another role.
pub async fn set_role(tx: &mut Tx, project: ProjectId, user: &UserId, role: Role) -> Result<()> {
    let query = sql!(
        "update memberships set role = $1 where project_id = $2 and user_id = $3",
        role.as_str(),
        project,
        user
    );
    tx.run(query).await.map(drop)
}

/// Ends a membership.
pub async fn remove(tx: &mut Tx, project: ProjectId, user: &UserId) -> Result<()> {
    let query = sql!("delete from memberships where project_id = $1 and user_id = $2", project, user);
    tx.run(query).await.map(drop)
}

/// A membership, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, user: &UserId) -> Result<Option<Membership>> {
    let query = sql!("select * from memberships where project_id = $1 and user_id = $2", project, user);
    tx.opt(query.locking()).await?.map(from_row).transpose()
}

/// The owners of a project, held until the transaction ends.
pub async fn lock_owners(tx: &mut Tx, project: ProjectId) -> Result<Vec<Membership>> {
    let query =
        sql!("select * from memberships where project_id = $1 and role = 'owner' order by user_id", project);
    row::each(tx.all(query.locking()).await?, from_row)
}

/// A member with what lists show of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// The address.
    pub email: String,
    /// When the address was shown to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// The role.
    pub role: Role,
    /// The own id of the customer that the user is.
    pub customer: Option<String>,
    /// When the membership was made, in real time.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: String,
    email: String,
    email_verified_at: Option<i64>,
    role: String,
    external_id: Option<String>,
    created_at: i64,
}

fn member_from_row(row: MemberRow) -> Result<Member> {
    Ok(Member {
        user: row::id(row.user_id)?,
        email: row.email,
        email_verified_at: row::opt_time("email_verified_at", row.email_verified_at)?,
        role: row.role.parse().map_err(|error| StoreError::corrupt("role", error))?,
        customer: row.external_id,
        created_at: row::time("created_at", row.created_at)?,
    })
}

macro_rules! select_members {
    () => {
        "select m.user_id, u.email, u.email_verified_at, m.role, c.external_id, m.created_at
         from memberships m join users u on u.id = m.user_id
         left join customers c on c.project_id = m.project_id and c.id = m.customer_id
         where m.project_id = $1"
    };
}

/// Members of a project, in the order in which their users were made.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Member>> {
    let query = sql!(select_members!(), project)
        .when(after.map(|after| after.id.as_str()), " and m.user_id > ?")
        .push(" order by m.user_id limit ?", [limit.probe().into()]);
    let rows = row::each(on.all(query).await?, member_from_row)?;
    let cursor = |member: &Member| Cursor { time: Timestamp::EPOCH, id: member.user.to_string() };
    Ok(Page::new(rows, limit, cursor))
}

/// A member of a project.
pub async fn find_member(on: impl Exec, project: ProjectId, user: &UserId) -> Result<Option<Member>> {
    let query = sql!(select_members!(), project).push(" and m.user_id = ?", [user.into()]);
    on.opt(query).await?.map(member_from_row).transpose()
}

/// The memberships of a user, in the order of joining: at most one a project.
pub async fn of_user(on: impl Exec, user: &UserId) -> Result<Vec<Membership>> {
    let query = sql!("select * from memberships where user_id = $1 order by created_at, project_id", user);
    row::each(on.all(query).await?, from_row)
}

/// The people of a customer, with their addresses; at most ten.
pub async fn addresses_of_customer(
    on: impl Exec,
    project: ProjectId,
    external_id: &str,
) -> Result<Vec<(UserId, String)>> {
    let mut people = addresses_of_customers(on, project, &[external_id]).await?;
    Ok(people.remove(external_id).unwrap_or_default())
}

/// The people of customers that have some, with their addresses; at most ten of each.
pub async fn addresses_of_customers(
    on: impl Exec,
    project: ProjectId,
    external_ids: &[&str],
) -> Result<BTreeMap<String, Vec<(UserId, String)>>> {
    if external_ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select external_id, id, email from (
           select c.external_id, u.id, u.email, row_number() over (partition by c.id order by u.id) as place
           from customers c
           join memberships m on m.project_id = c.project_id and m.customer_id = c.id
           join users u on u.id = m.user_id
           where c.project_id = $1 and c.external_id in ",
        project
    );
    let query = query.list(external_ids.iter().map(|id| Val::from(*id)));
    let query = query.push(") people where place <= ? order by external_id, id", [PEOPLE_MAX.into()]);
    let read = |(external_id, id, email): (String, String, String)| Ok((external_id, (row::id(id)?, email)));
    Ok(row::grouped(row::each(on.all(query).await?, read)?))
}

/// The owners and administrators of a project, with their addresses; at most twenty.
pub async fn addresses_of_admins(on: impl Exec, project: ProjectId) -> Result<Vec<(UserId, String)>> {
    let query = sql!(
        "select u.id, u.email from memberships m join users u on u.id = m.user_id
         where m.project_id = $1 and m.role in ('owner', 'admin') order by u.id limit 20",
        project
    );
    row::each(on.all(query).await?, |(id, email): (String, String)| Ok((row::id(id)?, email)))
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
