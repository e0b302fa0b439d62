//! From an exact amount to the amounts of lines.
use super::minimum;
use crate::currency::Currency;
use crate::money::{Money, MoneyError};
use crate::percent::Percent;
use crate::ratio::Ratio;

/// The amounts of lines that an exact amount makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The amount of the line, rounded.
    pub amount: Money,
    /// What each percent discount takes off, zero or of the other sign than the amount, in their order.
    pub discounts: Vec<Money>,
    /// The amount with its discounts: the exact one with them, rounded once.
    pub net: Money,
    /// What is missing to the minimum; zero where nothing is.
    pub missing: Money,
}

/// Takes percent discounts off an exact amount, one after the other, rounds, and holds the result
/// against the minimum. The line and its discounts add up to the rounded rest, to the minor unit.
pub fn settle(
    amount: Ratio,
    discounts: &[Percent],
    minimum: Option<Ratio>,
    currency: Currency,
) -> Result<Settled, MoneyError> {
    let line = Money::rounded(amount, currency)?;
    let (mut exact, mut net) = (amount, line);
    let mut taken = Vec::with_capacity(discounts.len());
    for percent in discounts {
        exact = percent.off(exact)?;
        let rest = Money::rounded(exact, currency)?;
        taken.push(rest.minus(net)?);
        net = rest;
    }
    let missing = match minimum {
        Some(minimum) => minimum::shortfall(minimum, net)?,
        None => Money::zero(currency),
    };
    Ok(Settled { amount: line, discounts: taken, net, missing })
}
