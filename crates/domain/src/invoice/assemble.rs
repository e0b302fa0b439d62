//! From charges to a draft: lines in their order, and what they add up to.
use super::charge::{Charge, Charged};
use super::line::{Line, LineKind};
use super::tax::{TaxMode, TaxRate};
use super::{discount, tax};
use crate::coupon::Coupon;
use crate::currency::Currency;
use crate::key::TaxKey;
use crate::money::{Money, MoneyError};
use crate::rate::draw;
use serde::{Deserialize, Serialize};

/// What an invoice depends on beside its charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The currency of the customer.
    pub currency: Currency,
    /// The coupons that cover the period.
    pub coupons: Vec<Coupon>,
    /// What is left of the period's prepaid commitment.
    pub commitment: Option<Money>,
    /// The rates of tax that charges name; a rate that is not here taxes nothing.
    pub taxes: Vec<TaxRate>,
    /// Whether prices contain their tax.
    pub tax_mode: TaxMode,
    /// What is in the customer's wallet.
    pub wallet: Money,
}

/// What the lines of an invoice add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// All lines but tax and wallet; with inclusive taxes it contains them.
    pub subtotal: Money,
    /// All tax lines.
    pub tax: Money,
    /// The subtotal, and taxes that are not contained in it.
    pub total: Money,
    /// What the wallet pays, at most zero; above zero what goes to the wallet.
    pub wallet: Money,
    /// What is left to pay, at least zero.
    pub due: Money,
}

/// An invoice that follows its charges until it is finalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its lines, in order.
    pub lines: Vec<Line>,
    /// What they add up to.
    pub totals: Totals,
    /// The rates of the tax lines.
    pub taxes: Vec<TaxRate>,
    /// Whether prices contain their tax.
    pub tax_mode: TaxMode,
}

/// Puts an invoice together. The order of `charges` of one kind stays.
///
/// Percent coupons are taken off base, usage and overage lines, amount coupons off what is then due of
/// them and of the minimums. A commitment is drawn by what is then due of usage and overage. The wallet
/// pays what it can of the total with tax; a total below zero goes to it.
pub fn draft(charges: Vec<Charge>, terms: &Terms) -> Result<Draft, MoneyError> {
    let nothing = Money::zero(terms.currency);
    let percents: Vec<_> =
        discount::percents(&terms.coupons).into_iter().map(|(_, percent)| percent).collect();
    let mut charged = Vec::with_capacity(charges.len());
    for charge in charges {
        charged.extend(charge.settle(&percents, nothing)?);
    }
    charged.sort_by_key(|charge| charge.line.kind);
    let groups = tax_groups(&charged);
    let mut derived = discount::percent_lines(&terms.coupons, &charged, &groups, nothing)?;
    derived.extend(discount::amount_lines(&terms.coupons, &mut charged, &groups, nothing)?);
    if let Some(commitment) = terms.commitment {
        derived.extend(commitment_lines(commitment, &mut charged, &groups)?);
    }
    let tax_lines = tax::lines(&terms.taxes, terms.tax_mode, &charged, nothing)?;

    let with_net = |charge: Charged| Line { net: Some(charge.net), ..charge.line };
    let mut lines: Vec<Line> = charged.into_iter().map(with_net).chain(derived).collect();
    let sum = |lines: &[Line]| Money::total(lines.iter().map(|line| line.amount), terms.currency);
    let (subtotal, tax) = (sum(&lines)?, sum(&tax_lines)?);
    let total = if terms.tax_mode == TaxMode::Exclusive { subtotal.plus(tax)? } else { subtotal };
    let wallet = total.least(terms.wallet)?.negated();
    lines.extend(tax_lines);
    if !wallet.is_zero() {
        let text = if wallet.is_negative() { "Paid from the wallet" } else { "Credited to the wallet" };
        lines.push(Line::derived(LineKind::Wallet, text.to_owned(), wallet, None));
    }
    let totals = Totals { subtotal, tax, total, wallet, due: total.plus(wallet)? };
    Ok(Draft { lines, totals, taxes: terms.taxes.clone(), tax_mode: terms.tax_mode })
}

/// The rates of tax, and none, in the order in which charges name them.
fn tax_groups(charged: &[Charged]) -> Vec<Option<TaxKey>> {
    let mut groups = Vec::new();
    for charge in charged {
        if !groups.contains(&charge.line.tax) {
            groups.push(charge.line.tax.clone());
        }
    }
    groups
}

fn commitment_lines(
    commitment: Money,
    charged: &mut [Charged],
    groups: &[Option<TaxKey>],
) -> Result<Vec<Line>, MoneyError> {
    let nothing = Money::zero(commitment.currency());
    let draws_on_it = |charge: &Charged| matches!(charge.line.kind, LineKind::Usage | LineKind::Overage);
    let due: Vec<Money> =
        charged.iter().map(|charge| if draws_on_it(charge) { charge.net } else { nothing }).collect();
    let drawn = draw(commitment, &due)?;
    for (charge, drawn) in charged.iter_mut().zip(&drawn) {
        charge.net = charge.net.minus(*drawn)?;
    }
    let mut lines = Vec::new();
    for group in groups {
        let of_group = charged.iter().zip(&drawn).filter(|(charge, _)| charge.line.tax == *group);
        let credit = Money::total(of_group.map(|(_, drawn)| *drawn), commitment.currency())?;
        if credit.is_positive() {
            let text = "Drawn on the prepaid commitment".to_owned();
            lines.push(Line::derived(LineKind::Credit, text, credit.negated(), group.clone()));
        }
    }
    Ok(lines)
}
