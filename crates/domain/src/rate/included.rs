//! Units that cost nothing come off first.
use crate::ratio::Ratio;
use crate::share::Share;
use crate::sum::Overflow;

/// Of `units`, those that are free and those that are billed; what is not used up is lost.
pub(super) fn take_off(units: Ratio, included: Ratio, share: Share) -> Result<(Ratio, Ratio), Overflow> {
    let free = share.scale(included)?.min(units);
    Ok((free, units.minus(free)?))
}
