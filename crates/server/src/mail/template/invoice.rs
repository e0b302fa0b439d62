//! The mail that brings an invoice.
use askama::Template as _;
use reckoner_domain::id::InvoiceId;
use serde::{Deserialize, Serialize};

/// An invoice as a mail tells of it; the PDF is made when the mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Which is attached.
    pub id: InvoiceId,
    /// Its number.
    pub number: u64,
    /// Who sells.
    pub seller: Option<String>,
    /// What it comes to, with the currency.
    pub total: String,
    /// What is left to pay; none where nothing is.
    pub due: Option<String>,
    /// Until when.
    pub due_at: String,
}

#[derive(askama::Template)]
#[template(path = "mail/invoice_ready.txt")]
struct InvoiceReadyText<'a> {
    subject: &'a str,
    invoice: &'a Invoice,
}

#[derive(askama::Template)]
#[template(path = "mail/invoice_ready.html")]
struct InvoiceReadyHtml<'a> {
    subject: &'a str,
    invoice: &'a Invoice,
}

impl Invoice {
    /// An example.
    pub(super) fn example() -> Self {
        Self {
            id: InvoiceId::from_bits(42),
            number: 42,
            seller: Some("Example Ltd".to_owned()),
            total: "54.00 USD".to_owned(),
            due: Some("54.00 USD".to_owned()),
            due_at: "2026-02-24T13:00:00.000000Z".to_owned(),
        }
    }

    /// The words, as text and as HTML.
    pub(super) fn render(&self, subject: &str) -> Result<(String, String), askama::Error> {
        let text = InvoiceReadyText { subject, invoice: self }.render()?;
        Ok((text, InvoiceReadyHtml { subject, invoice: self }.render()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_already_is_not_asked_for() {
        let paid = Invoice { due: None, seller: None, ..Invoice::example() };
        let (text, html) = paid.render("Your invoice").expect("rendered");
        for form in [&text, &html] {
            assert!(form.contains("Nothing is left to pay") && !form.contains("until"), "{form}");
        }
        let (text, _) = Invoice::example().render("Your invoice").expect("rendered");
        assert!(
            text.contains("Example Ltd") && text.contains("54.00 USD is to be paid until 2026-02-24"),
            "{text}"
        );
    }
}
