//! Whom invoices of customers are made out to, and what they are taxed with.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::billing_details::{BillingDetails, BillingDetailsForm};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::problem::Problems;

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
    let query = sql!(
        "select details, version from billing_details where project_id = $1 and customer_id = $2",
        project,
        customer
    );
    let Some((text, version)) = on.opt::<(String, i64)>(query).await? else { return Ok(Stored::default()) };
    let form: BillingDetailsForm = row::json("details", &text)?;
    let mut problems = Problems::default();
    let read = form.read(&mut problems);
    let details =
        problems.into_result(read).map_err(|_| StoreError::corrupt("details", "they do not read back"))?;
    Ok(Stored { details, version: row::count("version", version)? })
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
