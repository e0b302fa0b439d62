//! What is known of subscriptions at Stripe, and which of ours follows each.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::{Result, Tx, row};
use reckoner_domain::id::{CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;

/// A subscription at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The project.
    pub project: ProjectId,
    /// What Stripe calls it.
    pub name: String,
    /// Whose it is, as Stripe calls it.
    pub stripe_customer: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// What events told of it, as JSON.
    pub facts: String,
    /// Whether Stripe bills by it from period to period.
    pub is_billing: bool,
    /// Ours that follows it.
    pub follower: Option<SubscriptionId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: i64,
    stripe_subscription: String,
    stripe_customer: String,
    customer_id: String,
    facts: String,
    is_billing: bool,
    subscription_id: Option<String>,
}

fn from_row(row: Row) -> Result<Known> {
    Ok(Known {
        project: row::project(row.project_id)?,
        name: row.stripe_subscription,
        stripe_customer: row.stripe_customer,
        customer: row::id(row.customer_id)?,
        facts: row.facts,
        is_billing: row.is_billing,
        follower: row.subscription_id.map(row::id).transpose()?,
    })
}

/// What is known of a subscription.
pub async fn find(on: impl Exec, project: ProjectId, name: &str) -> Result<Option<Known>> {
    let query = sql!(
        "select project_id, stripe_subscription, stripe_customer, customer_id, facts, is_billing, subscription_id
         from stripe_subscriptions where project_id = $1 and stripe_subscription = $2",
        project,
        name
    );
    on.opt(query).await?.map(from_row).transpose()
}

/// Writes down what is known of a subscription. Whoever does so holds the customer.
pub async fn put(tx: &mut Tx, known: &Known, now: Timestamp) -> Result<()> {
    let query = sql!(
        "insert into stripe_subscriptions
           (project_id, stripe_subscription, stripe_customer, customer_id, facts, is_billing, subscription_id, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (project_id, stripe_subscription) do update set facts = excluded.facts,
           is_billing = excluded.is_billing, subscription_id = excluded.subscription_id,
           changed_at = excluded.changed_at",
        known.project,
        known.name.as_str(),
        known.stripe_customer.as_str(),
        &known.customer,
        known.facts.as_str(),
        known.is_billing,
        known.follower.as_ref(),
        now
    );
    tx.run(query).await.map(drop)
}

/// What Stripe bills one of our subscriptions by from period to period.
pub async fn biller_of(
    on: impl Exec,
    project: ProjectId,
    follower: &SubscriptionId,
) -> Result<Option<String>> {
    let query = sql!(
        "select stripe_subscription from stripe_subscriptions
         where project_id = $1 and subscription_id = $2 and is_billing = $3",
        project,
        follower,
        true
    );
    Ok(on.opt::<(String,)>(query).await?.map(|(name,)| name))
}

/// Whether one of our subscriptions follows one at Stripe.
pub async fn is_follower(on: impl Exec, project: ProjectId, follower: &SubscriptionId) -> Result<bool> {
    let query = sql!(
        "select count(*) from stripe_subscriptions where project_id = $1 and subscription_id = $2",
        project,
        follower
    );
    let (number,): (i64,) = on.one(query).await?;
    Ok(number > 0)
}

/// Whether Stripe bills a customer by some subscription from period to period.
pub async fn is_billed(on: impl Exec, project: ProjectId, customer: &CustomerId) -> Result<bool> {
    let query = sql!(
        "select count(*) from stripe_subscriptions where project_id = $1 and customer_id = $2 and is_billing = $3",
        project,
        customer,
        true
    );
    let (number,): (i64,) = on.one(query).await?;
    Ok(number > 0)
}
