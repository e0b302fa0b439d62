//! The most and the least that a period's usage costs.
use crate::money::{Money, MoneyError};
use crate::ratio::Ratio;

/// The amount, at most the maximum, and whether that was reached.
pub(super) fn cap(amount: Ratio, maximum: Option<Money>) -> (Ratio, bool) {
    let cap = maximum.map(Money::exact).filter(|maximum| amount > *maximum);
    (cap.unwrap_or(amount), cap.is_some())
}

/// What is missing to the minimum, which is rounded as a line is; zero where nothing is.
pub(super) fn shortfall(minimum: Ratio, charged: Money) -> Result<Money, MoneyError> {
    let missing = Money::rounded(minimum, charged.currency())?.minus(charged)?;
    Ok(if missing.is_negative() { Money::zero(charged.currency()) } else { missing })
}
