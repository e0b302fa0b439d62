//! Accounts of a wallet, and what moves between them.
use crate::money::Money;
use serde::{Deserialize, Serialize};

/// Where a wallet's money is, comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// What may be used; never below zero.
    Available,
    /// What holds reserve; never below zero.
    Held,
    /// What the customer paid in, as a negative balance.
    Payments,
    /// What paid invoices, less what they gave back.
    Invoices,
    /// What expired.
    Expired,
}

/// Where credit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Funding {
    /// The customer paid it in.
    Payment,
    /// An invoice gave it back: a credit, or the refund of what it took.
    Invoice,
}

impl Funding {
    pub(super) fn account(self) -> Account {
        match self {
            Self::Payment => Account::Payments,
            Self::Invoice => Account::Invoices,
        }
    }
}

/// What one account gets, or loses below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// How much it gets.
    pub amount: Money,
}

impl Account {
    /// Every account; their balances add up to zero.
    pub const ALL: [Self; 5] = [Self::Available, Self::Held, Self::Payments, Self::Invoices, Self::Expired];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Held => "held",
            Self::Payments => "payments",
            Self::Invoices => "invoices",
            Self::Expired => "expired",
        }
    }
}
