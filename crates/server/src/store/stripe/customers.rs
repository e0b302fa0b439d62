//! What customers are called by Stripe.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::{Result, row};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;

/// Stripe's name of a customer, in its test mode or where real money moves.
pub async fn find(
    on: impl Exec,
    (project, mode): (ProjectId, &str),
    customer: &CustomerId,
) -> Result<Option<String>> {
    let query = sql!(
        "select stripe_customer from stripe_customers where project_id = $1 and mode = $2 and customer_id = $3",
        project,
        mode,
        customer
    );
    Ok(on.opt::<(String,)>(query).await?.map(|(name,)| name))
}

/// Writes a name down; false where there is one already.
pub async fn insert(
    on: impl Exec,
    (project, mode): (ProjectId, &str),
    customer: &CustomerId,
    name: &str,
    now: Timestamp,
) -> Result<bool> {
    let query = sql!(
        "insert into stripe_customers (project_id, mode, customer_id, stripe_customer, made_at)
         values ($1, $2, $3, $4, $5) on conflict (project_id, mode, customer_id) do nothing",
        project,
        mode,
        customer,
        name,
        now
    );
    Ok(on.run(query).await? == 1)
}

/// Whom Stripe calls so.
pub async fn who(on: impl Exec, project: ProjectId, name: &str) -> Result<Option<CustomerId>> {
    let query = sql!(
        "select customer_id from stripe_customers where project_id = $1 and stripe_customer = $2",
        project,
        name
    );
    on.opt::<(String,)>(query).await?.map(|(id,)| row::id(id)).transpose()
}
