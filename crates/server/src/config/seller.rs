//! Who sells: what invoices say of it.
use super::logo::Logo;
use super::reader::{Named, Reader, named};
use reckoner_domain::email::Email;
use std::path::Path;
use std::sync::Arc;

/// Most characters of a line that is shown.
const LINE_CHARS_MAX: usize = 200;
/// Most lines of an address.
const ADDRESS_LINES_MAX: usize = 8;
/// Most characters of the note.
const NOTE_CHARS_MAX: usize = 1_000;
/// Most lines of the note.
const NOTE_LINES_MAX: usize = 20;

/// Who sells, as invoices show it. What is not set is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seller {
    /// Its name.
    pub name: Option<String>,
    /// The lines of its address.
    pub address: Vec<String>,
    /// What tax offices know it by.
    pub tax_id: Option<String>,
    /// Where customers ask.
    pub email: Option<String>,
    /// Its picture.
    pub logo: Option<Arc<Logo>>,
    /// The lines that end every invoice, such as how to pay.
    pub note: Vec<String>,
}

pub(super) fn read_seller(reader: &mut Reader<'_>) -> Seller {
    let name = named("billing.seller_name", "Who sells, as invoices show it.");
    let address = named(
        "billing.seller_address",
        "The seller's address on invoices: up to 8 lines, with line ends or vertical bars between.",
    );
    let tax_id = named("billing.seller_tax_id", "The seller's tax number on invoices.");
    let email = named("billing.seller_email", "Where customers ask about invoices.");
    let note = named(
        "billing.invoice_note",
        "What ends every invoice, such as how to pay: up to 20 lines, with line ends or vertical bars between.",
    );
    Seller {
        name: one_line(reader, name),
        address: lines(reader, address, (ADDRESS_LINES_MAX, ADDRESS_LINES_MAX * LINE_CHARS_MAX)),
        tax_id: one_line(reader, tax_id),
        email: read_email(reader, email),
        logo: read_logo(reader),
        note: lines(reader, note, (NOTE_LINES_MAX, NOTE_CHARS_MAX)),
    }
}

fn one_line(reader: &mut Reader<'_>, about: Named) -> Option<String> {
    let text: String = reader.optional(about, "a text")?;
    let text = text.trim();
    if text.chars().count() > LINE_CHARS_MAX || text.contains(char::is_control) {
        let reason = format!("must be one line of at most {LINE_CHARS_MAX} characters");
        reader.problem(about.name, reason);
    }
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn lines(reader: &mut Reader<'_>, about: Named, (lines_max, chars_max): (usize, usize)) -> Vec<String> {
    let text: Option<String> = reader.optional(about, "a text");
    let lines: Vec<String> = text
        .as_deref()
        .unwrap_or_default()
        .split(['\n', '|'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let chars: usize = lines.iter().map(|line| line.chars().count()).sum();
    if lines.len() > lines_max
        || chars > chars_max
        || lines.iter().any(|line| line.contains(char::is_control))
    {
        let reason = format!(
            "must have at most {lines_max} lines and {chars_max} characters, and no control characters"
        );
        reader.problem(about.name, reason);
    }
    lines
}

fn read_email(reader: &mut Reader<'_>, about: Named) -> Option<String> {
    let text: String = reader.optional(about, "an address")?;
    if Email::parse(&text).is_err() {
        reader.problem(about.name, "must be an address such as billing@example.com");
    }
    Some(text)
}

fn read_logo(reader: &mut Reader<'_>) -> Option<Arc<Logo>> {
    let about = named(
        "billing.seller_logo",
        "The seller's logo on invoices: a PNG or JPEG file of at most 512 KiB and 1,500 x 1,500 pixels.",
    );
    let path: String = reader.optional(about, "a path")?;
    match Logo::read(Path::new(&path)) {
        Ok(logo) => Some(Arc::new(logo)),
        Err(reason) => {
            reader.problem(about.name, reason);
            None
        }
    }
}
