//! The billing status of a customer: what happens while an invoice is not paid.
use crate::meter::UnknownName;
use crate::time::{DAY, HOUR, Timestamp};
use std::str::FromStr;

/// How long a customer may owe before writes are blocked, in microseconds: 14 days of 24 hours.
pub const GRACE_MICROS: i64 = 14 * DAY;
/// When a customer who owes is reminded, in microseconds after the due instant.
pub const REMINDERS_MICROS: [i64; 3] = [24 * HOUR, 168 * HOUR, 312 * HOUR];

/// Where a customer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BillingStatus {
    /// Nothing is overdue.
    Active,
    /// Something is overdue, within the days of grace.
    Due,
    /// Writes are blocked; reading and paying go on.
    Suspended,
}

/// What changes a customer's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BillingEvent {
    /// An invoice reached its due instant unpaid.
    PaymentDue,
    /// The days of grace are over.
    GraceEnded,
    /// Everything overdue was paid.
    Paid,
}

/// Every transition; what is not here changes nothing.
const TRANSITIONS: [(BillingStatus, BillingEvent, BillingStatus); 4] = [
    (BillingStatus::Active, BillingEvent::PaymentDue, BillingStatus::Due),
    (BillingStatus::Due, BillingEvent::GraceEnded, BillingStatus::Suspended),
    (BillingStatus::Due, BillingEvent::Paid, BillingStatus::Active),
    (BillingStatus::Suspended, BillingEvent::Paid, BillingStatus::Active),
];

impl BillingStatus {
    /// Every status, as named in the API.
    pub const NAMES: [&'static str; 3] = ["active", "due", "suspended"];
    /// Every status, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Active, Self::Due, Self::Suspended];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Due => "due",
            Self::Suspended => "suspended",
        }
    }

    /// The status after an event; `None` where that cannot happen.
    pub fn after(self, event: BillingEvent) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, by, _)| (*from, *by) == (self, event)).map(|(_, _, to)| *to)
    }

    /// Whether the customer's own writes are refused.
    pub fn blocks_writes(self) -> bool {
        self == Self::Suspended
    }
}

impl FromStr for BillingStatus {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or(UnknownName)
    }
}

/// When a customer who owes since `due_since` is suspended.
pub fn suspended_at(due_since: Timestamp) -> Timestamp {
    due_since.plus_micros(GRACE_MICROS)
}

/// The reminders, counted from 1, that fall due after `from` and not after `to`.
pub fn reminders(due_since: Timestamp, from: Timestamp, to: Timestamp) -> Vec<usize> {
    let instants = (1..).zip(REMINDERS_MICROS.map(|micros| due_since.plus_micros(micros)));
    instants.filter(|(_, at)| from < *at && *at <= to).map(|(number, _)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use BillingEvent::{GraceEnded, Paid, PaymentDue};

    #[test]
    fn only_the_table_happens() {
        let rows = BillingStatus::ALL.map(|status| {
            let after = [PaymentDue, GraceEnded, Paid]
                .map(|event| status.after(event).map_or("-", BillingStatus::as_str));
            (status.as_str(), status.blocks_writes(), after)
        });
        let expected = [
            ("active", false, ["due", "-", "-"]),
            ("due", false, ["-", "suspended", "active"]),
            ("suspended", true, ["-", "-", "active"]),
        ];
        assert_eq!(rows, expected);
        for name in BillingStatus::NAMES {
            assert_eq!(name.parse().map(BillingStatus::as_str), Ok(name));
        }
        assert_eq!("ACTIVE".parse::<BillingStatus>(), Err(UnknownName));
    }

    #[test]
    fn reminders_come_on_the_first_seventh_and_thirteenth_day() {
        let at = |text: &str| Timestamp::parse(text).expect("an instant");
        let due = at("2026-03-20T09:00:00Z");
        assert_eq!(suspended_at(due), at("2026-04-03T09:00:00Z"));
        let between = |from, to| reminders(due, at(from), at(to));
        assert_eq!(between("2026-03-20T09:00:00Z", "2026-03-21T08:59:59Z"), [0_usize; 0]);
        assert_eq!(between("2026-03-20T09:00:00Z", "2026-03-21T09:00:00Z"), [1]);
        assert_eq!(between("2026-03-21T09:00:00Z", "2026-03-27T09:00:00Z"), [2]);
        assert_eq!(between("2026-03-27T09:00:00Z", "2026-05-01T00:00:00Z"), [3]);
        assert_eq!(between("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"), [1, 2, 3]);
    }
}
