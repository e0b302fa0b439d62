//! What events tell of a subscription at Stripe, put together so that it does not matter in which order they
//! come: of each kind what was made last counts, and an end is an end.
use serde::{Deserialize, Serialize};

/// Statuses of subscriptions that were paid for, or did not have to be.
const IN_FORCE: [&str; 5] = ["active", "trialing", "past_due", "unpaid", "paused"];

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    snapshot: Option<Snapshot>,
    checkout: Option<Checkout>,
    /// When it was last paid, in seconds.
    paid_at: Option<i64>,
    /// When a payment last failed, in seconds.
    failed_at: Option<i64>,
    /// Whether it ever was in force.
    was_in_force: bool,
    /// Whether it is over, which is for ever.
    has_ended: bool,
}

/// The subscription as an event showed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Snapshot {
    /// When the event was made, in seconds.
    pub at: i64,
    /// Decides between events of one second: made before changed before deleted.
    pub rank: u8,
    /// The event's id, which decides between two changes of one second.
    pub event: String,
    /// Stripe's status.
    pub status: String,
    /// The price of its first item.
    pub price: Option<String>,
}

/// A checkout that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Checkout {
    /// When it was completed, in seconds.
    pub at: i64,
    /// The plan that was chosen.
    pub plan: Option<String>,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The subscription as it was then; whether it was deleted.
    Snapshot(Snapshot, bool),
    /// It came of a checkout, and whether that was paid.
    Checkout(Checkout, bool),
    /// An invoice was paid, at this second.
    Paid(i64),
    /// A payment failed, at this second.
    Failed(i64),
}

/// Where a subscription at Stripe stands, as far as ours is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In force.
    Active,
    /// In force, with a payment that failed.
    PastDue,
    /// Stopped for a while.
    Paused,
    /// Over.
    Canceled,
}

/// What our subscription is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The price of its plan, or the plan that was chosen; neither where nothing told of it yet.
    pub price: Option<String>,
    /// The plan that was chosen at the checkout.
    pub chosen: Option<String>,
    /// Where it stands.
    pub standing: Standing,
}

impl Target {
    /// Whether Stripe bills by it from period to period.
    pub fn is_billing(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::PastDue)
    }
}

impl Facts {
    /// Takes a fact in; whether that is news.
    pub fn learn(&mut self, fact: Fact) -> bool {
        let before = self.clone();
        match fact {
            Fact::Snapshot(snapshot, is_deleted) => {
                self.was_in_force |= IN_FORCE.contains(&snapshot.status.as_str());
                self.has_ended |= is_deleted || snapshot.status == "canceled";
                if self.snapshot.as_ref().is_none_or(|known| *known < snapshot) {
                    self.snapshot = Some(snapshot);
                }
            }
            Fact::Checkout(checkout, is_paid) => {
                if is_paid {
                    self.pay(checkout.at);
                }
                if self.checkout.as_ref().is_none_or(|known| *known < checkout) {
                    self.checkout = Some(checkout);
                }
            }
            Fact::Paid(at) => self.pay(at),
            Fact::Failed(at) => self.failed_at = self.failed_at.max(Some(at)),
        }
        *self != before
    }

    fn pay(&mut self, at: i64) {
        self.paid_at = self.paid_at.max(Some(at));
        self.was_in_force = true;
    }

    /// What ours is to be; nothing while it never was in force.
    pub fn target(&self) -> Option<Target> {
        if !self.was_in_force {
            return None;
        }
        Some(Target {
            price: self.snapshot.as_ref().and_then(|snapshot| snapshot.price.clone()),
            chosen: self.checkout.as_ref().and_then(|checkout| checkout.plan.clone()),
            standing: self.standing(),
        })
    }

    fn standing(&self) -> Standing {
        if self.has_ended {
            return Standing::Canceled;
        }
        // At one second what was paid counts.
        let by_payments = if self.failed_at > self.paid_at { Standing::PastDue } else { Standing::Active };
        let Some(snapshot) = &self.snapshot else { return by_payments };
        let is_older = self.failed_at.max(self.paid_at) > Some(snapshot.at);
        match snapshot.status.as_str() {
            "paused" => Standing::Paused,
            "incomplete_expired" => Standing::Canceled,
            _ if is_older => by_payments,
            "past_due" | "unpaid" => Standing::PastDue,
            "active" | "trialing" => Standing::Active,
            _ => by_payments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(at: i64, rank: u8, status: &str, price: &str) -> Fact {
        let event = format!("evt_{at}_{rank}");
        let snapshot = Snapshot { at, rank, event, status: status.to_owned(), price: Some(price.to_owned()) };
        Fact::Snapshot(snapshot, rank == 2)
    }

    /// Every order of these.
    fn orders(facts: &[Fact]) -> Vec<Vec<Fact>> {
        if facts.is_empty() {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for index in 0..facts.len() {
            let mut rest = facts.to_vec();
            let first = rest.remove(index);
            all.extend(orders(&rest).into_iter().map(|mut order| {
                order.insert(0, first.clone());
                order
            }));
        }
        all
    }

    fn known(facts: &[Fact]) -> Facts {
        let mut known = Facts::default();
        for fact in facts {
            known.learn(fact.clone());
        }
        known
    }

    #[test]
    fn the_order_of_events_does_not_matter() {
        let checkout = Fact::Checkout(Checkout { at: 12, plan: Some("basic".to_owned()) }, true);
        let facts = [
            snapshot(10, 0, "incomplete", "basic"),
            checkout,
            Fact::Paid(11),
            snapshot(20, 1, "active", "pro"),
            Fact::Failed(30),
            snapshot(40, 2, "canceled", "pro"),
        ];
        for length in 1..=facts.len() {
            let expected = known(&facts[..length]);
            for order in orders(&facts[..length]) {
                assert_eq!(known(&order), expected, "{order:?}");
            }
        }
        let standing = |length: usize| known(&facts[..length]).target().map(|target| target.standing);
        assert_eq!(
            (1..=6).map(standing).collect::<Vec<_>>(),
            [
                None,
                Some(Standing::Active),
                Some(Standing::Active),
                Some(Standing::Active),
                Some(Standing::PastDue),
                Some(Standing::Canceled)
            ]
        );
    }

    #[test]
    fn what_was_never_in_force_changes_nothing() {
        let facts = [
            snapshot(10, 0, "incomplete", "pro"),
            Fact::Failed(11),
            snapshot(12, 1, "incomplete_expired", "pro"),
        ];
        assert_eq!(known(&facts).target(), None);
        assert_eq!(known(&[snapshot(12, 2, "canceled", "pro")]).target(), None);
    }

    #[test]
    fn what_was_made_last_counts_and_of_one_second_what_can_only_come_later() {
        let standing = |facts: &[Fact]| known(facts).target().map(|target| target.standing);
        let active = snapshot(10, 1, "active", "pro");
        assert_eq!(standing(&[active.clone(), Fact::Failed(10)]), Some(Standing::Active));
        assert_eq!(standing(&[active.clone(), Fact::Failed(11)]), Some(Standing::PastDue));
        assert_eq!(standing(&[active.clone(), Fact::Failed(11), Fact::Paid(11)]), Some(Standing::Active));
        assert_eq!(standing(&[snapshot(10, 0, "incomplete", "pro"), active.clone()]), Some(Standing::Active));
        assert_eq!(standing(&[snapshot(11, 1, "paused", "pro"), active.clone()]), Some(Standing::Paused));
        assert_eq!(standing(&[snapshot(9, 2, "canceled", "pro"), active.clone()]), Some(Standing::Canceled));
        let mut twice = known(std::slice::from_ref(&active));
        assert!(!twice.learn(active));
        let text = serde_json::to_string(&twice).expect("JSON");
        assert_eq!(serde_json::from_str::<Facts>(&text).expect("facts"), twice);
    }
}
