//! Billing status: who owes.
use crate::invoice::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a customer stands with its payments.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BillingStatus {
    /// The customer's own id.
    pub customer: String,
    /// `active`, `due` (overdue, within 14 days of grace) or `suspended`.
    pub status: String,
    /// When the first of what is unpaid fell due, or will.
    pub due_since: Option<String>,
    /// When the customer is or was suspended unless it pays.
    pub suspended_at: Option<String>,
    /// How many of three reminders were sent.
    pub reminders: u32,
    /// What is overdue; absent where nothing is.
    pub overdue: Option<Money>,
    /// Invoices that are not paid, the first to fall due first; at most 100.
    pub unpaid: Vec<UnpaidInvoice>,
}

/// A customer that owes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OwingCustomer {
    /// The customer's own id.
    pub customer: String,
    /// `due` or `suspended`.
    pub status: String,
    /// Since when.
    pub due_since: String,
    /// When the customer is or was suspended unless it pays.
    pub suspended_at: String,
}

/// An invoice that is not paid.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UnpaidInvoice {
    /// `inv_...`.
    pub id: String,
    /// Its number.
    pub number: u64,
    /// What is left to pay.
    pub amount_due: Money,
    /// When it is or was to be paid.
    pub due_at: String,
}
