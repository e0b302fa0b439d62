//! Customers, plans, subscriptions and invoices. Their calls need a key with the scope `admin`, reading them `read`.
use super::{Again, Client, Error, json, segment};
use http::Method;
use reckoner_api::customer::{Customer, CustomerChange, NewCustomer};
use reckoner_api::entitlement::CustomerEntitlement;
use reckoner_api::invoice::Invoice;
use reckoner_api::list::List;
use reckoner_api::plan::{CatalogApplication, CatalogChanges, Plan};
use reckoner_api::subscription::{Cancellation, NewSubscription, PlanChange, Subscription};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most objects of a page.
const PAGE: u32 = 1_000;

impl Client {
    /// Makes a customer; one that is only recorded for is made by its first event. `Err` is [`Error::Refused`] with 409
    /// where its own id is taken.
    pub async fn create_customer(&self, new: &NewCustomer) -> Result<Customer, Error> {
        self.change(Method::POST, "/v1/customers", new).await
    }

    /// A customer, by its own id or Reckoner's.
    pub async fn customer(&self, customer: &str) -> Result<Customer, Error> {
        self.get(&format!("/v1/customers/{}", segment(customer))).await
    }

    /// Changes what a customer is called, and which time zone its periods follow from the next one on.
    pub async fn update_customer(&self, customer: &str, change: &CustomerChange) -> Result<Customer, Error> {
        self.change(Method::PATCH, &format!("/v1/customers/{}", segment(customer)), change).await
    }

    /// Everything that a customer's plan grants, with what is left of its quotas.
    pub async fn entitlements(&self, customer: &str) -> Result<Vec<CustomerEntitlement>, Error> {
        self.all(&format!("/v1/customers/{}/entitlements", segment(customer)), &[]).await
    }

    /// Puts plans, meters and coupons in force, all of them or none; with `dry_run` it only tells what would change.
    pub async fn apply_catalog(&self, catalog: &CatalogApplication) -> Result<CatalogChanges, Error> {
        self.change(Method::POST, "/v1/catalog/apply", catalog).await
    }

    /// The plans that are in force.
    pub async fn plans(&self) -> Result<Vec<Plan>, Error> {
        self.all("/v1/plans", &[]).await
    }

    /// Begins a subscription.
    ///
    /// ```no_run
    /// # async fn example(client: reckoner_client::Client) -> Result<(), reckoner_client::Error> {
    /// use reckoner_client::wire::subscription::NewSubscription;
    ///
    /// let (customer, plan) = ("acme".to_owned(), "pro".to_owned());
    /// let subscription = client.subscribe(&NewSubscription { customer, plan, ..NewSubscription::default() }).await?;
    /// let next = client.upcoming_invoice(&subscription.id).await?;
    /// println!("{} {} so far", next.total.amount, next.total.currency);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn subscribe(&self, new: &NewSubscription) -> Result<Subscription, Error> {
        self.change(Method::POST, "/v1/subscriptions", new).await
    }

    /// A subscription.
    pub async fn subscription(&self, id: &str) -> Result<Subscription, Error> {
        self.get(&format!("/v1/subscriptions/{}", segment(id))).await
    }

    /// The subscriptions that a customer has and had, in the order of making.
    pub async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, Error> {
        self.all("/v1/subscriptions", &[("customer", customer)]).await
    }

    /// Gives a subscription another plan, or another version of it.
    pub async fn change_plan(&self, id: &str, change: &PlanChange) -> Result<Subscription, Error> {
        self.change(Method::POST, &format!("/v1/subscriptions/{}/change-plan", segment(id)), change).await
    }

    /// Ends a subscription, at the end of its period or at once.
    pub async fn cancel(&self, id: &str, cancellation: &Cancellation) -> Result<Subscription, Error> {
        self.change(Method::POST, &format!("/v1/subscriptions/{}/cancel", segment(id)), cancellation).await
    }

    /// What the next invoice of a subscription would be, by what was used so far.
    pub async fn upcoming_invoice(&self, subscription: &str) -> Result<Invoice, Error> {
        self.get(&format!("/v1/subscriptions/{}/upcoming-invoice", segment(subscription))).await
    }

    /// The invoices of a customer, in the order of their numbers.
    pub async fn invoices_of(&self, customer: &str) -> Result<Vec<Invoice>, Error> {
        self.all("/v1/invoices", &[("customer", customer)]).await
    }

    /// An invoice.
    pub async fn invoice(&self, id: &str) -> Result<Invoice, Error> {
        self.get(&format!("/v1/invoices/{}", segment(id))).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.read(Method::GET, path, bytes::Bytes::new(), Again::Yes).await
    }

    /// Sends a change, all attempts under one `Idempotency-Key`, so that it happens once.
    async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.read(method, path, json(body)?, Again::UnderKey).await
    }

    /// A whole list, page by page.
    async fn all<T: DeserializeOwned>(&self, path: &str, filters: &[(&str, &str)]) -> Result<Vec<T>, Error> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let filters = filters.iter().map(|(name, value)| format!("&{name}={}", segment(value)));
            let after = cursor.iter().map(|cursor: &String| format!("&cursor={}", segment(cursor)));
            let rest: String = filters.chain(after).collect();
            let page: List<T> = self.get(&format!("{path}?limit={PAGE}{rest}")).await?;
            all.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}
