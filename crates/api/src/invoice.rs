//! Invoices.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Money {
    /// A decimal with as many fractional digits as the currency has.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
}

/// An invoice: a draft, which follows its charges, or final, and then it never changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Invoice {
    /// `inv_...`; none for a draft.
    pub id: Option<String>,
    /// Its place in the gapless series of its project; none for a draft.
    pub number: Option<u64>,
    /// `draft`, `finalized`, `paid`, `void` or `uncollectible`.
    pub status: String,
    /// The customer's own id.
    pub customer: String,
    /// `sub_...`
    pub subscription: String,
    /// The billing period that it closes; empty where billing only begins.
    pub period_start: String,
    /// The end of it.
    pub period_end: String,
    /// When it became final.
    pub finalized_at: Option<String>,
    /// When it is to be paid.
    pub due_at: Option<String>,
    /// In their order: base, usage, overage, minimum, adjustment, discount, credit, tax, wallet.
    pub lines: Vec<InvoiceLine>,
    /// All lines but tax and wallet.
    pub subtotal: Money,
    /// All tax lines.
    pub tax: Money,
    /// The subtotal, and taxes that are not contained in it.
    pub total: Money,
    /// What the wallet pays, at most zero; above zero what goes to the wallet.
    pub wallet: Money,
    /// What was left to pay when it became final.
    pub amount_due: Money,
    /// What is left to pay now: nothing of what was paid, given back by credit notes, or withdrawn.
    pub amount_left: Money,
    /// The SHA-256 of the content, as canonical JSON; none for a draft.
    pub hash: Option<String>,
    /// The version of the time-zone data that its periods were cut by; none for a draft.
    pub time_zone_data: Option<String>,
    /// Whom it is made out to, where that was known.
    pub bill_to: Option<BillTo>,
    /// When its status last changed; none for a draft.
    pub changed_at: Option<String>,
    /// Counts changes of its status from 1; none for a draft.
    pub version: Option<u32>,
}

/// Whom an invoice is made out to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BillTo {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<String>,
    /// The number under which it is known to the tax office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
}

/// A line of an invoice. Quantities and exact amounts are decimals, or fractions such as `10/3`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvoiceLine {
    /// `base`, `usage`, `overage`, `minimum`, `adjustment`, `discount`, `credit`, `tax` or `wallet`.
    pub kind: String,
    /// What it is for.
    pub description: String,
    /// The time that is charged for.
    pub period_start: Option<String>,
    /// The end of it.
    pub period_end: Option<String>,
    /// The share of the billing period that this is, where it is not the whole.
    pub share: Option<InvoiceShare>,
    /// What was used.
    pub units: Option<String>,
    /// Units of it that cost nothing.
    pub included: Option<String>,
    /// How the exact amount comes about.
    pub details: Vec<InvoiceDetail>,
    /// The amount before it was rounded.
    pub exact: Option<String>,
    /// The amount.
    pub amount: Money,
    /// The amount with its part of the discounts and the commitment credit, which have lines of their own.
    pub net: Option<Money>,
    /// The rate that taxes it.
    pub tax: Option<String>,
    /// The plan.
    pub plan: Option<String>,
    /// The plan's version, and so that of its prices.
    pub plan_version: Option<u32>,
    /// The price within the plan; none for the base fee.
    pub price: Option<String>,
    /// The meter's version: `mtr_...`
    pub meter: Option<String>,
    /// The aggregation that holds the usage.
    pub aggregation: Option<String>,
}

/// A line of a final invoice, with what its invoice says of itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BilledLine {
    /// The invoice: `inv_...`
    pub invoice: String,
    /// Its number.
    pub invoice_number: u64,
    /// How it stands: `finalized`, `paid`, `void` or `uncollectible`.
    pub invoice_status: String,
    /// The place of the line in it, from 0.
    pub line: u64,
    /// The customer's own id.
    pub customer: String,
    /// `sub_...`
    pub subscription: String,
    /// When the invoice became final.
    pub finalized_at: String,
    /// What the line says.
    #[serde(flatten)]
    pub billed: InvoiceLine,
}

/// Seconds of a part, and of the whole billing period.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvoiceShare {
    /// Seconds of the part.
    pub part_s: u64,
    /// Seconds of the period.
    pub whole_s: u64,
}

/// A part of a line's exact amount: `quantity x price + flat_fee = amount`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvoiceDetail {
    /// What is counted: `units`, `packages`, `value` or `events`.
    pub of: String,
    /// The tier, from 1.
    pub tier: Option<u32>,
    /// How much of it.
    pub quantity: String,
    /// What one costs.
    pub price: String,
    /// Due besides.
    pub flat_fee: String,
    /// What that makes.
    pub amount: String,
}
