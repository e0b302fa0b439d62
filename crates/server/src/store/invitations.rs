//! Invitations to projects. All times are real.
use super::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::row;
use super::token_hash::TokenHash;
use crate::sql;
use reckoner_domain::access::Role;
use reckoner_domain::id::{InvitationId, ProjectId, UserId};
use reckoner_domain::time::Timestamp;

/// An invitation; its token is known to whoever got the mail only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Identifies it.
    pub id: InvitationId,
    /// The project.
    pub project: ProjectId,
    /// Who is invited.
    pub email: String,
    /// As what.
    pub role: Role,
    /// By whom: a key or a user.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last mailed.
    pub sent_at: Timestamp,
    /// When its link ends.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
    /// By which user.
    pub accepted_by: Option<UserId>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl Invitation {
    /// How it stands.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match (self.accepted_at, self.revoked_at) {
            (Some(_), _) => "accepted",
            (None, Some(_)) => "revoked",
            (None, None) if now >= self.expires_at => "expired",
            (None, None) => "pending",
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    email: String,
    role: String,
    invited_by: String,
    created_at: i64,
    sent_at: i64,
    expires_at: i64,
    accepted_at: Option<i64>,
    accepted_by: Option<String>,
    revoked_at: Option<i64>,
}

fn from_row(row: Row) -> Result<Invitation> {
    Ok(Invitation {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        email: row.email,
        role: row.role.parse().map_err(|error| StoreError::corrupt("role", error))?,
        invited_by: row.invited_by,
        created_at: row::time("created_at", row.created_at)?,
        sent_at: row::time("sent_at", row.sent_at)?,
        expires_at: row::time("expires_at", row.expires_at)?,
        accepted_at: row::opt_time("accepted_at", row.accepted_at)?,
        accepted_by: row.accepted_by.map(row::id).transpose()?,
        revoked_at: row::opt_time("revoked_at", row.revoked_at)?,
    })
}

/// Stores an invitation, in the place of one to this address that has expired;
/// [`StoreError::Conflict`] while there is one that is open.
pub async fn create(tx: &mut Tx, new: &Invitation, token: TokenHash) -> Result<()> {
    let expired = sql!(
        "update invitations set revoked_at = $1 where project_id = $2 and email = $3
         and accepted_at is null and revoked_at is null and expires_at <= $1",
        new.created_at,
        new.project,
        new.email.as_str()
    );
    tx.run(expired).await?;
    let query = sql!(
        "insert into invitations
           (id, project_id, email, role, token_hash, invited_by, created_at, sent_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &new.id,
        new.project,
        new.email.as_str(),
        new.role.as_str(),
        token.0.as_slice(),
        new.invited_by.as_str(),
        new.created_at,
        new.sent_at,
        new.expires_at
    );
    tx.run(query).await.map(drop)
}

/// An invitation of a project, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &InvitationId) -> Result<Invitation> {
    let query = sql!("select * from invitations where project_id = $1 and id = $2", project, id).locking();
    from_row(tx.one(query).await?)
}

/// The invitation of this token, held until the transaction ends.
pub async fn lock_by_token(tx: &mut Tx, token: TokenHash) -> Result<Option<Invitation>> {
    let query = sql!("select * from invitations where token_hash = $1", token.0.as_slice()).locking();
    tx.opt(query).await?.map(from_row).transpose()
}

/// The same without holding it.
pub async fn find_by_token(on: impl Exec, token: TokenHash) -> Result<Option<Invitation>> {
    let query = sql!("select * from invitations where token_hash = $1", token.0.as_slice());
    on.opt(query).await?.map(from_row).transpose()
}

/// Gives an invitation a new token, and returns it.
pub async fn renew(
    tx: &mut Tx,
    id: &InvitationId,
    token: TokenHash,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Invitation> {
    let query = sql!(
        "update invitations set token_hash = $1, sent_at = $2, expires_at = $3 where id = $4 returning *",
        token.0.as_slice(),
        now,
        expires_at,
        id
    );
    from_row(tx.one(query).await?)
}

/// Takes an invitation back, and returns it.
pub async fn revoke(tx: &mut Tx, id: &InvitationId, now: Timestamp) -> Result<Invitation> {
    from_row(tx.one(sql!("update invitations set revoked_at = $1 where id = $2 returning *", now, id)).await?)
}

/// Notes that a user accepted an invitation.
pub async fn accept(tx: &mut Tx, id: &InvitationId, user: &UserId, now: Timestamp) -> Result<()> {
    let query =
        sql!("update invitations set accepted_at = $1, accepted_by = $2 where id = $3", now, user, id);
    tx.run(query).await.map(drop)
}

/// Invitations of a project in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Invitation>> {
    let mut query = sql!("select * from invitations where project_id = $1", project);
    if let Some(after) = after {
        query = query.push(" and (created_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by created_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Invitation| Cursor { time: one.created_at, id: one.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
