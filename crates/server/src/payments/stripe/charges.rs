//! Charges become invoice items, billed by the subscription that Stripe has, or else by an invoice of their
//! closing.
use super::account::Account;
use super::amount::to_sent;
use super::client::Params;
use super::error::CallError;
use super::record::Make;
use crate::payments::Collectible;
use crate::store::Db;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::stripe::charges::{self, BilledBy, Item};
use crate::store::stripe::invoices::{self, Invoice};
use crate::store::stripe::subscriptions;
use reckoner_domain::id::ChargeId;
use reckoner_domain::time::{DAY, Timestamp};
use serde_json::{Value, json};

/// What a charge is called of which nothing is left as Stripe counts.
const NOTHING: &str = "nothing: it rounds to zero as Stripe counts";
/// How many drafts are made final in one go.
const DRAFTS_AT_ONCE: u32 = 200;
/// After how long a draft that could not be made final is tried again, in microseconds.
const AGAIN_AFTER: i64 = DAY;

impl Account {
    /// Sends a charge, once; answers what Stripe calls it.
    pub(super) async fn send(&self, db: &Db, charge: &Collectible) -> Result<String, CallError> {
        let sent = to_sent(charge.amount)?;
        if sent.minor == 0 {
            return Ok(NOTHING.to_owned());
        }
        let id = ChargeId::parse(&charge.idempotency_key)
            .map_err(|error| CallError::Unreadable(error.to_string()))?;
        let item = match charges::find(db, self.project, &id).await? {
            Some(decided) => decided,
            None => {
                let customer = self.customer(db, &charge.customer_id, &charge.customer).await?;
                let billed_by = self.biller(db, charge, &customer, &sent.currency).await?;
                let (project, currency, minor) = (self.project, sent.currency, sent.minor);
                let (charge, name, sent_at) = (id.clone(), None, None);
                let item = Item { charge, project, customer, billed_by, currency, minor, name, sent_at };
                charges::decide(db, &item).await?
            }
        };
        let make = Make {
            project: self.project,
            operation: "invoice_item",
            key: &charge.idempotency_key,
            path: "/v1/invoiceitems",
            params: params_of(&item, charge),
            among: Some(("/v1/invoiceitems", vec![("customer".to_owned(), item.customer.clone())])),
        };
        match self.make(db, make).await {
            Ok(made) => {
                charges::set_sent(db, &id, &made.name, self.clock.real()).await?;
                Ok(made.name)
            }
            Err(error) => {
                if matches!(error, CallError::Refused { .. }) {
                    charges::undecide(db, self.project, &id).await?;
                }
                Err(error)
            }
        }
    }

    /// What is to bill a charge: the subscription at Stripe that ours follows, which bills what waits for it
    /// with its next invoice, or an invoice of the closing.
    async fn biller(
        &self,
        db: &Db,
        charge: &Collectible,
        customer: &str,
        currency: &str,
    ) -> Result<BilledBy, CallError> {
        if let Some(name) = subscriptions::biller_of(db, self.project, &charge.closing.0).await? {
            return Ok(BilledBy::Subscription(name));
        }
        let closing = (&charge.closing.0, charge.closing.1);
        let known = invoices::find(db, self.project, closing).await?;
        if let Some(name) = known.as_ref().and_then(|known| known.name.clone()) {
            return Ok(BilledBy::Invoice(name));
        }
        let invoice = match known {
            Some(known) => known,
            None => {
                let invoice = Invoice {
                    subscription: charge.closing.0.clone(),
                    ordinal: charge.closing.1,
                    project: self.project,
                    customer: customer.to_owned(),
                    currency: currency.to_owned(),
                    collection_method: self.collection_method(customer).await?.to_owned(),
                    name: None,
                    status: "draft".to_owned(),
                };
                let now = self.clock.of_project(self.project);
                invoices::decide(db, &invoice, now).await?
            }
        };
        self.draft(db, &invoice).await.map(BilledBy::Invoice)
    }

    /// Stripe charges what it knows a customer to pay with, and else sends the invoice.
    async fn collection_method(&self, customer: &str) -> Result<&'static str, CallError> {
        let found = self.client.get(&format!("/v1/customers/{customer}"), &Vec::new()).await?;
        let is_set = |path: &str| found.pointer(path).is_some_and(|value| !value.is_null());
        let can_pay = is_set("/invoice_settings/default_payment_method") || is_set("/default_source");
        Ok(if can_pay { "charge_automatically" } else { "send_invoice" })
    }

    async fn draft(&self, db: &Db, invoice: &Invoice) -> Result<String, CallError> {
        let closing = (&invoice.subscription, invoice.ordinal);
        let mut params: Params = [
            ("customer", invoice.customer.as_str()),
            ("currency", invoice.currency.as_str()),
            ("collection_method", invoice.collection_method.as_str()),
            ("auto_advance", "false"),
            ("pending_invoice_items_behavior", "exclude"),
            ("metadata[reckoner_subscription]", invoice.subscription.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if invoice.collection_method == "send_invoice" {
            params.push(("days_until_due".to_owned(), self.payment_days.to_string()));
        }
        let key = format!("invoice:{}:{}", invoice.subscription, invoice.ordinal);
        let make = Make {
            project: self.project,
            operation: "invoice",
            key: &key,
            path: "/v1/invoices",
            params,
            among: Some(("/v1/invoices", vec![("customer".to_owned(), invoice.customer.clone())])),
        };
        match self.make(db, make).await {
            Ok(made) => {
                invoices::set_name(db, closing, &made.name).await?;
                Ok(made.name)
            }
            Err(error) => {
                if matches!(error, CallError::Refused { .. }) {
                    invoices::undecide(db, closing).await?;
                }
                Err(error)
            }
        }
    }

    /// Makes drafts final whose closings are charged whole; answers whose failed, by the names that Stripe
    /// has for them.
    pub(super) async fn finalize(
        &self,
        db: &Db,
        now: Timestamp,
    ) -> Result<Vec<(Invoice, CallError)>, CallError> {
        let mut failed = Vec::new();
        for draft in invoices::complete(db, self.project, now, DRAFTS_AT_ONCE).await? {
            let closing = (&draft.subscription, draft.ordinal);
            match self.finalize_one(db, &draft).await {
                Ok(()) => self.note_final(db, &draft).await?,
                Err(error) => {
                    let until = now.plus_micros(AGAIN_AFTER);
                    invoices::put_off(db, closing, &error.to_string(), until).await?;
                    failed.push((draft, error));
                }
            }
        }
        Ok(failed)
    }

    async fn note_final(&self, db: &Db, draft: &Invoice) -> Result<(), CallError> {
        let mut tx = db.begin().await?;
        if invoices::set_final(&mut tx, (&draft.subscription, draft.ordinal)).await? {
            let name = draft.name.as_deref().unwrap_or_default();
            let change = Change::new(Some(self.project), SYSTEM, "stripe.invoice_finalized", name);
            let change = change.after(json!({"subscription": draft.subscription.as_str()}));
            audit::write(&mut tx, &self.clock, vec![change]).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn finalize_one(&self, db: &Db, draft: &Invoice) -> Result<(), CallError> {
        let Some(name) = &draft.name else { return Ok(()) };
        let key = format!("finalize:{}:{}", draft.subscription, draft.ordinal);
        let make = Make {
            project: self.project,
            operation: "finalize_invoice",
            key: &key,
            path: &format!("/v1/invoices/{name}/finalize"),
            params: vec![("auto_advance".to_owned(), "true".to_owned())],
            among: None,
        };
        let Err(error) = self.make(db, make).await else { return Ok(()) };
        // Somebody may have done so by hand, or an attempt of ours that was cut off.
        let found = self.client.get(&format!("/v1/invoices/{name}"), &Vec::new()).await?;
        let status = found.get("status").and_then(Value::as_str);
        if status.is_some_and(|status| status != "draft") { Ok(()) } else { Err(error) }
    }
}

/// An invoice item.
fn params_of(item: &Item, charge: &Collectible) -> Params {
    let billed_by = match &item.billed_by {
        BilledBy::Subscription(name) => ("subscription", name.as_str()),
        BilledBy::Invoice(name) => ("invoice", name.as_str()),
    };
    let seconds = |at: Timestamp| at.as_seconds().to_string();
    let params = [
        ("customer", item.customer.as_str()),
        ("currency", item.currency.as_str()),
        ("amount", &item.minor.to_string()),
        ("description", charge.description.as_str()),
        ("period[start]", &seconds(charge.period.start)),
        ("period[end]", &seconds(charge.period.end)),
        ("metadata[reckoner_charge]", charge.idempotency_key.as_str()),
        ("metadata[reckoner_project]", &item.project.0.to_string()),
        billed_by,
    ];
    params.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
