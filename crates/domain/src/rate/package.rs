//! Started packages are paid whole.
use super::{Counted, Detail};
use crate::decimal::Decimal;
use crate::money::UnitPrice;
use crate::ratio::Ratio;
use crate::sum::Overflow;

pub(super) fn price(size: Decimal, price: UnitPrice, units: Ratio) -> Result<Vec<Detail>, Overflow> {
    let packages = units.over(Ratio::from(size))?.ceil()?;
    Ok(vec![Detail::new(Counted::Packages, packages, price.exact())?])
}
