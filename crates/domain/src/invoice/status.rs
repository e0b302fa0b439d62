//! What an invoice goes through.
use crate::meter::UnknownName;
use std::str::FromStr;

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvoiceStatus {
    /// Follows its charges.
    Draft,
    /// Never changes again, and is to be paid.
    Finalized,
    /// Paid, or nothing was due.
    Paid,
    /// Withdrawn; its number stays used.
    Void,
    /// Given up on, but not withdrawn.
    Uncollectible,
}

/// What happens to an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvoiceEvent {
    /// It is given its number and its content is fixed.
    Finalize,
    /// All that is due was paid.
    Pay,
    /// It is withdrawn.
    Void,
    /// It is given up on.
    WriteOff,
}

/// Every transition; what is not here cannot happen.
const TRANSITIONS: [(InvoiceStatus, InvoiceEvent, InvoiceStatus); 6] = [
    (InvoiceStatus::Draft, InvoiceEvent::Finalize, InvoiceStatus::Finalized),
    (InvoiceStatus::Finalized, InvoiceEvent::Pay, InvoiceStatus::Paid),
    (InvoiceStatus::Finalized, InvoiceEvent::Void, InvoiceStatus::Void),
    (InvoiceStatus::Finalized, InvoiceEvent::WriteOff, InvoiceStatus::Uncollectible),
    (InvoiceStatus::Uncollectible, InvoiceEvent::Pay, InvoiceStatus::Paid),
    (InvoiceStatus::Uncollectible, InvoiceEvent::Void, InvoiceStatus::Void),
];

impl InvoiceStatus {
    /// Every status, as named in the API.
    pub const NAMES: [&'static str; 5] = ["draft", "finalized", "paid", "void", "uncollectible"];
    /// Every status, in the order of their names.
    pub const ALL: [Self; 5] = [Self::Draft, Self::Finalized, Self::Paid, Self::Void, Self::Uncollectible];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Finalized => "finalized",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }

    /// The status after an event; `None` where that cannot happen.
    pub fn after(self, event: InvoiceEvent) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, by, _)| (*from, *by) == (self, event)).map(|(_, _, to)| *to)
    }
}

impl FromStr for InvoiceStatus {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InvoiceEvent::{Finalize, Pay, Void, WriteOff};

    #[test]
    fn only_the_table_happens() {
        let rows = InvoiceStatus::ALL.map(|status| {
            let after = [Finalize, Pay, Void, WriteOff]
                .map(|event| status.after(event).map_or("-", InvoiceStatus::as_str));
            (status.as_str(), after)
        });
        let expected = [
            ("draft", ["finalized", "-", "-", "-"]),
            ("finalized", ["-", "paid", "void", "uncollectible"]),
            ("paid", ["-", "-", "-", "-"]),
            ("void", ["-", "-", "-", "-"]),
            ("uncollectible", ["-", "paid", "void", "-"]),
        ];
        assert_eq!(rows, expected);
        for name in InvoiceStatus::NAMES {
            assert_eq!(name.parse().map(InvoiceStatus::as_str), Ok(name));
        }
        assert_eq!("open".parse::<InvoiceStatus>(), Err(UnknownName));
    }
}
