//! How a wallet changes: postings, and the lots that they concern.
use super::{Account, Change, Lot, Posting, WalletError};
use crate::money::{Money, MoneyError};
use crate::time::Timestamp;

impl Change {
    pub(super) fn post(&mut self, from: Account, to: Account, amount: Money) -> Result<(), MoneyError> {
        if amount.is_zero() {
            return Ok(());
        }
        for posting in [Posting { account: from, amount: amount.negated() }, Posting { account: to, amount }]
        {
            let balance = self.wallet.balance(posting.account).plus(posting.amount)?;
            self.wallet.balances.insert(posting.account, balance);
            self.postings.push(posting);
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, at: Timestamp) -> Result<(), MoneyError> {
        let nothing = Money::zero(self.wallet.currency);
        let mut expired = nothing;
        for lot in self.wallet.lots.iter_mut().filter(|lot| lot.is_expired(at)) {
            expired = expired.plus(lot.available)?;
            lot.available = nothing;
        }
        self.post(Account::Available, Account::Expired, expired)
    }

    /// Takes available credit in its order, and answers of which lots.
    pub(super) fn take(&mut self, amount: Money, at: Timestamp) -> Result<Vec<(usize, Money)>, WalletError> {
        let available = self.wallet.available_at(at)?;
        if available.minus(amount)?.is_negative() {
            return Err(WalletError::Insufficient { available });
        }
        let mut order: Vec<(usize, &mut Lot)> = self.wallet.lots.iter_mut().enumerate().collect();
        order.sort_by_key(|(_, lot)| lot.order());
        let mut left = amount;
        let mut parts = Vec::new();
        for (index, lot) in order {
            let part = lot.available.least(left)?;
            if part.is_positive() {
                lot.available = lot.available.minus(part)?;
                left = left.minus(part)?;
                parts.push((index, part));
            }
        }
        Ok(parts)
    }

    /// Gives lots back what is not spent of what was reserved; the first parts are spent first.
    pub(super) fn put_back(&mut self, parts: &[(usize, Money)], spent: Money) -> Result<(), MoneyError> {
        let mut spent = spent;
        for (index, part) in parts {
            let gone = part.least(spent)?;
            spent = spent.minus(gone)?;
            if let Some(lot) = self.wallet.lots.get_mut(*index) {
                lot.available = lot.available.plus(part.minus(gone)?)?;
            }
        }
        Ok(())
    }
}
