//! All units cost what the tier says that the total reaches.
use super::{Counted, Detail};
use crate::price::Tiers;
use crate::ratio::Ratio;
use crate::sum::Overflow;

/// One detail, of the first tier whose bound is not exceeded; none without usage.
pub(super) fn price(tiers: &Tiers, units: Ratio) -> Result<Vec<Detail>, Overflow> {
    if units.is_zero() {
        return Ok(Vec::new());
    }
    let reached = |bound| units <= Ratio::from(bound);
    let found = (1..).zip(tiers.list()).find(|(_, tier)| tier.up_to.is_none_or(reached));
    let Some((number, tier)) = found else { return Ok(Vec::new()) };
    let detail = Detail::new(Counted::Units, units, tier.unit_price.exact())?;
    Ok(vec![detail.in_tier(number, tier.flat_fee.exact())?])
}
