//! A share of the summed value, and a fee for each event.
use super::{Counted, Detail};
use crate::money::UnitPrice;
use crate::percent::Percent;
use crate::ratio::Ratio;
use crate::sum::Overflow;

pub(super) fn price(
    percent: Percent,
    event_fee: UnitPrice,
    value: Ratio,
    events: u64,
) -> Result<Vec<Detail>, Overflow> {
    let mut details = vec![Detail::new(Counted::Value, value, percent.of(Ratio::ONE)?)?];
    if event_fee != UnitPrice::ZERO {
        details.push(Detail::new(Counted::Events, Ratio::from_count(events), event_fee.exact())?);
    }
    Ok(details)
}
