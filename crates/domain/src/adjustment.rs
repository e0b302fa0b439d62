//! Adjustments: what late usage, voids and amendments change of a closed period.
use crate::money::{Money, MoneyError};

/// What the next invoice adds or gives back for a closed period: the period rated anew under its own
/// price version, less everything that was billed for it so far, earlier adjustments included. `None`
/// where that is nothing.
pub fn adjustment(rated_anew: Money, billed: &[Money]) -> Result<Option<Money>, MoneyError> {
    let billed = Money::total(billed.iter().copied(), rated_anew.currency())?;
    let difference = rated_anew.minus(billed)?;
    Ok((!difference.is_zero()).then_some(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_adjustment_is_what_is_missing_to_the_period_rated_anew() {
        let money = |amount| Money::parse(amount, "USD".parse().expect("a currency")).expect("an amount");
        let mut billed = vec![money("5.00")];
        for (rated_anew, expected) in
            [("5.00", None), ("7.25", Some("2.25")), ("7.25", None), ("4.00", Some("-3.25"))]
        {
            let found = adjustment(money(rated_anew), &billed).expect("fits");
            assert_eq!(found, expected.map(money), "{rated_anew}");
            billed.extend(found);
        }
        let euro = Money::zero("EUR".parse().expect("a currency"));
        assert!(matches!(adjustment(euro, &billed), Err(MoneyError::Currencies(..))));
    }
}
