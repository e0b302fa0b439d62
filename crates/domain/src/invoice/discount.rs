//! Discounts: percent coupons as settled with each charge, then amounts, spread over what is due.
use super::charge::Charged;
use super::line::{Line, LineKind};
use crate::coupon::{Coupon, Off};
use crate::key::{CouponKey, TaxKey};
use crate::money::{Money, MoneyError};
use crate::percent::Percent;
use crate::ratio::Ratio;

/// The percent coupons in the order they are taken.
pub(super) fn percents(coupons: &[Coupon]) -> Vec<(&CouponKey, Percent)> {
    let percent = |coupon: &Coupon| match coupon.off {
        Off::Percent(percent) => Some(percent),
        Off::Amount(_) => None,
    };
    coupons.iter().filter_map(|coupon| Some((&coupon.key, percent(coupon)?))).collect()
}

/// Lines of what percent coupons took off, one for each coupon and rate of tax.
pub(super) fn percent_lines(
    coupons: &[Coupon],
    charged: &[Charged],
    taxes: &[Option<TaxKey>],
    nothing: Money,
) -> Result<Vec<Line>, MoneyError> {
    let mut lines = Vec::new();
    for (place, (key, percent)) in percents(coupons).into_iter().enumerate() {
        for tax in taxes {
            let of_rate = charged.iter().filter(|charge| charge.line.tax == *tax);
            let taken = of_rate.filter_map(|charge| charge.discounts.get(place).copied());
            let taken = Money::total(taken, nothing.currency())?;
            if !taken.is_zero() {
                let text = format!("{key}: {percent} % off");
                lines.push(Line::derived(LineKind::Discount, text, taken, tax.clone()));
            }
        }
    }
    Ok(lines)
}

/// Takes amount coupons off, each at most what is due, and answers their lines, one for each coupon
/// and rate of tax.
pub(super) fn amount_lines(
    coupons: &[Coupon],
    charged: &mut [Charged],
    taxes: &[Option<TaxKey>],
    nothing: Money,
) -> Result<Vec<Line>, MoneyError> {
    let mut lines = Vec::new();
    for coupon in coupons {
        let Off::Amount(amount) = coupon.off else { continue };
        let parts = spread(amount, charged, nothing)?;
        for (charge, part) in charged.iter_mut().zip(&parts) {
            charge.net = charge.net.minus(*part)?;
        }
        for tax in taxes {
            let of_rate = charged.iter().zip(&parts).filter(|(charge, _)| charge.line.tax == *tax);
            let taken = Money::total(of_rate.map(|(_, part)| *part), nothing.currency())?;
            if taken.is_positive() {
                let text = format!("{}: {} off", coupon.key, amount.amount());
                lines.push(Line::derived(LineKind::Discount, text, taken.negated(), tax.clone()));
            }
        }
    }
    Ok(lines)
}

/// An amount over charges in proportion to what is due of them, to the minor unit; none to those
/// below zero or to adjustments. No charge gets more than is due of it.
fn spread(amount: Money, charged: &[Charged], nothing: Money) -> Result<Vec<Money>, MoneyError> {
    let counts = |charge: &&Charged| charge.line.kind != LineKind::Adjustment;
    let due = Money::total(charged.iter().filter(counts).map(|charge| charge.net), nothing.currency())?;
    let amount = amount.least(due)?;
    let takes = |charge: &Charged| charge.net.is_positive() && charge.line.kind != LineKind::Adjustment;
    let base = charged.iter().filter(|charge| takes(charge)).map(|charge| charge.net);
    let base = Money::total(base, nothing.currency())?;
    if !amount.is_positive() || base.is_zero() {
        return Ok(vec![nothing; charged.len()]);
    }
    let rate = amount.exact().over(base.exact())?;
    let (mut passed, mut given) = (Ratio::ZERO, nothing);
    let mut parts = Vec::with_capacity(charged.len());
    for charge in charged {
        if !takes(charge) {
            parts.push(nothing);
            continue;
        }
        passed = passed.plus(charge.net.exact())?;
        let until_here = Money::rounded(passed.times(rate)?, nothing.currency())?;
        parts.push(until_here.minus(given)?);
        given = until_here;
    }
    Ok(parts)
}
