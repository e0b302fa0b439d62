//! Each unit costs the same.
use super::{Counted, Detail};
use crate::money::UnitPrice;
use crate::ratio::Ratio;
use crate::sum::Overflow;

pub(super) fn price(unit_price: UnitPrice, units: Ratio) -> Result<Vec<Detail>, Overflow> {
    Ok(vec![Detail::new(Counted::Units, units, unit_price.exact())?])
}
