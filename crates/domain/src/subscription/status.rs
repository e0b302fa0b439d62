//! What a subscription goes through.
use crate::meter::UnknownName;
use std::str::FromStr;

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    /// In its trial.
    Trialing,
    /// In force.
    Active,
    /// In force, with an invoice that is overdue.
    PastDue,
    /// Stopped for a while: neither charged nor entitled.
    Paused,
    /// Ended by someone.
    Canceled,
    /// Ended with its trial.
    Expired,
}

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionEvent {
    /// The trial ends, or is cut short, and billing begins.
    Activate,
    /// The trial ends and nothing follows.
    Expire,
    /// An invoice reached its due instant unpaid.
    PaymentDue,
    /// Everything overdue was paid.
    Paid,
    /// It stops for a while.
    Pause,
    /// It goes on.
    Resume,
    /// It ends.
    Cancel,
    /// It gets another plan, which changes nothing about where it stands.
    Change,
}

/// Every transition; what is not here cannot happen.
const TRANSITIONS: [(SubscriptionStatus, SubscriptionEvent, SubscriptionStatus); 10] = {
    use SubscriptionEvent as Event;
    use SubscriptionStatus as Status;
    [
        (Status::Trialing, Event::Activate, Status::Active),
        (Status::Trialing, Event::Expire, Status::Expired),
        (Status::Trialing, Event::Cancel, Status::Canceled),
        (Status::Active, Event::PaymentDue, Status::PastDue),
        (Status::Active, Event::Pause, Status::Paused),
        (Status::Active, Event::Cancel, Status::Canceled),
        (Status::PastDue, Event::Paid, Status::Active),
        (Status::PastDue, Event::Cancel, Status::Canceled),
        (Status::Paused, Event::Resume, Status::Active),
        (Status::Paused, Event::Cancel, Status::Canceled),
    ]
};

impl SubscriptionStatus {
    /// Every status, as named in the API.
    pub const NAMES: [&'static str; 6] = ["trialing", "active", "past_due", "paused", "canceled", "expired"];
    /// Every status, in the order of their names.
    pub const ALL: [Self; 6] =
        [Self::Trialing, Self::Active, Self::PastDue, Self::Paused, Self::Canceled, Self::Expired];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// The status after an event; `None` where that cannot happen.
    pub fn after(self, event: SubscriptionEvent) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, by, _)| (*from, *by) == (self, event)).map(|(_, _, to)| *to)
    }

    /// Whether nothing follows.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::Expired)
    }

    /// Whether its base fee counts as recurring revenue.
    pub fn is_recurring(self) -> bool {
        matches!(self, Self::Active | Self::PastDue)
    }
}

impl FromStr for SubscriptionStatus {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or(UnknownName)
    }
}

impl SubscriptionEvent {
    /// What happens, as a verb.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "be activated",
            Self::Expire => "expire",
            Self::PaymentDue => "become past due",
            Self::Paid => "be paid",
            Self::Pause => "be paused",
            Self::Resume => "be resumed",
            Self::Cancel => "be canceled",
            Self::Change => "change its plan",
        }
    }
}
