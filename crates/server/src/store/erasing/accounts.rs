//! The accounts of users who are an erased customer.
use super::Names;
use crate::sql;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::exec::Exec;
use crate::store::sessions::{self, Ended};
use crate::store::{TokenHash, authenticators, login_failures, row};
use reckoner_domain::id::UserId;
use reckoner_domain::time::Timestamp;

/// No password has this hash.
const NO_PASSWORD: &str = "!";

/// A user who is the customer.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which.
    pub user: UserId,
    /// The address.
    pub email: String,
    /// Whether the user is nothing else, so that the account is closed.
    pub closes: bool,
}

/// The users who are the customer.
pub async fn accounts(on: impl Exec, names: Names<'_>) -> Result<Vec<Account>> {
    let (project, customer) = (names.erasure.project, &names.erasure.customer_id);
    let query = sql!(
        "select u.id, u.email, (select count(*) from memberships o where o.user_id = u.id
           and (o.project_id <> m.project_id or o.role <> 'customer')) as others
         from memberships m join users u on u.id = m.user_id
         where m.project_id = $1 and m.customer_id = $2 order by u.id",
        project,
        customer
    );
    let rows: Vec<(String, String, i64)> = on.all(query).await?;
    let account = |(user, email, others)| Ok(Account { user: row::id(user)?, email, closes: others == 0 });
    rows.into_iter().map(account).collect()
}

/// Ends the memberships of users who are the customer, and closes the accounts of those who are nothing
/// else: their addresses are replaced, and they cannot log in any more.
pub async fn close_accounts(tx: &mut Tx, names: Names<'_>, now: Timestamp) -> Result<()> {
    let project = names.erasure.project;
    for Account { user, email, closes } in accounts(&mut *tx, names).await? {
        let query = sql!(
            "update memberships set customer_id = null
             where project_id = $1 and user_id = $2 and role <> 'customer'",
            project,
            &user
        );
        tx.run(query).await?;
        let query = sql!(
            "delete from memberships where project_id = $1 and user_id = $2 and role = 'customer'",
            project,
            &user
        );
        tx.run(query).await?;
        if closes {
            close(tx, &user, &email, now).await?;
        }
    }
    Ok(())
}

async fn close(tx: &mut Tx, user: &UserId, email: &str, now: Timestamp) -> Result<()> {
    let replaced = format!("{user}@erased.invalid");
    sessions::end_all(&mut *tx, user, None, Ended::Revoked, now).await?;
    let query = sql!("update sessions set user_agent = null, address = null where user_id = $1", user);
    tx.run(query).await?;
    authenticators::remove(tx, user).await?;
    tx.run(sql!("delete from one_time_tokens where user_id = $1", user)).await?;
    login_failures::forget(&mut *tx, TokenHash::of(email)).await?;
    let query = sql!(
        "update mails set recipient = $1, content = null,
         state = case when state = 'pending' then 'failed' else state end,
         finished_at = coalesce(finished_at, $2), claimed_by = null, claimed_until = null, last_error = null
         where user_id = $3 or recipient = $4",
        replaced.as_str(),
        now,
        user,
        email
    );
    tx.run(query).await?;
    super::alerts::forget_recipient(tx, email).await?;
    let query = sql!("update invitations set email = $1 where email = $2", replaced.as_str(), email);
    tx.run(query).await?;
    let query = sql!(
        "update users set email = $1, password_hash = $2, email_verified_at = null where id = $3",
        replaced,
        NO_PASSWORD,
        user
    );
    tx.run(query).await.map(drop)
}

/// The mails to an account's address.
pub async fn mails_to(on: impl Exec, account: &Account) -> Result<Vec<String>> {
    let query = sql!(
        "select id from mails where user_id = $1 or recipient = $2",
        &account.user,
        account.email.as_str()
    );
    Ok(on.all(query).await?.into_iter().map(|(id,): (String,)| id).collect())
}
