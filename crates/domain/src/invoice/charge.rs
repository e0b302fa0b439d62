//! What is charged for, before discounts, rounding and tax.
use super::line::{Line, LineKind, Source};
use crate::key::TaxKey;
use crate::money::{Money, MoneyError};
use crate::percent::Percent;
use crate::rate::{Detail, Measured, Settled, settle};
use crate::ratio::Ratio;
use crate::share::Share;
use crate::window::Window;

/// One thing that is charged for: a price in a part of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Base, usage, overage or adjustment.
    pub kind: LineKind,
    /// What the line says to the customer.
    pub description: String,
    /// The time that is charged for.
    pub period: Window,
    /// The share of the billing period that this is.
    pub share: Share,
    /// What was used, where usage is charged.
    pub measured: Option<Measured>,
    /// How the amount comes about.
    pub details: Vec<Detail>,
    /// The amount.
    pub exact: Ratio,
    /// The least that is due.
    pub minimum: Option<Ratio>,
    /// The rate that taxes it.
    pub tax: Option<TaxKey>,
    /// What made it.
    pub source: Option<Source>,
}

/// A charge with its amounts; the net takes in discounts and credits as they come.
#[derive(Clone, Debug)]
pub(super) struct Charged {
    pub(super) line: Line,
    pub(super) net: Money,
    /// What each percent discount takes off.
    pub(super) discounts: Vec<Money>,
}

impl Charge {
    /// The charge as a line and, where something is missing to its minimum, that as another.
    pub(super) fn settle(self, percents: &[Percent], nothing: Money) -> Result<Vec<Charged>, MoneyError> {
        // What was billed wrong was billed with its own discounts.
        let percents = if self.kind == LineKind::Adjustment { &[] } else { percents };
        let currency = nothing.currency();
        let Settled { amount, discounts, net, missing } =
            settle(self.exact, percents, self.minimum, currency)?;
        let line = Line {
            kind: self.kind,
            description: self.description,
            period: Some(self.period),
            share: (!self.share.is_whole()).then_some(self.share),
            measured: self.measured,
            details: self.details,
            exact: Some(self.exact),
            amount,
            net: None,
            tax: self.tax,
            source: self.source,
        };
        let minimum = missing.is_positive().then(|| Charged {
            line: Line {
                kind: LineKind::Minimum,
                measured: None,
                details: Vec::new(),
                exact: None,
                amount: missing,
                ..line.clone()
            },
            net: missing,
            discounts: Vec::new(),
        });
        Ok([Charged { line, net, discounts }].into_iter().chain(minimum).collect())
    }
}
