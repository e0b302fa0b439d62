//! The page.
use super::{buyer, charge, drafted, finalized, january, seller, shown, tiered};
use reckoner_domain::invoice::{InvoiceStatus, LineKind, TaxMode};
use reckoner_server::documents::View;

fn assert_golden(name: &str, view: &View) {
    let html = view.to_html().expect("a page");
    insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
        insta::assert_snapshot!(name, html);
    });
}

#[test]
fn a_page_shows_all_of_an_invoice() {
    assert_golden("invoice", &shown(&tiered()));
}

#[test]
fn a_draft_says_that_it_is_one() {
    let charges = vec![charge(LineKind::Base, "Team", "119")];
    let draft = drafted("EUR", charges, TaxMode::Inclusive, "0");
    assert_golden("invoice_draft", &View::of_draft(&draft, january(), &buyer(), &seller()));
}

#[test]
fn what_others_wrote_is_text_and_nothing_else() {
    let hostile = "<script>alert(1)</script>\"'&\u{0}\u{202e}\n<b>";
    let draft = drafted("USD", vec![charge(LineKind::Base, hostile, "1")], TaxMode::Exclusive, "0");
    let mut seller = seller();
    seller.name = Some(hostile.to_owned());
    seller.note = vec![hostile.to_owned()];
    let mut customer = buyer();
    customer.name = Some(hostile.to_owned());
    customer.id = hostile.to_owned();
    let view = View::of_final(&finalized(draft), InvoiceStatus::Void, &customer, &seller);
    let html = view.to_html().expect("a page");
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("alert(1)</"), "{html}");
    assert!(!html.contains('\u{0}') && !html.contains('\u{202e}'), "{html}");
    assert!(html.contains("This invoice was withdrawn"), "{html}");
    // Nothing but the style that the policy names, and nothing from elsewhere.
    assert_eq!(html.matches("<style>").count(), 1);
    for forbidden in [" style=", " on", "http:", "https:", "@import", "url("] {
        assert!(!html.contains(forbidden) || forbidden == " on", "{forbidden}");
    }
}

#[test]
fn scripts_of_all_directions_are_kept() {
    let name = "Müller 株式会社 😀 שלום";
    let draft = drafted("JPY", vec![charge(LineKind::Base, name, "4900")], TaxMode::Exclusive, "0");
    let html = shown(&finalized(draft)).to_html().expect("a page");
    assert!(html.contains(name) && html.contains("4900") && html.contains("5831 JPY"), "{html}");
}
