//! An amount for a period, whatever was used.
use crate::money::{Money, MoneyError};
use crate::ratio::Ratio;
use crate::share::Share;

/// The share of a flat amount or base fee, exact.
pub fn flat(amount: Money, share: Share) -> Result<Ratio, MoneyError> {
    Ok(share.scale(amount.exact())?)
}
