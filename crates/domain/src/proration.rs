//! Proration: base fees by the second when a subscription changes within a billing period.
use crate::cycle::BillingCycle;
use crate::interval::Interval;
use crate::money::{Money, MoneyError};
use crate::rate::flat;
use crate::ratio::Ratio;
use crate::share::Share;
use crate::time::Timestamp;
use crate::window::Window;
use std::cmp::Ordering;

/// What a plan costs each billing period, in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseFee {
    /// The amount.
    pub amount: Money,
    /// How often it is due.
    pub interval: Interval,
}

/// When a change of plan takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// At once, with proration.
    Now,
    /// At the end of the billing period.
    PeriodEnd,
}

/// The two lines of a change within a period, exact; each is rounded on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proration {
    /// What is left of the old base fee, at most zero.
    pub credit: Ratio,
    /// What the credit is for.
    pub credited: Window,
    /// What the new base fee comes to.
    pub charge: Ratio,
    /// What the charge is for.
    pub charged: Window,
    /// The billing periods from now on.
    pub cycle: BillingCycle,
}

/// When a change from one plan to another takes effect unless asked otherwise: an upgrade at once. An
/// upgrade has a monthly base price that is no lower.
pub fn timing(old: BaseFee, new: BaseFee) -> Result<Timing, MoneyError> {
    old.amount.same_currency(new.amount)?;
    let (old, new) = (old.interval.monthly(old.amount.exact())?, new.interval.monthly(new.amount.exact())?);
    Ok(if new.cmp(&old) == Ordering::Less { Timing::PeriodEnd } else { Timing::Now })
}

/// What is due of a base fee from an instant to the end of its billing period: for a first part
/// period, and when a pause ends.
pub fn charge_from(at: Timestamp, amount: Money, period: Window) -> Result<Ratio, MoneyError> {
    flat(amount, Share::left(at, period))
}

/// What is given back of a base fee from an instant to the end of its billing period, at most zero:
/// when a pause begins, and for the old plan of a change.
pub fn credit_from(at: Timestamp, amount: Money, period: Window) -> Result<Ratio, MoneyError> {
    Ok(charge_from(at, amount, period)?.negated()?)
}

/// Changes the base fee at an instant; `None` where that lies before the first billing period.
///
/// A fee of the same interval goes on in the same period. One of another begins a period of its own
/// at that instant; by the calendar, the rest of the calendar's.
pub fn change(
    old: BaseFee,
    new: BaseFee,
    cycle: &BillingCycle,
    at: Timestamp,
) -> Result<Option<Proration>, MoneyError> {
    old.amount.same_currency(new.amount)?;
    let next = cycle.with_interval(new.interval, at);
    let (Some(period), Some(new_period)) = (cycle.period_at(at), next.period_at(at)) else {
        return Ok(None);
    };
    Ok(Some(Proration {
        credit: credit_from(at, old.amount, period)?,
        credited: Window { start: at, end: period.end },
        charge: charge_from(at, new.amount, new_period)?,
        charged: Window { start: at, end: new_period.end },
        cycle: next,
    }))
}

/// The parts of a billing period between the changes in it, with their shares of the whole.
pub fn parts(period: Window, changes: &[Timestamp]) -> Vec<(Window, Share)> {
    let inner = changes.iter().copied().filter(|at| period.start < *at && *at < period.end);
    let mut start = period.start;
    let mut parts = Vec::new();
    for end in inner.chain([period.end]) {
        let part = Window { start, end };
        parts.push((part, Share::of(part, period)));
        start = end;
    }
    parts
}

#[cfg(test)]
mod tests;
