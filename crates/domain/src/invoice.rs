//! Invoices as values: lines that come of charges, the draft they make, and what is final.
mod assemble;
mod charge;
mod discount;
mod finalized;
mod line;
mod of_plan;
mod status;
mod tax;

pub use assemble::{Draft, Terms, Totals, draft};
pub use charge::Charge;
pub use finalized::{FinalInvoice, Header, TamperedInvoice};
pub use line::{Line, LineKind, Source};
pub use of_plan::{Metering, billed_quantity, fee_charges, usage_charge};
pub use status::{InvoiceEvent, InvoiceStatus};
pub use tax::{TaxMode, TaxRate, Taxes};

#[cfg(test)]
mod tests;
