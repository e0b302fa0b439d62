//! The billing status of a customer: what happens while an invoice is not paid.
use crate::meter::UnknownName;
use crate::time::{DAY, HOUR, Timestamp};
use std::str::FromStr;

/// How long a customer may owe before writes are blocked, in microseconds: 14 days of 24 hours.
pub const GRACE_MICROS: i64 = 14 * DAY;

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

/// Something that a customer who owes is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Payment is overdue.
    Due,
    /// It still is; reminders are counted from 1.
    Reminder(u32),
    /// Writes are blocked.
    Suspended,
}

/// What a customer who owes is told, and when: in microseconds after the due instant.
pub const NOTICES: [(i64, Notice); 5] = [
    (0, Notice::Due),
    (24 * HOUR, Notice::Reminder(1)),
    (168 * HOUR, Notice::Reminder(2)),
    (312 * HOUR, Notice::Reminder(3)),
    (GRACE_MICROS, Notice::Suspended),
];

/// Since when a customer owes, and what was told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owing {
    /// When the first of what is unpaid falls or fell due; `None` where nothing is unpaid.
    pub due_since: Option<Timestamp>,
    /// How many notices were given.
    pub told: usize,
}

impl Owing {
    /// Where the customer stands at an instant, whether or not that was told.
    pub fn status_at(&self, now: Timestamp) -> BillingStatus {
        match self.due_since {
            Some(since) if suspended_at(since) <= now => BillingStatus::Suspended,
            Some(since) if since <= now => BillingStatus::Due,
            _ => BillingStatus::Active,
        }
    }

    /// Where the customer stands as far as that was told.
    pub fn status_told(&self) -> BillingStatus {
        match self.told {
            0 => BillingStatus::Active,
            told if told < NOTICES.len() => BillingStatus::Due,
            _ => BillingStatus::Suspended,
        }
    }

    /// When the next notice is to be given.
    pub fn next_at(&self) -> Option<Timestamp> {
        let (after, _) = NOTICES.get(self.told)?;
        Some(self.due_since?.plus_micros(*after))
    }

    /// When the status may next change by itself.
    pub fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.due_since?;
        [since, suspended_at(since)].into_iter().find(|at| now < *at)
    }

    /// Gives the notices that fell due until `now`, with their instants.
    pub fn tell_until(&mut self, now: Timestamp) -> Vec<(Timestamp, Notice)> {
        let mut notices = Vec::new();
        while let (Some(at), Some((_, notice))) = (self.next_at(), NOTICES.get(self.told))
            && at <= now
        {
            notices.push((at, *notice));
            self.told = self.told.saturating_add(1);
        }
        notices
    }

    /// After something was billed, paid or withdrawn: `unpaid` is when the first of what is now unpaid
    /// falls or fell due. Whoever owes goes on to owe since the same instant until nothing is overdue; what
    /// falls due later begins anew.
    pub fn with_unpaid(self, unpaid: Option<Timestamp>, now: Timestamp) -> Self {
        let is_overdue = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if is_overdue(self.due_since) && is_overdue(unpaid) {
            return self;
        }
        if self.due_since == unpaid { self } else { Self { due_since: unpaid, told: 0 } }
    }
}

/// When a customer who owes since `due_since` is suspended.
pub fn suspended_at(due_since: Timestamp) -> Timestamp {
    due_since.plus_micros(GRACE_MICROS)
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

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("an instant")
    }

    #[test]
    fn notices_come_at_once_on_the_first_seventh_and_thirteenth_day_and_after_fourteen() {
        let due = at("2026-03-20T09:00:00Z");
        let mut owing = Owing { due_since: Some(due), told: 0 };
        for (now, told, status) in [
            ("2026-03-20T08:59:59Z", vec![], "active"),
            ("2026-03-20T09:00:00Z", vec![Notice::Due], "due"),
            ("2026-03-21T08:59:59Z", vec![], "due"),
            ("2026-03-21T09:00:00Z", vec![Notice::Reminder(1)], "due"),
            ("2026-03-27T09:00:00Z", vec![Notice::Reminder(2)], "due"),
            ("2026-04-02T09:00:00Z", vec![Notice::Reminder(3)], "due"),
            ("2026-04-03T08:59:59Z", vec![], "due"),
            ("2026-04-03T09:00:00Z", vec![Notice::Suspended], "suspended"),
            ("2027-04-03T09:00:00Z", vec![], "suspended"),
        ] {
            let notices: Vec<Notice> = owing.tell_until(at(now)).into_iter().map(|(_, one)| one).collect();
            assert_eq!((notices, owing.status_at(at(now)).as_str()), (told, status), "{now}");
            assert_eq!(owing.status_told(), owing.status_at(at(now)), "{now}");
        }
        assert_eq!(owing.next_at(), None);
        let mut late = Owing { due_since: Some(due), told: 1 };
        let all = late.tell_until(at("2026-05-01T00:00:00Z"));
        assert_eq!(all.first(), Some(&(at("2026-03-21T09:00:00Z"), Notice::Reminder(1))));
        assert_eq!((all.len(), late.told), (4, 5));
    }

    #[test]
    fn whoever_owes_does_so_until_nothing_is_overdue() {
        let (first, second) = (at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
        let owing = Owing { due_since: Some(first), told: 0 };
        // Paid before it was due: the other invoice is next.
        assert_eq!(
            owing.with_unpaid(Some(second), at("2026-02-20T00:00:00Z")),
            Owing { due_since: Some(second), told: 0 }
        );
        // Paid late, with the other one overdue as well: the same debt goes on.
        let suspended = Owing { due_since: Some(first), told: 5 };
        let now = at("2026-04-02T00:00:00Z");
        assert_eq!(suspended.with_unpaid(Some(second), now), suspended);
        // With nothing else overdue it is over at once, and the next one begins anew.
        let restored = suspended.with_unpaid(Some(second), at("2026-03-31T00:00:00Z"));
        assert_eq!(restored, Owing { due_since: Some(second), told: 0 });
        assert_eq!(restored.status_at(at("2026-03-31T00:00:00Z")), BillingStatus::Active);
        assert_eq!(suspended.with_unpaid(None, now), Owing::default());
        // Another invoice that falls due later changes nothing.
        assert_eq!(owing.with_unpaid(Some(first), at("2026-02-20T00:00:00Z")), owing);
        assert_eq!(owing.changes_at(at("2026-02-20T00:00:00Z")), Some(first));
        assert_eq!(owing.changes_at(first), Some(suspended_at(first)));
        assert_eq!(owing.changes_at(now), None);
    }
}
