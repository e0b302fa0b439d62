//! Lines of invoices.
use crate::id::MeterId;
use crate::key::{PlanKey, PriceKey, TaxKey};
use crate::money::Money;
use crate::rate::{Detail, Measured};
use crate::ratio::Ratio;
use crate::share::Share;
use crate::window::Window;
use serde::{Deserialize, Serialize};

/// What a line is for. Lines of an invoice come in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A base fee or flat price, in advance, or part of one given back.
    Base,
    /// Usage, in arrears.
    Usage,
    /// Usage of a meter whose quota may be exceeded.
    Overage,
    /// What is missing to a price's minimum.
    Minimum,
    /// What an earlier, closed period should have cost, less what it did.
    Adjustment,
    /// What a coupon takes off.
    Discount,
    /// What usage draws on a prepaid commitment.
    Credit,
    /// Tax at one rate.
    Tax,
    /// What the wallet pays, or what goes there.
    Wallet,
}

/// What made a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The plan.
    pub plan: PlanKey,
    /// The plan's version, and so that of its prices.
    pub plan_version: u32,
    /// The price within the plan; absent for the base fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceKey>,
    /// The meter's version, where usage is priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<MeterId>,
    /// The aggregation that holds the usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<String>,
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it is for.
    pub kind: LineKind,
    /// What it says to the customer.
    pub description: String,
    /// The time that is charged for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Window>,
    /// The share of the billing period that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// What was used, where usage is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// How the exact amount comes about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The amount before it was rounded, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Ratio>,
    /// The amount.
    pub amount: Money,
    /// The amount with its part of the discounts and the commitment credit, which have lines of
    /// their own: what is taxed, and the most that credit notes give back. Absent for those lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<Money>,
    /// The rate that taxes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxKey>,
    /// What made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

impl Line {
    /// A line that follows from others.
    pub(super) fn derived(kind: LineKind, description: String, amount: Money, tax: Option<TaxKey>) -> Self {
        Self {
            kind,
            description,
            period: None,
            share: None,
            measured: None,
            details: Vec::new(),
            exact: None,
            amount,
            net: None,
            tax,
            source: None,
        }
    }
}
