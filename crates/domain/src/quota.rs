//! Quotas: how much of a meter a plan allows, and what happens at the limit.
use crate::calendar::{Calendar, Calendars};
use crate::cycle::{Alignment, BillingCycle};
use crate::decimal::Decimal;
use crate::meter::MeterKey;
use crate::period::Period;
use crate::ratio::Ratio;
use crate::sum::Overflow;
use crate::time::Timestamp;
use crate::window::Window;

/// Most warning thresholds of a quota.
pub const THRESHOLDS_MAX: usize = 10;
/// The highest threshold, in percent of the limit.
pub const THRESHOLD_PERCENT_MAX: u32 = 1_000;
/// The thresholds of a quota that names none, in percent of the limit.
pub const DEFAULT_THRESHOLDS: [u32; 2] = [80, 100];
/// Reaching this many percent of the limit is exceeding the quota.
pub const EXCEEDED_PERCENT: u32 = 100;

/// How much of a meter may be used between two resets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The meter that counts.
    pub meter: MeterKey,
    /// What is allowed, and what happens beyond it.
    pub limit: Limit,
    /// When to warn, in percent of the limit, rising.
    pub thresholds: Vec<u32>,
    /// When counting begins anew.
    pub reset: Reset,
}

/// What is allowed, and what happens beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Use beyond this is refused, and not billed where it was recorded nevertheless.
    Block(Decimal),
    /// Use beyond this is allowed and billed.
    Overage(Decimal),
    /// There is no limit.
    Unlimited,
}

/// When the count of a quota begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// At the beginning of each day of the billing zone.
    Day,
    /// At the beginning of each calendar month of the billing zone.
    Month,
    /// With each billing period.
    BillingPeriod,
}

impl Limit {
    /// Every behaviour at the limit, as named in catalogues and API.
    pub const NAMES: [&'static str; 3] = ["block", "overage", "unlimited"];

    /// The behaviour's name in catalogues and API.
    pub fn behaviour(self) -> &'static str {
        match self {
            Self::Block(_) => "block",
            Self::Overage(_) => "overage",
            Self::Unlimited => "unlimited",
        }
    }

    /// The limit; `None` where there is none.
    pub fn units(self) -> Option<Decimal> {
        match self {
            Self::Block(units) | Self::Overage(units) => Some(units),
            Self::Unlimited => None,
        }
    }

    /// Whether `more` may be used after `used`: what blocks refuses whatever would pass the limit.
    /// Giving something back is always allowed.
    pub fn allows(self, used: Ratio, more: Ratio) -> Result<bool, Overflow> {
        let Self::Block(units) = self else { return Ok(true) };
        Ok(more <= Ratio::ZERO || used.plus(more)? <= Ratio::from(units))
    }

    /// What is left up to the limit, at least zero; `None` where there is no limit.
    pub fn remaining(self, used: Ratio) -> Result<Option<Ratio>, Overflow> {
        let left = self.units().map(|units| Ratio::from(units).minus(used)).transpose()?;
        Ok(left.map(|left| left.max(Ratio::ZERO)))
    }

    /// What was used beyond the limit.
    pub fn beyond(self, used: Ratio) -> Result<Ratio, Overflow> {
        let Some(units) = self.units() else { return Ok(Ratio::ZERO) };
        Ok(used.minus(Ratio::from(units))?.max(Ratio::ZERO))
    }

    /// What of the use between two resets is billed: beyond a limit that blocks nothing is.
    pub fn billable(self, used: Ratio) -> Ratio {
        match self {
            Self::Block(units) => used.min(Ratio::from(units)),
            Self::Overage(_) | Self::Unlimited => used,
        }
    }

    /// What of `used` is billed where `before` was used since the last reset, whatever the limit was then.
    pub fn billable_after(self, before: Ratio, used: Ratio) -> Result<Ratio, Overflow> {
        let Self::Block(units) = self else { return Ok(used) };
        let room = Ratio::from(units).minus(before)?.max(Ratio::ZERO);
        Ok(used.min(room))
    }

    /// Use in percent of the limit, half to even with at most two fractional digits, not capped: 0
    /// without a limit, 100 for any use of a limit of zero.
    pub fn percentage(self, used: Ratio) -> Option<Decimal> {
        let hundred = Ratio::from_count(100);
        let percent = match self.units().map(Ratio::from) {
            None => Ratio::ZERO,
            Some(limit) if limit.is_zero() => {
                if used > Ratio::ZERO {
                    hundred
                } else {
                    Ratio::ZERO
                }
            }
            Some(limit) => used.times(hundred).and_then(|used| used.over(limit)).ok()?,
        };
        Ratio::from_parts(percent.to_parts_half_even(2).ok()?, 2)?.to_decimal()
    }
}

impl Quota {
    /// The thresholds that use has reached above the highest one that fired before, rising.
    pub fn reached(&self, used: Ratio, fired: Option<u32>) -> Result<Vec<u32>, Overflow> {
        let Some(limit) = self.limit.units() else { return Ok(Vec::new()) };
        if used <= Ratio::ZERO {
            return Ok(Vec::new());
        }
        let used = used.times(Ratio::from_count(100))?;
        let mut reached = Vec::new();
        for threshold in
            self.thresholds.iter().copied().filter(|threshold| fired.is_none_or(|fired| fired < *threshold))
        {
            if used >= Ratio::from(limit).times(Ratio::from_count(threshold.into()))? {
                reached.push(threshold);
            }
        }
        Ok(reached)
    }
}

impl Reset {
    /// Every kind of reset, as named in catalogues and API.
    pub const NAMES: [&'static str; 3] = ["day", "month", "billing_period"];
    /// Every kind of reset, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::BillingPeriod];

    /// The name in catalogues and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::BillingPeriod => "billing_period",
        }
    }
}

/// When the counts of a customer's quotas begin anew, over every change of its time zone.
#[derive(Clone, Debug)]
pub struct Resets {
    days: Calendar,
    months: Calendar,
    /// None where there is nothing that is billed.
    cycle: Option<BillingCycle>,
}

impl Resets {
    /// The days and months of a customer's calendars, and its billing periods; months instead of those where it has
    /// none.
    pub fn new(calendars: &Calendars, cycle: Option<BillingCycle>) -> Self {
        let of = |period| calendars.of(period).clone();
        Self { days: of(Period::Daily), months: of(Period::Monthly), cycle }
    }

    /// The time between two resets that an instant lies in. Before the first billing period, in a trial, the
    /// calendar month, until that begins.
    pub fn window_at(&self, reset: Reset, instant: Timestamp) -> Window {
        let calendar = match reset {
            Reset::Day => &self.days,
            Reset::Month => &self.months,
            Reset::BillingPeriod => match self.cycle.as_ref().and_then(|cycle| cycle.period_at(instant)) {
                Some(period) => return period,
                None => &self.months,
            },
        };
        let span = calendar.span_at(instant);
        let first_period = match (reset, self.cycle.as_ref().map(|cycle| cycle.alignment)) {
            (Reset::BillingPeriod, Some(Alignment::Anniversary(anchor))) => anchor,
            _ => span.end,
        };
        Window { start: span.start, end: span.end.min(first_period) }
    }
}

#[cfg(test)]
mod tests;
