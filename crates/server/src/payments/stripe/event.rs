//! Events as Stripe sends them, old and new versions of its API alike.
use super::facts::{Checkout, Fact, Snapshot};
use reckoner_domain::time::{SECOND, Timestamp};
use serde_json::Value;

/// An event that is listened to, or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What Stripe calls it.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it tells; nothing where nobody listens to its type.
    pub told: Option<Told>,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whose it is, as Stripe calls it.
    pub customer: String,
    /// The subscription.
    pub subscription: Option<String>,
    /// What it tells of that.
    pub fact: Fact,
    /// The invoice that was paid or was not.
    pub invoice: Option<Payment>,
}

/// A payment of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What Stripe calls the invoice.
    pub invoice: String,
    /// Whether it was paid.
    pub is_paid: bool,
    /// How much, as Stripe counts.
    pub minor: i64,
    /// The currency, as Stripe writes it.
    pub currency: String,
}

/// The types that are listened to.
const TYPES: [&str; 6] = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
];

impl Event {
    /// Reads an event; `None` where it is none.
    pub fn read(body: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let (id, event_type) = (text("id")?.to_owned(), text("type")?.to_owned());
        let at = event.get("created")?.as_i64()?;
        let created_at = Timestamp::from_micros(at.checked_mul(SECOND)?)?;
        let good = |text: &str| (1..=255).contains(&text.len()) && !text.contains('\0');
        if !good(&id) || !good(&event_type) {
            return None;
        }
        let object = event.pointer("/data/object");
        let told = match object.filter(|_| TYPES.contains(&event_type.as_str())) {
            Some(object) => read_told(&event_type, (&id, at), object),
            None => None,
        };
        Some(Self { id, event_type, created_at, told })
    }

    /// The type, as a label: a name of Stripe's that is listened to, or `other`.
    pub fn label(&self) -> &'static str {
        TYPES.into_iter().find(|known| *known == self.event_type).unwrap_or("other")
    }
}

fn read_told(event_type: &str, (id, at): (&str, i64), object: &Value) -> Option<Told> {
    let customer = name_of(object.get("customer")?)?;
    let told = |subscription, fact| Told { customer: customer.clone(), subscription, fact, invoice: None };
    let rank = match event_type {
        "checkout.session.completed" => {
            let subscription = name_of(object.get("subscription")?)?;
            let plan = object.pointer("/metadata/reckoner_plan").and_then(Value::as_str).map(str::to_owned);
            let status = object.get("payment_status").and_then(Value::as_str);
            let is_paid = matches!(status, Some("paid" | "no_payment_required"));
            return Some(told(Some(subscription), Fact::Checkout(Checkout { at, plan }, is_paid)));
        }
        "invoice.payment_succeeded" | "invoice.payment_failed" => {
            let is_paid = event_type == "invoice.payment_succeeded";
            let subscription = object.get("subscription").and_then(name_of);
            let subscription = subscription
                .or_else(|| object.pointer("/parent/subscription_details/subscription").and_then(name_of));
            let minor = object.get(if is_paid { "amount_paid" } else { "amount_due" });
            let payment = Payment {
                invoice: name_of(object)?,
                is_paid,
                minor: minor.and_then(Value::as_i64).unwrap_or(0),
                currency: object.get("currency").and_then(Value::as_str).unwrap_or_default().to_owned(),
            };
            let fact = if is_paid { Fact::Paid(at) } else { Fact::Failed(at) };
            return Some(Told { invoice: Some(payment), ..told(subscription, fact) });
        }
        "customer.subscription.created" => 0,
        "customer.subscription.updated" => 1,
        _ => 2,
    };
    let snapshot = Snapshot {
        at,
        rank,
        event: id.to_owned(),
        status: object.get("status")?.as_str()?.to_owned(),
        price: object.pointer("/items/data/0/price/id").and_then(Value::as_str).map(str::to_owned),
    };
    Some(told(Some(name_of(object)?), Fact::Snapshot(snapshot, rank == 2)))
}

/// The name of an object, which may stand for it.
fn name_of(value: &Value) -> Option<String> {
    let name = value.as_str().or_else(|| value.get("id")?.as_str())?;
    ((1..=255).contains(&name.len()) && !name.contains('\0')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(event_type: &str, object: &Value) -> Option<Event> {
        let event =
            json!({"id": "evt_1", "type": event_type, "created": 1_700_000_000, "data": {"object": object}});
        Event::read(event.to_string().as_bytes())
    }

    #[test]
    fn invoices_name_their_subscription_in_either_version() {
        let old = json!({"id": "in_1", "customer": "cus_1", "subscription": "sub_1", "amount_paid": 900, "currency": "usd"});
        let new = json!({
            "id": "in_1", "customer": "cus_1", "amount_paid": 900, "currency": "usd",
            "parent": {"subscription_details": {"subscription": "sub_1"}},
        });
        let told = |object| read("invoice.payment_succeeded", object).expect("an event").told.expect("told");
        assert_eq!(told(&old), told(&new));
        assert_eq!(
            (told(&old).subscription.as_deref(), told(&old).fact),
            (Some("sub_1"), Fact::Paid(1_700_000_000))
        );
    }

    #[test]
    fn what_nobody_listens_to_tells_nothing() {
        let other = read("charge.refunded", &json!({"id": "ch_1", "customer": "cus_1"})).expect("an event");
        assert_eq!((other.told.clone(), other.label()), (None, "other"));
        let single = json!({"id": "cs_1", "customer": "cus_1", "subscription": null, "mode": "payment"});
        assert_eq!(read("checkout.session.completed", &single).expect("an event").told, None);
        for bad in ["", "{}", "[]", r#"{"id":"evt_1","type":"x"}"#, r#"{"id":"","type":"x","created":1}"#] {
            assert_eq!(Event::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
