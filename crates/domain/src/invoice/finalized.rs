//! Final invoices: content that never changes, and its hash.
use super::assemble::{Draft, Totals};
use super::line::Line;
use super::tax::{TaxMode, TaxRate};
use crate::billing_details::BillTo;
use crate::sealed::{seal, sha256_hex};
use crate::time::Timestamp;
use crate::window::Window;
use serde::{Deserialize, Serialize};

/// What an invoice says beside its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its place in the gapless series of its project, from 1.
    pub number: u64,
    /// The customer's own id.
    pub customer: String,
    /// The billing period that it closes.
    pub period: Window,
    /// When it was finalised.
    pub finalized_at: Timestamp,
    /// When it is to be paid.
    pub due_at: Timestamp,
    /// The version of the time-zone data that its periods were cut by.
    pub time_zone_data: String,
    /// Whom it is made out to, where that is known.
    #[serde(default, skip_serializing_if = "BillTo::is_empty")]
    pub bill_to: BillTo,
}

/// An invoice that never changes: it can be made of a draft or read back, and looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalInvoice {
    content: Content,
    text: String,
    hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    header: Header,
    lines: Vec<Line>,
    totals: Totals,
    taxes: Vec<TaxRate>,
    tax_mode: TaxMode,
}

/// What was read is not what was finalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TamperedInvoice {
    /// The text's hash is another.
    #[error("the content does not have the hash that it was finalised with")]
    Hash,
    /// The text is no invoice's.
    #[error("the content is no invoice in canonical form")]
    Content,
}

impl FinalInvoice {
    /// Fixes a draft under a header.
    pub fn new(draft: Draft, header: Header) -> Self {
        let Draft { lines, totals, taxes, tax_mode } = draft;
        Self::of(Content { header, lines, totals, taxes, tax_mode })
    }

    /// Reads back what [`Self::text`] and [`Self::hash`] gave.
    pub fn read(text: &str, hash: &str) -> Result<Self, TamperedInvoice> {
        if sha256_hex(text) != hash {
            return Err(TamperedInvoice::Hash);
        }
        let content = serde_json::from_str(text).map_err(|_| TamperedInvoice::Content)?;
        let invoice = Self::of(content);
        if invoice.text == text { Ok(invoice) } else { Err(TamperedInvoice::Content) }
    }

    fn of(content: Content) -> Self {
        let (text, hash) = seal(&content);
        Self { content, text, hash }
    }

    /// Number, customer, period and dates.
    pub fn header(&self) -> &Header {
        &self.content.header
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.content.lines
    }

    /// What the lines add up to.
    pub fn totals(&self) -> Totals {
        self.content.totals
    }

    /// The rates of the tax lines.
    pub fn taxes(&self) -> &[TaxRate] {
        &self.content.taxes
    }

    /// Whether prices contain their tax.
    pub fn tax_mode(&self) -> TaxMode {
        self.content.tax_mode
    }

    /// The content as canonical JSON (RFC 8785).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the canonical text, in lower-case hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}
