//! An invoice as people read it: texts, in the order in which they are shown. Pure, and the same for
//! every form.
use super::words::{self, clean};
use crate::config::{Logo, Seller};
use reckoner_domain::invoice::{
    Draft, FinalInvoice, InvoiceStatus, Line, LineKind, TaxMode, TaxRate, Totals,
};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::sync::Arc;

/// Whom an invoice is for. What is not known is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// The customer's own id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// The lines of its address.
    pub address: Vec<String>,
    /// What tax offices know it by.
    pub tax_id: Option<String>,
}

/// An invoice, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is called: `Invoice 2`.
    pub title: String,
    /// A safe name of a file of it, without ending.
    pub file_name: String,
    /// Where it stands.
    pub status: &'static str,
    /// The seller's picture.
    pub logo: Option<Arc<Logo>>,
    /// Who sells.
    pub seller: Party,
    /// Whom it is for.
    pub customer: Party,
    /// Numbers and dates, each with what it is.
    pub facts: Vec<Fact>,
    /// ISO 4217.
    pub currency: String,
    /// What is charged for.
    pub rows: Vec<Row>,
    /// What that adds up to; the last one is what is to be paid.
    pub totals: Vec<Total>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The SHA-256 of the content; none for a draft.
    pub hash: Option<String>,
    /// When it became final; never for a draft.
    pub issued_at: Option<Timestamp>,
}

/// Who sells, or buys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The name, where there is one.
    pub name: Option<String>,
    /// Address, numbers.
    pub lines: Vec<String>,
}

/// A number or a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is charged for.
    pub description: String,
    /// For which time, and how the amount comes about.
    pub notes: Vec<String>,
    /// How much of it; empty where nothing is counted.
    pub quantity: String,
    /// The amount, as the invoice has it.
    pub amount: String,
}

/// A sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Of what.
    pub name: String,
    /// The amount with its currency, as the invoice has it.
    pub amount: String,
}

/// What drafts and final invoices have in common.
struct Content<'a> {
    lines: &'a [Line],
    totals: Totals,
    taxes: &'a [TaxRate],
    tax_mode: TaxMode,
}

impl View {
    /// Of an invoice that never changes.
    pub fn of_final(
        invoice: &FinalInvoice,
        status: InvoiceStatus,
        customer: &Customer,
        seller: &Seller,
    ) -> Self {
        let header = invoice.header();
        let content = Content {
            lines: invoice.lines(),
            totals: invoice.totals(),
            taxes: invoice.taxes(),
            tax_mode: invoice.tax_mode(),
        };
        let fact = |name, value| Fact { name, value };
        let mut facts =
            vec![fact("Number", header.number.to_string()), fact("Date", words::moment(header.finalized_at))];
        if !content.totals.due.is_zero() {
            facts.push(fact("Due", words::moment(header.due_at)));
        }
        facts.extend(period_fact(header.period));
        Self {
            title: format!("Invoice {}", header.number),
            file_name: format!("invoice-{}", header.number),
            status: words::status(status),
            facts,
            notes: notes(status, seller),
            hash: Some(invoice.hash().to_owned()),
            issued_at: Some(header.finalized_at),
            ..content.view(customer, seller)
        }
    }

    /// Of what the next invoice would be.
    pub fn of_draft(draft: &Draft, period: Window, customer: &Customer, seller: &Seller) -> Self {
        let content = Content {
            lines: &draft.lines,
            totals: draft.totals,
            taxes: &draft.taxes,
            tax_mode: draft.tax_mode,
        };
        Self {
            title: "DRAFT of an invoice".to_owned(),
            file_name: "invoice-draft".to_owned(),
            status: words::status(InvoiceStatus::Draft),
            facts: period_fact(period).into_iter().collect(),
            notes: notes(InvoiceStatus::Draft, seller),
            ..content.view(customer, seller)
        }
    }
}

impl Content<'_> {
    fn view(&self, customer: &Customer, seller: &Seller) -> View {
        let shown = |line: &&Line| !matches!(line.kind, LineKind::Tax | LineKind::Wallet);
        View {
            title: String::new(),
            file_name: String::new(),
            status: "",
            logo: seller.logo.clone(),
            seller: party(
                seller.name.as_deref(),
                &seller.address,
                [("Tax number", &seller.tax_id), ("", &seller.email)],
            ),
            customer: party(
                customer.name.as_deref(),
                &customer.address,
                [("Tax number", &customer.tax_id), ("Customer", &Some(customer.id.clone()))],
            ),
            facts: Vec::new(),
            currency: self.totals.due.currency().code().to_owned(),
            rows: self.lines.iter().filter(shown).map(|line| row(line, self.taxes)).collect(),
            totals: self.totals(),
            notes: Vec::new(),
            hash: None,
            issued_at: None,
        }
    }

    fn totals(&self) -> Vec<Total> {
        let total =
            |name: &str, amount: &dyn ToString| Total { name: name.to_owned(), amount: amount.to_string() };
        let of_kind = |kind| self.lines.iter().filter(move |line| line.kind == kind);
        let is_inclusive = self.tax_mode == TaxMode::Inclusive;
        let mut totals = vec![total("Subtotal", &self.totals.subtotal)];
        for line in of_kind(LineKind::Tax) {
            let name = clean(&line.description);
            let name = if is_inclusive { format!("of which {name}") } else { name };
            totals.push(total(&name, &line.amount));
        }
        totals.push(total("Total", &self.totals.total));
        totals.extend(of_kind(LineKind::Wallet).map(|line| total(&clean(&line.description), &line.amount)));
        totals.push(total("Amount due", &self.totals.due));
        totals
    }
}

fn party(name: Option<&str>, address: &[String], rest: [(&str, &Option<String>); 2]) -> Party {
    let named = |(what, value): (&str, &Option<String>)| {
        let value = clean(value.as_deref()?);
        Some(if what.is_empty() { value } else { format!("{what}: {value}") })
    };
    let lines = address.iter().map(|line| clean(line)).chain(rest.into_iter().filter_map(named));
    Party { name: name.map(clean), lines: lines.collect() }
}

/// The period that is closed; none where billing only begins.
fn period_fact(period: Window) -> Option<Fact> {
    (period.start < period.end).then(|| Fact { name: "Period", value: words::period(period) })
}

fn row(line: &Line, taxes: &[TaxRate]) -> Row {
    let mut notes = vec![match line.period {
        Some(period) => format!("{}, {}", words::kind(line.kind), words::period(period)),
        None => words::kind(line.kind).to_owned(),
    }];
    if let Some(share) = line.share {
        notes.push(format!("{} of the period's {} seconds", share.part_s, share.whole_s));
    }
    if let Some(measured) = line.measured {
        if !measured.included.is_zero() {
            notes.push(format!("{} included", measured.included));
        }
        if measured.was_negative {
            notes.push("Usage was below zero and counts as none".to_owned());
        }
    }
    notes.extend(line.details.iter().map(words::detail));
    if line.measured.is_some_and(|measured| measured.is_capped) {
        notes.push("No more than the maximum is charged".to_owned());
    }
    if let Some(exact) = line.exact.filter(|exact| *exact != line.amount.exact()) {
        notes.push(format!("{exact}, rounded half to even"));
    }
    if let Some(rate) = line.tax.as_ref().and_then(|key| taxes.iter().find(|rate| rate.key == *key)) {
        notes.push(clean(&format!("{} {} %", rate.name, rate.percent)));
    }
    Row {
        description: clean(&line.description),
        notes,
        quantity: line.measured.map(|measured| measured.units.to_string()).unwrap_or_default(),
        amount: line.amount.amount(),
    }
}

fn notes(status: InvoiceStatus, seller: &Seller) -> Vec<String> {
    let of_status = match status {
        InvoiceStatus::Draft => {
            Some("This is no invoice yet: it follows what is used until its period ends.")
        }
        InvoiceStatus::Void => Some("This invoice was withdrawn and is not to be paid."),
        InvoiceStatus::Paid => Some("Nothing is left to pay."),
        InvoiceStatus::Finalized | InvoiceStatus::Uncollectible => None,
    };
    let times = "Times are in UTC; a period ends right before its end.";
    of_status
        .into_iter()
        .chain([times])
        .map(str::to_owned)
        .chain(seller.note.iter().map(|line| clean(line)))
        .collect()
}
