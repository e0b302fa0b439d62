//! Alerts about an erased customer, and what they told of it.
use super::Names;
use crate::sql;
use crate::store::db::Tx;
use crate::store::erasures::Erasure;
use crate::store::error::Result;
use crate::store::exec::Exec;
use crate::store::query::Val;
use crate::store::row;
use reckoner_domain::time::Timestamp;

/// The alerts that are about the customer alone, or about subjects that are assigned to it.
pub async fn alerts_of(on: impl Exec, names: Names<'_>) -> Result<Vec<String>> {
    let query = sql!(
        "select id from alerts where project_id = $1 and (customer = $2 or (customer is null and (subject = $2
           or subject in (select subject from subject_assignments where project_id = $1 and customer_id = $3))))
         order by id",
        names.erasure.project,
        names.customer,
        &names.erasure.customer_id
    );
    Ok(on.all(query).await?.into_iter().map(|(id,): (String,)| id).collect())
}

/// The mails of alerts that tell of the customer.
pub async fn mails_of_alerts(on: impl Exec, names: Names<'_>) -> Result<Vec<String>> {
    let Erasure { project, pseudonym, customer_id, .. } = names.erasure;
    let query = sql!(
        "select mails from alert_notices where project_id = $1 and mails <> '[]' and (customer in ($2, $3)
           or (customer = '' and (subject in ($2, $3) or subject in
             (select subject from subject_assignments where project_id = $1 and customer_id = $4))))",
        *project,
        names.customer,
        pseudonym.as_str(),
        customer_id
    );
    let rows: Vec<(String,)> = on.all(query).await?;
    let lists: Vec<Vec<String>> = row::each(rows, |(text,)| row::json("mails", &text))?;
    Ok(lists.concat())
}

/// Alerts about the customer go; what others told of it stays, under its pseudonym.
pub async fn end_alerts(tx: &mut Tx, names: Names<'_>, now: Timestamp) -> Result<()> {
    let Erasure { project, pseudonym, customer_id, .. } = names.erasure;
    let mails = mails_of_alerts(&mut *tx, names).await?;
    if !mails.is_empty() {
        let query = sql!(
            "update mails set content = null, state = case when state = 'pending' then 'failed' else state end,
             finished_at = coalesce(finished_at, $1), claimed_by = null, claimed_until = null, last_error = null
             where id in ",
            now
        );
        tx.run(query.list(mails.iter().map(|id| Val::from(id.as_str())))).await?;
    }
    let alerts = alerts_of(&mut *tx, names).await?;
    if !alerts.is_empty() {
        let query = sql!("delete from alerts where project_id = $1 and id in ", *project);
        tx.run(query.list(alerts.iter().map(|id| Val::from(id.as_str())))).await?;
    }
    let query = sql!(
        "update alert_notices set customer = $1, subject = null, name = null
         where project_id = $2 and customer = $3",
        pseudonym.as_str(),
        *project,
        names.customer
    );
    tx.run(query).await?;
    let query = sql!(
        "update alert_notices set subject = $1, name = null
         where project_id = $2 and customer = '' and (subject = $3 or subject in
           (select subject from subject_assignments where project_id = $2 and customer_id = $4))",
        pseudonym.as_str(),
        *project,
        names.customer,
        customer_id
    );
    tx.run(query).await.map(drop)
}

/// Takes an address from the recipients of every alert.
pub(super) async fn forget_recipient(tx: &mut Tx, email: &str) -> Result<()> {
    let quoted = serde_json::Value::from(email).to_string();
    let query = sql!(
        "select id, recipients from alerts where replace(recipients, $1, '') <> recipients order by id",
        quoted
    );
    let rows: Vec<(String, String)> = tx.all(query).await?;
    for (id, recipients) in rows {
        let mut left: Vec<String> = row::json("recipients", &recipients)?;
        left.retain(|one| one != email);
        let query =
            sql!("update alerts set recipients = $1 where id = $2", serde_json::json!(left).to_string(), id);
        tx.run(query).await?;
    }
    Ok(())
}
