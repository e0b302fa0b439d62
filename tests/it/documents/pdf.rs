//! The PDF, read back by a library that had no part in writing it.
use super::{at, buyer, charge, drafted, finalized, january, lines, read_pdf, seller, shown, tiered};
use reckoner_domain::invoice::{FinalInvoice, InvoiceStatus, LineKind, TaxMode};
use reckoner_server::config::Logo;
use reckoner_server::documents::View;
use std::sync::Arc;

fn pdf(view: &View) -> Vec<u8> {
    view.to_pdf().expect("a PDF")
}

/// Whether one line holds all of these, in this order.
fn has_line(lines: &[String], parts: &[&str]) -> bool {
    lines.iter().any(|line| {
        let mut rest = line.as_str();
        parts.iter().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

#[test]
fn its_text_is_the_invoice() {
    let Some(read) = read_pdf(&pdf(&shown(&tiered()))) else { return };
    let lines = lines(&read);
    for parts in [
        &["Müller & Söhne GmbH"][..],
        &["Invoice 42"],
        &["10115 Berlin"],
        &["Tax number: DE123456789"],
        &["billing@example.com"],
        &["Acme <script>alert(1)</script> Ltd"],
        &["Customer: acme"],
        &["Due", "2026-02-15 01:00"],
        &["Period", "2026-01-01 to 2026-02-01"],
        &["Description", "Quantity", "Amount (USD)"],
        &["Pro <Team>", "49.00"],
        &["api.calls", "12445", "64.34"],
        &["100 included"],
        &["Tier 2: 9000 units × 0.005 + 2 = 47"],
        &["Tier 3: 2345 units × 0.001 + 5 = 7.345"],
        &["64.345, rounded half to even"],
        &["api.calls, 2025-12-01 to 2026-01-01", "-2.25"],
        &["Subtotal", "111.09 USD"],
        &["VAT 19 %", "21.11 USD"],
        &["Total", "132.20 USD"],
        &["Paid from the wallet", "-10.00 USD"],
        &["Amount due", "122.20 USD"],
        &["Please pay by transfer."],
        &["SHA-256 of the content: ", tiered().hash()],
        &["1 of 1"],
    ] {
        assert!(has_line(&lines, parts), "{parts:?} in {lines:#?}");
    }
    let about = &read["about"];
    assert_eq!(about["/Title"], "Invoice 42");
    assert_eq!(about["/Author"], "Müller & Söhne GmbH");
    for name in ["/CreationDate", "/ModDate"] {
        assert_eq!(about[name], "D:20260201010000Z", "{about}");
    }
}

#[test]
fn its_fonts_are_parts_and_inside() {
    let Some(read) = read_pdf(&pdf(&shown(&tiered()))) else { return };
    let fonts = read["fonts"].as_array().expect("fonts");
    assert_eq!(fonts.len(), 2);
    for font in fonts {
        assert!(font["name"].as_str().is_some_and(|name| name.contains("+DejaVuSansCondensed")), "{font}");
        let size = font["program_bytes"].as_u64().expect("a size");
        assert!((1_000..100_000).contains(&size), "{font}");
        assert_eq!(font["has_unicode"], true);
    }
}

#[test]
fn amounts_are_those_of_the_currency_and_of_the_tax() {
    for (currency, amount, total) in
        [("JPY", "4900", "5831"), ("USD", "49.00", "58.31"), ("BHD", "49.000", "58.310")]
    {
        let exact = amount.trim_end_matches(".00").trim_end_matches(".000");
        let charges = || vec![charge(LineKind::Base, "Pro", exact)];
        let Some(read) =
            read_pdf(&pdf(&shown(&finalized(drafted(currency, charges(), TaxMode::Exclusive, "0")))))
        else {
            return;
        };
        let exclusive = lines(&read);
        assert!(has_line(&exclusive, &["Pro", amount]), "{exclusive:#?}");
        assert!(has_line(&exclusive, &["Amount due", &format!("{total} {currency}")]), "{exclusive:#?}");
        let inclusive = shown(&finalized(drafted(currency, charges(), TaxMode::Inclusive, "0")));
        let inclusive = lines(&read_pdf(&pdf(&inclusive)).expect("read"));
        assert!(has_line(&inclusive, &["of which VAT 19 %"]), "{inclusive:#?}");
        assert!(has_line(&inclusive, &["Amount due", &format!("{amount} {currency}")]), "{inclusive:#?}");
    }
}

#[test]
fn a_credit_is_negative_and_goes_to_the_wallet() {
    let charges = vec![charge(LineKind::Base, "Pro, given back", "-98/3")];
    let invoice = finalized(drafted("USD", charges, TaxMode::Exclusive, "0"));
    let view = View::of_final(&invoice, InvoiceStatus::Paid, &buyer(), &seller());
    let Some(read) = read_pdf(&pdf(&view)) else { return };
    let lines = lines(&read);
    for parts in [
        &["Pro, given back", "-32.67"][..],
        &["-98/3, rounded half to even"],
        &["Credited to the wallet", "38.88 USD"],
        &["Amount due", "0.00 USD"],
        &["Paid"],
        &["Nothing is left to pay."],
    ] {
        assert!(has_line(&lines, parts), "{parts:?} in {lines:#?}");
    }
}

/// An invoice of so many lines.
fn of_lines(count: usize) -> FinalInvoice {
    let one = |number: usize| {
        let text =
            format!("Line {number:04}: of the workspace that has the longest of all names, and more of it");
        charge(LineKind::Usage, &text, &number.to_string())
    };
    finalized(drafted("USD", (1..=count).map(one).collect(), TaxMode::Exclusive, "0"))
}

#[test]
fn a_long_invoice_goes_on_on_further_pages() {
    let Some(read) = read_pdf(&pdf(&shown(&of_lines(300)))) else { return };
    let pages = read["pages"].as_array().expect("pages");
    assert!((10..40).contains(&pages.len()), "{} pages", pages.len());
    for (page, number) in pages.iter().zip(1..) {
        let text: Vec<String> = page
            .as_array()
            .expect("lines")
            .iter()
            .map(|line| line.as_str().expect("text").to_owned())
            .collect();
        let heads = text.iter().filter(|line| line.contains("Amount (USD)")).count();
        assert_eq!(heads, 1, "page {number}: {text:#?}");
        assert!(has_line(&text, &[&format!("{number} of {}", pages.len())]), "page {number}: {text:#?}");
    }
    let lines = lines(&read);
    for number in 1..=300 {
        assert!(has_line(&lines, &[&format!("Line {number:04}:"), &format!("{number}.00")]), "line {number}");
    }
    assert!(has_line(&lines, &["Subtotal", "45150.00 USD"]));
}

#[test]
fn two_thousand_lines_are_no_trouble() {
    let Some(read) = read_pdf(&pdf(&shown(&of_lines(2_000)))) else { return };
    assert!(has_line(&lines(&read), &["Line 2000:", "2000.00"]));
}

#[test]
fn the_same_invoice_gives_the_same_bytes() {
    let invoice = tiered();
    let again = FinalInvoice::read(invoice.text(), invoice.hash()).expect("read back");
    assert_eq!(pdf(&shown(&invoice)), pdf(&shown(&again)));
    let void = View::of_final(&invoice, InvoiceStatus::Void, &buyer(), &seller());
    assert_ne!(pdf(&shown(&invoice)), pdf(&void));
}

#[test]
fn any_text_can_be_drawn_and_copied() {
    let (plain, japanese, emoji) = ("Ångström Žižek Ελλάδα Россия", "株式会社", "🧾😀");
    let hostile = "a\u{0}b\u{7}c\u{202e}d\u{fffe}\u{e000}\u{10ffff}\te\u{301}";
    let long = "W".repeat(5_000);
    let texts = [plain, japanese, emoji, hostile, &long, "", " ", "שלום", "مرحبا"];
    let charges = texts.iter().map(|text| charge(LineKind::Base, text, "1")).collect();
    let mut customer = buyer();
    customer.name = Some(format!("{japanese} {emoji}"));
    customer.address = vec![hostile.to_owned(), long.clone()];
    let invoice = finalized(drafted("USD", charges, TaxMode::Exclusive, "0"));
    let view = View::of_final(&invoice, InvoiceStatus::Finalized, &customer, &seller());
    let Some(read) = read_pdf(&pdf(&view)) else { return };
    let lines = lines(&read);
    for part in [plain, japanese, emoji, "a\u{fffd}b\u{fffd}c\u{fffd}d"] {
        assert!(has_line(&lines, &[part]), "{part} in {lines:#?}");
    }
    assert!(lines.iter().any(|line| line.ends_with('…')), "what is too long is cut");
}

#[test]
fn a_draft_is_marked_and_has_no_date() {
    let draft = drafted("USD", vec![charge(LineKind::Base, "Pro", "49")], TaxMode::Exclusive, "0");
    let view = View::of_draft(&draft, january(), &buyer(), &seller());
    let Some(read) = read_pdf(&pdf(&view)) else { return };
    let lines = lines(&read);
    assert!(
        has_line(&lines, &["DRAFT of an invoice"]) && has_line(&lines, &["This is no invoice yet"]),
        "{lines:#?}"
    );
    assert!(!lines.iter().any(|line| line.contains("SHA-256")), "{lines:#?}");
    assert_eq!(read["about"]["/CreationDate"], serde_json::Value::Null);
    assert_eq!(january().start, at("2026-01-01T00:00:00Z"));
}

/// A PNG with a hole in it.
pub fn png_with_a_hole() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 3, 2);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().expect("a header");
    let pixels: Vec<u8> =
        (0..6).flat_map(|number| [200, 30, 30, if number == 2 { 0 } else { 255 }]).collect();
    writer.write_image_data(&pixels).expect("pixels");
    writer.finish().expect("an end");
    file
}

#[test]
fn the_logo_is_inside() {
    let mut seller = seller();
    seller.logo = Some(Arc::new(Logo::parse(png_with_a_hole()).expect("a logo")));
    let view = View::of_final(&tiered(), InvoiceStatus::Finalized, &buyer(), &seller);
    assert!(view.to_html().expect("a page").contains("src=\"data:image/png;base64,"));
    let Some(read) = read_pdf(&pdf(&view)) else { return };
    let picture = serde_json::json!([{"width": 3, "height": 2, "filter": "/FlateDecode", "has_mask": true}]);
    assert_eq!(read["pictures"], picture);
    assert!(has_line(&lines(&read), &["Müller & Söhne GmbH"]));
}
