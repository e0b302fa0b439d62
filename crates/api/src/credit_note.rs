//! Credit notes.
use crate::invoice::{BillTo, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A credit note to issue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCreditNote {
    /// What is given back: 1 to 1,000 parts of lines.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<LineToCredit>,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
    /// Where goes what is more than is left to pay of the invoice: into the `wallet` (when absent), or `outside`, paid
    /// back by other means.
    pub refund: Option<String>,
}

/// What is given back of a line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineToCredit {
    /// The line's place in the invoice, from 0.
    pub line: u32,
    /// How much, in the invoice's currency, without tax where taxes are exclusive; tax is given back with it.
    pub amount: String,
}

/// A credit note, which never changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreditNote {
    /// `crn_...`
    pub id: String,
    /// Its place in the gapless series of credit notes of its project.
    pub number: u64,
    /// The customer's own id.
    pub customer: String,
    /// The invoice: `inv_...`
    pub invoice: String,
    /// The number of the invoice.
    pub invoice_number: u64,
    /// When it was issued.
    pub issued_at: String,
    /// Why.
    pub reason: Option<String>,
    /// What is given back of lines.
    pub lines: Vec<CreditedLine>,
    /// What is given back of taxes.
    pub taxes: Vec<CreditedTax>,
    /// All of it.
    pub total: Money,
    /// What of it went off what was left to pay of the invoice.
    pub off_invoice: Money,
    /// What went into the wallet.
    pub to_wallet: Money,
    /// What is paid back by other means.
    pub outside: Money,
    /// Whom it is made out to, where that was known.
    pub bill_to: Option<BillTo>,
    /// The SHA-256 of the content, as canonical JSON.
    pub hash: String,
}

/// What is given back of a line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreditedLine {
    /// The line's place in the invoice, from 0.
    pub line: u64,
    /// How much.
    pub amount: Money,
}

/// What is given back of the tax of one rate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreditedTax {
    /// The rate.
    pub tax: String,
    /// How much.
    pub amount: Money,
}
