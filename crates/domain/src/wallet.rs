//! Wallets: prepaid credit, as a ledger whose entries each add up to zero.
mod change;
mod ledger;

pub use ledger::{Account, Funding, Posting};

use crate::currency::Currency;
use crate::money::{Money, MoneyError};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Credit that was put in together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lot {
    added_at: Timestamp,
    expires_at: Option<Timestamp>,
    available: Money,
}

/// The wallet of a customer. Nothing in it is ever below zero.
///
/// Credit that expires is used first, the soonest before the others, then the oldest. It expires at
/// its instant; what a hold has reserved by then stays reserved, and expires when it is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallet {
    currency: Currency,
    lots: Vec<Lot>,
    /// By hold: what is reserved of which lot.
    holds: BTreeMap<String, Vec<(usize, Money)>>,
    balances: BTreeMap<Account, Money>,
}

/// A change of a wallet: the wallet afterwards, and what was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The wallet after the change.
    pub wallet: Wallet,
    /// What moved between accounts; adds up to zero.
    pub postings: Vec<Posting>,
}

/// Why a wallet does not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The amount is zero or less.
    #[error("the amount must be greater than 0")]
    NotPositive,
    /// More than is available.
    #[error("{available} is available")]
    Insufficient {
        /// What may be used.
        available: Money,
    },
    /// More than the hold reserves.
    #[error("the hold reserves {held}")]
    ExceedsHold {
        /// What it reserves.
        held: Money,
    },
    /// No hold has this name.
    #[error("there is no such hold")]
    NoSuchHold,
    /// A hold has this name already.
    #[error("the hold exists already")]
    HoldExists,
    /// Another currency, or too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Wallet {
    /// An empty wallet.
    pub fn new(currency: Currency) -> Self {
        Self { currency, lots: Vec::new(), holds: BTreeMap::new(), balances: BTreeMap::new() }
    }

    /// The balance of an account.
    pub fn balance(&self, account: Account) -> Money {
        self.balances.get(&account).copied().unwrap_or(Money::zero(self.currency))
    }

    /// What may be used at an instant.
    pub fn available_at(&self, at: Timestamp) -> Result<Money, MoneyError> {
        let alive = self.lots.iter().filter(|lot| !lot.is_expired(at)).map(|lot| lot.available);
        Money::total(alive, self.currency)
    }

    /// When the next of what is available expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let holds_any = |lot: &&Lot| lot.available.is_positive();
        self.lots.iter().filter(holds_any).filter_map(|lot| lot.expires_at).min()
    }

    /// What a hold reserves.
    pub fn held(&self, hold: &str) -> Option<Money> {
        let parts = self.holds.get(hold)?.iter().map(|(_, amount)| *amount);
        Money::total(parts, self.currency).ok()
    }

    /// Puts credit in.
    pub fn add(
        &self,
        amount: Money,
        from: Funding,
        at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<Change, WalletError> {
        let mut change = self.begin(amount, at)?;
        change.wallet.lots.push(Lot { added_at: at, expires_at, available: amount });
        change.post(from.account(), Account::Available, amount)?;
        change.expire(at)?;
        Ok(change)
    }

    /// Pays an invoice.
    pub fn deduct(&self, amount: Money, at: Timestamp) -> Result<Change, WalletError> {
        let mut change = self.begin(amount, at)?;
        change.take(amount, at)?;
        change.post(Account::Available, Account::Invoices, amount)?;
        Ok(change)
    }

    /// Reserves credit under a name.
    pub fn hold(&self, hold: &str, amount: Money, at: Timestamp) -> Result<Change, WalletError> {
        if self.holds.contains_key(hold) {
            return Err(WalletError::HoldExists);
        }
        let mut change = self.begin(amount, at)?;
        let parts = change.take(amount, at)?;
        change.wallet.holds.insert(hold.to_owned(), parts);
        change.post(Account::Available, Account::Held, amount)?;
        Ok(change)
    }

    /// Ends a hold and makes its credit available again.
    pub fn release(&self, hold: &str, at: Timestamp) -> Result<Change, WalletError> {
        self.settle(hold, Money::zero(self.currency), at)
    }

    /// Pays an invoice with a hold and ends it; what is left of it is available again.
    pub fn deduct_held(&self, hold: &str, amount: Money, at: Timestamp) -> Result<Change, WalletError> {
        if amount.is_positive() { self.settle(hold, amount, at) } else { Err(WalletError::NotPositive) }
    }

    /// Takes out what has expired.
    pub fn expire(&self, at: Timestamp) -> Result<Change, WalletError> {
        let mut change = Change { wallet: self.clone(), postings: Vec::new() };
        change.expire(at)?;
        Ok(change)
    }

    fn begin(&self, amount: Money, at: Timestamp) -> Result<Change, WalletError> {
        amount.same_currency(Money::zero(self.currency))?;
        if amount.is_positive() { self.expire(at) } else { Err(WalletError::NotPositive) }
    }

    fn settle(&self, hold: &str, spent: Money, at: Timestamp) -> Result<Change, WalletError> {
        let mut change = self.expire(at)?;
        let parts = change.wallet.holds.remove(hold).ok_or(WalletError::NoSuchHold)?;
        let held = Money::total(parts.iter().map(|(_, amount)| *amount), self.currency)?;
        let rest = held.minus(spent)?;
        if rest.is_negative() {
            return Err(WalletError::ExceedsHold { held });
        }
        change.put_back(&parts, spent)?;
        change.post(Account::Held, Account::Invoices, spent)?;
        change.post(Account::Held, Account::Available, rest)?;
        change.expire(at)?;
        Ok(change)
    }
}

impl Lot {
    fn is_expired(&self, at: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// Sorts what is used first to the front.
    fn order(&self) -> (Timestamp, Timestamp) {
        (self.expires_at.unwrap_or(Timestamp::MAX), self.added_at)
    }
}

#[cfg(test)]
mod tests;
