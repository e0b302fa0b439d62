use super::*;
use crate::billing_details::BillTo;
use crate::golden::invoices::assemble;
use crate::invoice::Header;
use crate::time::Timestamp;
use crate::window::Window;
use proptest::prelude::*;
use serde_json::{Value, json};

fn invoice(given: &Value) -> FinalInvoice {
    let period = Window { start: Timestamp::EPOCH, end: Timestamp::EPOCH };
    let header = Header {
        number: 1,
        customer: "acme".to_owned(),
        period,
        finalized_at: period.end,
        due_at: period.end,
        time_zone_data: String::new(),
        bill_to: BillTo::default(),
    };
    FinalInvoice::new(assemble(given), header)
}

fn euro(amount: &str) -> Money {
    Money::parse(amount, "EUR".parse().expect("a currency")).expect("an amount")
}

fn part(line: usize, amount: &str) -> CreditedLine {
    CreditedLine { line, amount: euro(amount) }
}

fn two_lines(mode: &str) -> FinalInvoice {
    invoice(&json!({
        "currency": "EUR",
        "charges": [
            {"kind": "base", "amount": "10", "description": "Base", "tax": "vat"},
            {"kind": "usage", "amount": "0.05", "description": "Usage", "tax": "vat"},
        ],
        "taxes": [{"key": "vat", "name": "VAT", "percent": "19"}],
        "tax_mode": mode,
    }))
}

#[test]
fn tax_is_in_proportion_and_the_last_takes_the_rest() {
    // 10.05 x 19 % = 1.9095, so 1.91 of tax; 3.33 of 10.05 is 0.63 of it.
    let invoice = two_lines("exclusive");
    let mut notes = Vec::new();
    for (parts, tax, total) in [
        (vec![part(0, "3.33")], "0.63", "3.96"),
        (vec![part(0, "3.33")], "0.63", "3.96"),
        (vec![part(0, "3.34"), part(1, "0.01")], "0.64", "3.99"),
        (vec![part(1, "0.04")], "0.01", "0.05"),
    ] {
        let note = credit(&invoice, &notes, &parts).expect("within the lines");
        assert_eq!((note.taxes[0].amount, note.total), (euro(tax), euro(total)));
        notes.push(note);
    }
    let whole = Money::total(notes.iter().map(|note| note.total), euro("0").currency());
    assert_eq!(whole, Ok(invoice.totals().total));
    assert_eq!(
        credit(&invoice, &notes, &[part(1, "0.01")]),
        Err(CreditError::ExceedsLine { line: 1, left: euro("0") })
    );
}

#[test]
fn no_more_tax_is_given_back_than_there_is() {
    let invoice = invoice(&json!({
        "currency": "EUR",
        "charges": [{"kind": "base", "amount": "10", "description": "Base", "tax": "t"}],
        "taxes": [{"key": "t", "name": "Tax", "percent": "6"}],
    }));
    // 0.10 of 10 is 0.006 of the tax of 0.60: rounded up, it is used up by the 60th note.
    let mut notes: Vec<CreditNote> = Vec::new();
    for _ in 0..100 {
        notes.push(credit(&invoice, &notes, &[part(0, "0.10")]).expect("within the line"));
    }
    let totals: Vec<Money> = notes.iter().map(|note| note.total).collect();
    assert_eq!(totals[..60], [euro("0.11"); 60]);
    assert_eq!(totals[60..], [euro("0.10"); 40]);
}

#[test]
fn tax_that_is_contained_does_not_add_to_the_note() {
    let note = credit(&two_lines("inclusive"), &[], &[part(0, "10")]).expect("within the lines");
    // 1.60 of 10.05 is tax; 10 of 10.05 of it.
    assert_eq!((note.taxes[0].amount, note.total), (euro("1.59"), euro("10")));
}

#[test]
fn a_discounted_line_gives_back_what_was_paid_of_it() {
    let invoice = invoice(&json!({
        "currency": "EUR",
        "charges": [{"kind": "base", "amount": "100", "description": "Team"}],
        "coupons": [{"key": "half", "percent": "50"}],
    }));
    assert_eq!(
        credit(&invoice, &[], &[part(0, "50.01")]),
        Err(CreditError::ExceedsLine { line: 0, left: euro("50") })
    );
    assert_eq!(credit(&invoice, &[], &[part(0, "50")]).map(|note| note.total), Ok(euro("50")));
    assert_eq!(credit(&invoice, &[], &[part(1, "1")]), Err(CreditError::NoSuchLine(1)));
}

#[test]
fn refuses_what_is_no_credit() {
    let invoice = two_lines("exclusive");
    for (parts, error) in [
        (vec![], CreditError::Nothing),
        (vec![part(2, "1")], CreditError::NoSuchLine(2)),
        (vec![part(9, "1")], CreditError::NoSuchLine(9)),
        (vec![part(0, "0")], CreditError::NotPositive(0)),
        (vec![part(0, "-1")], CreditError::NotPositive(0)),
        (vec![part(0, "6"), part(0, "6")], CreditError::ExceedsLine { line: 0, left: euro("4") }),
    ] {
        assert_eq!(credit(&invoice, &[], &parts), Err(error));
    }
    let dollar = Money::parse("1", "USD".parse().expect("a currency")).expect("an amount");
    let foreign = credit(&invoice, &[], &[CreditedLine { line: 0, amount: dollar }]);
    assert!(matches!(foreign, Err(CreditError::Money(MoneyError::Currencies(..)))));
}

#[test]
fn lines_below_zero_lower_what_may_be_given_back_of_the_others() {
    let invoice = invoice(&json!({
        "currency": "EUR",
        "charges": [
            {"kind": "base", "amount": "-30", "description": "Small, given back"},
            {"kind": "base", "amount": "100", "description": "Large"},
        ],
    }));
    assert_eq!(
        credit(&invoice, &[], &[part(1, "70.01")]),
        Err(CreditError::ExceedsRate { line: 1, left: euro("70") })
    );
    assert_eq!(
        credit(&invoice, &[], &[part(0, "1")]),
        Err(CreditError::ExceedsLine { line: 0, left: euro("0") })
    );
    assert_eq!(credit(&invoice, &[], &[part(1, "70")]).map(|note| note.total), Ok(euro("70")));
}

proptest! {
    #[test]
    fn notes_over_everything_give_back_the_total_and_never_more(
        amounts in prop::collection::vec(1_i128..2_000, 1..4),
        cuts in prop::collection::vec((0_usize..4, 1_i128..400), 0..30),
        inclusive in any::<bool>(),
    ) {
        let charges: Vec<Value> = amounts.iter().map(|cents| json!({
            "kind": "usage", "amount": format!("{cents}/100"), "description": "Usage", "tax": "vat",
        })).collect();
        let invoice = invoice(&json!({
            "currency": "EUR",
            "charges": charges,
            "taxes": [{"key": "vat", "name": "VAT", "percent": "19"}],
            "tax_mode": if inclusive { "inclusive" } else { "exclusive" },
        }));
        let currency = euro("0").currency();
        let mut left = amounts.clone();
        let mut notes = Vec::new();
        let rest: Vec<(usize, i128)> = (0..amounts.len()).map(|line| (line, i128::MAX)).collect();
        for (line, cents) in cuts.into_iter().chain(rest) {
            let Some(cents) = left.get(line).map(|left| cents.min(*left)).filter(|cents| *cents > 0) else { continue };
            left[line] -= cents;
            let amount = Money::from_minor(cents, currency).expect("fits");
            let note = credit(&invoice, &notes, &[CreditedLine { line, amount }]).expect("within the line");
            prop_assert!(note.taxes.iter().all(|tax| !tax.amount.is_negative()));
            notes.push(note);
        }
        let total = Money::total(notes.iter().map(|note| note.total), currency);
        prop_assert_eq!(total, Ok(invoice.totals().total));
        let tax = Money::total(notes.iter().flat_map(|note| &note.taxes).map(|tax| tax.amount), currency);
        prop_assert_eq!(tax, Ok(invoice.totals().tax));
    }
}
