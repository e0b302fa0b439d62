//! Credit notes: what is given back of a final invoice.
mod issued;

pub use issued::{CreditHeader, IssuedCreditNote, Settlement, TamperedCreditNote};

use crate::invoice::{FinalInvoice, LineKind, TaxMode};
use crate::key::TaxKey;
use crate::money::{Money, MoneyError};
use serde::{Deserialize, Serialize};

/// What is given back of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditedLine {
    /// The line's place in the invoice, from 0.
    pub line: usize,
    /// How much, without tax where taxes are exclusive.
    pub amount: Money,
}

/// What is given back of the tax of one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditedTax {
    /// The rate.
    pub tax: TaxKey,
    /// How much.
    pub amount: Money,
}

/// A credit note on an invoice. Its number is of a series of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditNote {
    /// What is given back of lines.
    pub lines: Vec<CreditedLine>,
    /// What is given back of taxes.
    pub taxes: Vec<CreditedTax>,
    /// All of it.
    pub total: Money,
}

/// Why a credit note cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// No line is named.
    #[error("must name at least one line")]
    Nothing,
    /// There is no such line, or it is a discount, a credit, tax or the wallet's.
    #[error("line {0} is none that can be credited")]
    NoSuchLine(usize),
    /// The amount is zero or less.
    #[error("the amount of line {0} must be greater than 0")]
    NotPositive(usize),
    /// More than is left of the line.
    #[error("line {line} has {left} left to credit")]
    ExceedsLine {
        /// The line's place.
        line: usize,
        /// What may still be given back of it.
        left: Money,
    },
    /// More than is left of the lines of one rate of tax, where some of them are below zero.
    #[error("the lines taxed as line {line} have {left} left to credit")]
    ExceedsRate {
        /// The line's place.
        line: usize,
        /// What may still be given back of them together.
        left: Money,
    },
    /// Another currency, or too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Gives back parts of lines after the credit notes before, with their tax: in proportion, and what
/// is left of it with the last part.
pub fn credit(
    invoice: &FinalInvoice,
    before: &[CreditNote],
    lines: &[CreditedLine],
) -> Result<CreditNote, CreditError> {
    if lines.is_empty() {
        return Err(CreditError::Nothing);
    }
    let mut credited: Vec<CreditedLine> = before.iter().flat_map(|note| note.lines.iter().copied()).collect();
    let first_new = credited.len();
    for line in lines {
        check(invoice, &credited, *line)?;
        credited.push(*line);
    }
    let new = credited.split_off(first_new);
    let currency = invoice.totals().total.currency();
    let mut taxes = Vec::new();
    for rate in invoice.taxes() {
        let given = credited_tax(invoice, before, &credited, &new, &rate.key)?;
        if !given.is_zero() {
            taxes.push(CreditedTax { tax: rate.key.clone(), amount: given });
        }
    }
    let mut total = Money::total(new.iter().map(|line| line.amount), currency)?;
    if invoice.tax_mode() == TaxMode::Exclusive {
        total = total.plus(Money::total(taxes.iter().map(|tax| tax.amount), currency)?)?;
    }
    Ok(CreditNote { lines: new, taxes, total })
}

/// Whether a part may be given back after those before.
fn check(invoice: &FinalInvoice, credited: &[CreditedLine], part: CreditedLine) -> Result<(), CreditError> {
    let CreditedLine { line, amount } = part;
    let found = invoice.lines().get(line).ok_or(CreditError::NoSuchLine(line))?;
    let net = found.net.ok_or(CreditError::NoSuchLine(line))?;
    if !amount.is_positive() {
        return Err(CreditError::NotPositive(line));
    }
    let currency = net.currency();
    let of_line = credited.iter().filter(|part| part.line == line).map(|part| part.amount);
    let left = net.minus(Money::total(of_line, currency)?)?;
    if left.minus(amount)?.is_negative() {
        let left = if left.is_negative() { Money::zero(currency) } else { left };
        return Err(CreditError::ExceedsLine { line, left });
    }
    let tax = found.tax.as_ref();
    let left = taxed(invoice, tax)?.minus(credited_of(invoice, credited, tax)?)?;
    if left.minus(amount)?.is_negative() {
        return Err(CreditError::ExceedsRate { line, left });
    }
    Ok(())
}

/// The sum of the lines of one rate.
fn taxed(invoice: &FinalInvoice, tax: Option<&TaxKey>) -> Result<Money, MoneyError> {
    let of_rate = invoice.lines().iter().filter(|line| line.tax.as_ref() == tax).filter_map(|line| line.net);
    Money::total(of_rate, invoice.totals().total.currency())
}

/// What was given back of the lines of one rate.
fn credited_of(
    invoice: &FinalInvoice,
    credited: &[CreditedLine],
    tax: Option<&TaxKey>,
) -> Result<Money, MoneyError> {
    let is_of_rate =
        |part: &&CreditedLine| invoice.lines().get(part.line).is_some_and(|line| line.tax.as_ref() == tax);
    let parts = credited.iter().filter(is_of_rate).map(|part| part.amount);
    Money::total(parts, invoice.totals().total.currency())
}

/// What new parts give back of the tax of one rate.
fn credited_tax(
    invoice: &FinalInvoice,
    before: &[CreditNote],
    old: &[CreditedLine],
    new: &[CreditedLine],
    tax: &TaxKey,
) -> Result<Money, MoneyError> {
    let currency = invoice.totals().total.currency();
    let is_tax = |kind, key: Option<&TaxKey>| kind == LineKind::Tax && key == Some(tax);
    let lines = invoice.lines().iter().filter(|line| is_tax(line.kind, line.tax.as_ref()));
    let whole = Money::total(lines.map(|line| line.amount), currency)?;
    let given = before.iter().flat_map(|note| &note.taxes).filter(|part| part.tax == *tax);
    let left = whole.minus(Money::total(given.map(|part| part.amount), currency)?)?;
    let base = taxed(invoice, Some(tax))?;
    let (before, now) = (credited_of(invoice, old, Some(tax))?, credited_of(invoice, new, Some(tax))?);
    if !now.is_positive() {
        return Ok(Money::zero(currency));
    }
    if before.plus(now)? == base {
        return Ok(left);
    }
    let share = Money::rounded(whole.exact().times(now.exact())?.over(base.exact())?, currency)?;
    share.least(left)
}

#[cfg(test)]
mod tests;
