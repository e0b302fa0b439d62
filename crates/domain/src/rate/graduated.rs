//! Each unit costs what its tier says.
use super::{Counted, Detail};
use crate::price::Tiers;
use crate::ratio::Ratio;
use crate::sum::Overflow;

/// One detail for each tier that is entered. A tier is entered by the first fraction of a unit above
/// the bound below it.
pub(super) fn price(tiers: &Tiers, units: Ratio) -> Result<Vec<Detail>, Overflow> {
    let mut details = Vec::new();
    let mut below = Ratio::ZERO;
    for (number, tier) in (1..).zip(tiers.list()) {
        if units <= below {
            break;
        }
        let bound = tier.up_to.map_or(units, |bound| units.min(Ratio::from(bound)));
        let detail = Detail::new(Counted::Units, bound.minus(below)?, tier.unit_price.exact())?;
        details.push(detail.in_tier(number, tier.flat_fee.exact())?);
        below = bound;
    }
    Ok(details)
}
