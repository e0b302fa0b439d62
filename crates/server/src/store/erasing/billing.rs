//! Where an erased customer's invoices were sent beside its users: the details, and the mails.
use super::Names;
use crate::sql;
use crate::store::billing_details;
use crate::store::db::{Db, Tx};
use crate::store::error::Result;
use crate::store::exec::Exec;
use crate::store::query::Query;
use reckoner_domain::time::Timestamp;

/// What the address becomes: mails are found by it again where an erasure is taken up.
fn replaced(names: Names<'_>) -> String {
    format!("{}@erased.invalid", names.erasure.customer_id)
}

/// Mails to one of these addresses in the project, those of users left out.
fn to(query: Query, names: Names<'_>, email: Option<&str>) -> Query {
    query
        .push(" where user_id is null and project_id = ?", [names.erasure.project.into()])
        .push(" and recipient in ", [])
        .list([replaced(names).into()].into_iter().chain(email.map(Into::into)))
}

/// The mails to the address that the customer's billing details name.
pub async fn mails_of_billing(db: &Db, names: Names<'_>) -> Result<Vec<String>> {
    let (project, customer) = (names.erasure.project, &names.erasure.customer_id);
    let email = billing_details::get(db, project, customer).await?.details.email;
    let rows: Vec<(String,)> = db.all(to(sql!("select id from mails"), names, email.as_deref())).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The details go, and what was mailed to where they say.
pub async fn end_billing(tx: &mut Tx, names: Names<'_>, now: Timestamp) -> Result<()> {
    let (project, customer) = (names.erasure.project, &names.erasure.customer_id);
    if let Some(email) = billing_details::get(&mut *tx, project, customer).await?.details.email {
        let query = sql!(
            "update mails set recipient = $1, content = null,
             state = case when state = 'pending' then 'failed' else state end,
             finished_at = coalesce(finished_at, $2), claimed_by = null, claimed_until = null, last_error = null",
            replaced(names),
            now
        );
        tx.run(to(query, names, Some(&email))).await?;
    }
    billing_details::remove(tx, project, customer).await
}
