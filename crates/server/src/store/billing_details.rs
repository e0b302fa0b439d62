//! Whom invoices of customers are made out to, and what they are taxed with.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::billing_details::{BillingDetails, BillingDetailsForm};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::problem::Problems;
use std::collections::BTreeMap;

/// A customer's details, and how often they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The details.
    pub details: BillingDetails,
    /// Counts what was written from 1; 0 where nothing was.
    pub version: u32,
}

/// The details of a customer; empty where none were given.
pub async fn get(on: impl Exec, project: ProjectId, customer: &CustomerId) -> Result<Stored> {
    Ok(get_many(on, project, &[customer]).await?.remove(customer).unwrap_or_default())
}

/// The details of customers that were given some.
pub async fn get_many(
    on: impl Exec,
    project: ProjectId,
    customers: &[&CustomerId],
) -> Result<BTreeMap<CustomerId, Stored>> {
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select customer_id, details, version from billing_details where project_id = $1 and customer_id in ",
        project
    );
    let rows: Vec<(String, String, i64)> =
        on.all(query.list(customers.iter().map(|id| Val::from(*id)))).await?;
    let read = |(customer, text, version): (String, String, i64)| {
        let form: BillingDetailsForm = row::json("details", &text)?;
        let mut problems = Problems::default();
        let read = form.read(&mut problems);
        let details = problems
            .into_result(read)
            .map_err(|_| StoreError::corrupt("details", "they do not read back"))?;
        Ok((row::id(customer)?, Stored { details, version: row::count("version", version)? }))
    };
    rows.into_iter().map(read).collect()
}

/// Writes the details of a customer that are still at a version, 0 for none; [`StoreError::Stale`] where they are
/// not.
pub async fn put(
    tx: &mut Tx,
    project: ProjectId,
    customer: &CustomerId,
    details: &BillingDetails,
    version: u32,
) -> Result<()> {
    let form = serde_json::to_string(&BillingDetailsForm::from(details));
    let text = form.map_err(|error| StoreError::corrupt("details", error))?;
    let query = sql!(
        "insert into billing_details (customer_id, project_id, details, version) values ($1, $2, $3, 1)
         on conflict (customer_id) do update set details = excluded.details, version = billing_details.version + 1
         where billing_details.version = $4",
        customer,
        project,
        text.as_str(),
        version
    );
    if tx.run(query).await? == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// Removes what is known of a customer that is erased.
pub async fn remove(tx: &mut Tx, project: ProjectId, customer: &CustomerId) -> Result<()> {
    let query =
        sql!("delete from billing_details where project_id = $1 and customer_id = $2", project, customer);
    tx.run(query).await.map(drop)
}
