//! Whom invoices of a customer are made out to, and what it is taxed with.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom invoices of a customer are made out to, and what it is taxed with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BillingDetails {
    /// The name on invoices: at most 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where mails about invoices go, beside the people of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The address on invoices: at most 8 lines of 255 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<String>,
    /// The number under which it is known to the tax office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
    /// Whether tax is added to prices (`exclusive`, when absent) or contained in them (`inclusive`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_mode: Option<String>,
    /// Its rates of tax, at most 10: plans and prices name the one that they are taxed at, the first where they
    /// name none. Without any nothing is taxed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<TaxRate>,
}

/// A rate of tax.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxRate {
    /// Names it.
    pub key: String,
    /// What the line says, such as `VAT`.
    pub name: String,
    /// The rate, such as `19`.
    pub percent: String,
}

/// The same as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoredBillingDetails {
    /// The details.
    #[serde(flatten)]
    pub details: BillingDetails,
    /// Counts changes from 1, 0 where nothing was written; `If-Match` takes it.
    pub version: u32,
}
