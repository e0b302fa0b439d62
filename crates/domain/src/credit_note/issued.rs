//! Credit notes as they were issued: content that never changes, and its hash.
use super::CreditNote;
use crate::billing_details::BillTo;
use crate::money::{Money, MoneyError};
use crate::sealed::seal;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a credit note says beside what it gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditHeader {
    /// Its place in the gapless series of its project, from 1.
    pub number: u64,
    /// The number of the invoice.
    pub invoice: u64,
    /// The customer's own id.
    pub customer: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whom it is made out to, where that is known.
    #[serde(default, skip_serializing_if = "BillTo::is_empty")]
    pub bill_to: BillTo,
}

/// Where the money of a credit note goes; together its total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// Off what is left to pay of the invoice.
    pub invoice: Money,
    /// Into the customer's wallet.
    pub wallet: Money,
    /// Paid back by other means.
    pub outside: Money,
}

impl Settlement {
    /// Takes a total off what is left to pay, as far as that goes; the rest goes into the wallet, or is paid back by
    /// other means.
    pub fn of(total: Money, left: Money, outside: bool) -> Result<Self, MoneyError> {
        let invoice = total.least(left)?;
        let rest = total.minus(invoice)?;
        let nothing = Money::zero(total.currency());
        let (wallet, outside) = if outside { (nothing, rest) } else { (rest, nothing) };
        Ok(Self { invoice, wallet, outside })
    }
}

/// A credit note that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCreditNote {
    content: Content,
    text: String,
    hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    header: CreditHeader,
    note: CreditNote,
    settlement: Settlement,
}

/// What was read is not what was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content is not that of the credit note that was issued")]
pub struct TamperedCreditNote;

impl IssuedCreditNote {
    /// Fixes a credit note under a header.
    pub fn new(note: CreditNote, header: CreditHeader, settlement: Settlement) -> Self {
        Self::of(Content { header, note, settlement })
    }

    /// Reads back what [`Self::text`] and [`Self::hash`] gave.
    pub fn read(text: &str, hash: &str) -> Result<Self, TamperedCreditNote> {
        let content = serde_json::from_str(text).map_err(|_| TamperedCreditNote)?;
        let note = Self::of(content);
        if note.text == text && note.hash == hash { Ok(note) } else { Err(TamperedCreditNote) }
    }

    fn of(content: Content) -> Self {
        let (text, hash) = seal(&content);
        Self { content, text, hash }
    }

    /// Numbers, customer and date.
    pub fn header(&self) -> &CreditHeader {
        &self.content.header
    }

    /// What it gives back.
    pub fn note(&self) -> &CreditNote {
        &self.content.note
    }

    /// Where that goes.
    pub fn settlement(&self) -> Settlement {
        self.content.settlement
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
