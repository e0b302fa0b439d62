//! An account of Stripe, which one project uses.
use super::client::Client;
use super::error::CallError;
use super::record::Make;
use crate::clock::Clock;
use crate::config::{self, Pages, Secret};
use crate::random;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::stripe::customers as names;
use crate::store::{Db, StoreError, users};
use reckoner_domain::id::{CustomerId, ProjectId, UserId};
use reckoner_domain::key::PlanKey;
use serde_json::json;
use std::collections::BTreeMap;

/// An account.
pub struct Account {
    pub(super) project: ProjectId,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) webhook_secrets: Vec<Secret>,
    prices: BTreeMap<PlanKey, String>,
    pages: Pages,
    mode: &'static str,
    pub(super) payment_days: u64,
}

impl Account {
    pub(super) fn new(
        project: ProjectId,
        settings: &config::Stripe,
        of: &config::StripeAccount,
        (clock, payment_days): (&Clock, u64),
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            project,
            client: Client::new(settings, of.secret_key.clone(), clock.clone())?,
            clock: clock.clone(),
            webhook_secrets: of.webhook_secrets.clone(),
            prices: of.prices.clone(),
            pages: settings.pages.clone(),
            mode: if of.is_live() { "live" } else { "test" },
            payment_days,
        })
    }

    /// The project that uses it.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// The plan that a price is of.
    pub fn plan_of(&self, price: &str) -> Option<&PlanKey> {
        self.prices.iter().find(|(_, known)| *known == price).map(|(plan, _)| plan)
    }

    /// The price of a plan, by the plan's key.
    pub fn price_of(&self, plan: &str) -> Option<&str> {
        self.prices.iter().find(|(key, _)| key.as_str() == plan).map(|(_, price)| price.as_str())
    }

    /// The plans that have prices.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        self.prices.keys().map(PlanKey::as_str)
    }

    /// Whether Stripe answers, as it was found within so many microseconds or is now.
    pub async fn answers(&self, within: i64) -> Result<(), String> {
        self.client.answers(within).await
    }

    /// What Stripe calls a customer, which is made there on first need.
    pub async fn customer(&self, db: &Db, customer: &CustomerId, own_id: &str) -> Result<String, CallError> {
        let whose = (self.project, self.mode);
        if let Some(name) = names::find(db, whose, customer).await? {
            return Ok(name);
        }
        let mut params = vec![
            ("metadata[reckoner_customer]".to_owned(), customer.to_string()),
            ("metadata[reckoner_project]".to_owned(), self.project.0.to_string()),
        ];
        params.extend(email_of(db, own_id).await?.map(|email| ("email".to_owned(), email)));
        let key = format!("customer:{}:{}:{customer}", self.project.0, self.mode);
        let made = self
            .make(
                db,
                Make {
                    project: self.project,
                    operation: "customer",
                    key: &key,
                    path: "/v1/customers",
                    params,
                    among: Some(("/v1/customers", Vec::new())),
                },
            )
            .await?;
        let mut tx = db.begin().await?;
        if names::insert(&mut tx, whose, customer, &made.name, self.clock.real()).await? {
            let change = Change::new(Some(self.project), SYSTEM, "stripe.customer_made", customer);
            let change = change.after(json!({"stripe_customer": made.name}));
            audit::write(&mut tx, &self.clock, vec![change]).await?;
        }
        tx.commit().await?;
        // Somebody else may have been first; there is one name.
        Ok(names::find(db, whose, customer).await?.ok_or(StoreError::NotFound)?)
    }

    /// A page of Stripe's where a customer subscribes to a plan: its name and address.
    pub async fn checkout(
        &self,
        db: &Db,
        (customer, own_id): (&CustomerId, &str),
        plan: &str,
    ) -> Result<(String, String), CallError> {
        let price = self.price_of(plan).ok_or(CallError::NotConfigured)?.to_owned();
        let name = self.customer(db, customer, own_id).await?;
        let params = [
            ("mode", "subscription"),
            ("customer", name.as_str()),
            ("client_reference_id", own_id),
            ("line_items[0][price]", price.as_str()),
            ("line_items[0][quantity]", "1"),
            ("success_url", self.pages.success_url.as_str()),
            ("cancel_url", self.pages.cancel_url.as_str()),
            ("metadata[reckoner_plan]", plan),
            ("subscription_data[metadata][reckoner_customer]", customer.as_str()),
        ];
        self.page(db, "checkout", "/v1/checkout/sessions", &params).await
    }

    /// A page of Stripe's where a customer looks after its subscription: its name and address.
    pub async fn portal(
        &self,
        db: &Db,
        (customer, own_id): (&CustomerId, &str),
    ) -> Result<(String, String), CallError> {
        let name = self.customer(db, customer, own_id).await?;
        let params = [("customer", name.as_str()), ("return_url", self.pages.return_url.as_str())];
        self.page(db, "portal", "/v1/billing_portal/sessions", &params).await
    }

    /// Each request gets a page of its own; one that nobody comes to see lapses by itself.
    async fn page(
        &self,
        db: &Db,
        operation: &'static str,
        path: &'static str,
        params: &[(&str, &str)],
    ) -> Result<(String, String), CallError> {
        let key = format!("{operation}:{}", random::uuid_text(self.clock.real())?);
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let make = Make { project: self.project, operation, key: &key, path, params, among: None };
        let made = self.make(db, make).await?;
        let url = made.body.as_ref().and_then(|body| body.get("url")?.as_str());
        let url = url.ok_or_else(|| CallError::Unreadable("a page has no address".to_owned()))?;
        Ok((made.name, url.to_owned()))
    }
}

/// The address of the user who is the customer, where the customer is one.
async fn email_of(db: &Db, own_id: &str) -> Result<Option<String>, StoreError> {
    let Ok(user) = UserId::parse(own_id) else { return Ok(None) };
    match users::get(db, &user).await {
        Ok(user) => Ok(Some(user.email)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
