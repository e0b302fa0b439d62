//! Coupons: discounts on the invoices of some billing periods.
use crate::currency::Currency;
use crate::key::CouponKey;
use crate::money::Money;
use crate::percent::Percent;
use crate::problem::Problems;
use serde::{Deserialize, Serialize};

/// Most billing periods of a coupon that does not last for ever.
pub const COUPON_PERIODS_MAX: u32 = 1_200;

/// A discount that customers are given by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupon {
    /// Names it.
    pub key: CouponKey,
    /// What it takes off.
    pub off: Off,
    /// For how many billing periods; `None` for ever.
    pub periods: Option<u32>,
}

/// What a coupon takes off an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// A share of base fees, usage and overage.
    Percent(Percent),
    /// An amount, at most what is due.
    Amount(Money),
}

impl Coupon {
    /// Whether it takes something off the billing period after `used` ones that it was applied to.
    pub fn covers(&self, used: u32) -> bool {
        self.periods.is_none_or(|periods| used < periods)
    }

    /// Whether it counts against recurring revenue after `used` periods: one that is given once does not.
    pub fn is_recurring(&self, used: u32) -> bool {
        self.periods != Some(1) && self.covers(used)
    }
}

/// A coupon as written in catalogues and requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouponForm {
    /// Names it.
    pub key: String,
    /// What it takes off, in percent; this or `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// What it takes off, as an amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The amount's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// For how many billing periods, 1 for once; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods: Option<u32>,
}

impl CouponForm {
    /// The coupon that is meant; what is wrong is noted.
    pub fn read(&self, problems: &mut Problems) -> Option<Coupon> {
        let key = problems.keep("key", CouponKey::parse(&self.key));
        let off = match (&self.percent, &self.amount) {
            (Some(percent), None) => {
                if self.currency.is_some() {
                    problems.note("currency", "must be absent: a percentage has none");
                }
                problems.keep("percent", Percent::parse(percent)).map(Off::Percent)
            }
            (None, Some(amount)) => {
                let currency = problems.required("currency", self.currency.as_deref());
                let currency = currency.and_then(|code| problems.keep("currency", code.parse::<Currency>()));
                currency
                    .and_then(|currency| problems.keep("amount", Money::parse(amount, currency)))
                    .map(Off::Amount)
            }
            _ => {
                problems.note("percent", "is required, or amount, but not both");
                None
            }
        };
        if matches!(off, Some(Off::Amount(amount)) if !amount.is_positive()) {
            problems.note("amount", "must be greater than 0");
        }
        if self.periods.is_some_and(|periods| !(1..=COUPON_PERIODS_MAX).contains(&periods)) {
            problems.note("periods", format_args!("must be from 1 to {COUPON_PERIODS_MAX}"));
        }
        Some(Coupon { key: key?, off: off?, periods: self.periods })
    }
}

impl From<&Coupon> for CouponForm {
    fn from(coupon: &Coupon) -> Self {
        let form = Self { key: coupon.key.to_string(), periods: coupon.periods, ..Self::default() };
        match coupon.off {
            Off::Percent(percent) => Self { percent: Some(percent.to_string()), ..form },
            Off::Amount(amount) => {
                Self { amount: Some(amount.amount()), currency: Some(amount.currency().to_string()), ..form }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Coupon, Vec<String>> {
        let form: CouponForm = serde_json::from_str(text).expect("a form");
        let mut problems = Problems::default();
        let coupon = form.read(&mut problems);
        let shown = |list: Vec<crate::problem::Problem>| list.iter().map(ToString::to_string).collect();
        problems.into_result(coupon).map_err(shown)
    }

    #[test]
    fn coupons_last_once_for_some_periods_or_for_ever() {
        for (text, covers, recurring) in [
            (r#"{"key":"once","percent":"20","periods":1}"#, [true, false, false], [false, false, false]),
            (
                r#"{"key":"twice","amount":"5.00","currency":"USD","periods":2}"#,
                [true, true, false],
                [true, true, false],
            ),
            (r#"{"key":"always","percent":"12.5"}"#, [true, true, true], [true, true, true]),
        ] {
            let coupon = read(text).expect("a coupon");
            assert_eq!([0, 1, 2].map(|used| coupon.covers(used)), covers, "{text}");
            assert_eq!([0, 1, 2].map(|used| coupon.is_recurring(used)), recurring, "{text}");
            assert_eq!(serde_json::to_string(&CouponForm::from(&coupon)).ok().as_deref(), Some(text));
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        for (text, expected) in [
            (r#"{"key":"a"}"#, &["percent: is required, or amount, but not both"][..]),
            (
                r#"{"key":"a","percent":"5","amount":"5","currency":"USD"}"#,
                &["percent: is required, or amount, but not both"],
            ),
            (
                r#"{"key":"a","percent":"5","currency":"USD"}"#,
                &["currency: must be absent: a percentage has none"],
            ),
            (r#"{"key":"a","amount":"5"}"#, &["currency: is required"]),
            (
                r#"{"key":"a","amount":"0","currency":"USD","periods":0}"#,
                &["amount: must be greater than 0", "periods: must be from 1 to 1200"],
            ),
        ] {
            let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }
}
