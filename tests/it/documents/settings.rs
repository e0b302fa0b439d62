//! What operators say of who sells.
use super::pdf::png_with_a_hole;
use crate::support::command::reckoner;
use tempfile::TempDir;

#[test]
fn what_is_wrong_of_the_seller_is_told_with_the_rest() {
    let dir = TempDir::new().expect("a directory");
    let svg = dir.path().join("logo.svg");
    std::fs::write(&svg, "<svg/>").expect("written");
    let long = "x".repeat(201);
    let lines = "a|".repeat(9);
    let env = [
        ("RECKONER_BILLING_SELLER_NAME", long.as_str()),
        ("RECKONER_BILLING_SELLER_ADDRESS", &lines),
        ("RECKONER_BILLING_SELLER_TAX_ID", "a\nb"),
        ("RECKONER_BILLING_SELLER_EMAIL", "nobody"),
        ("RECKONER_BILLING_SELLER_LOGO", svg.to_str().expect("a path")),
        ("RECKONER_BILLING_INVOICE_NOTE", "a\u{7}b"),
        ("RECKONER_BILLING_INVOICE_MAILS", "perhaps"),
    ];
    let ended = reckoner(&["config", "check"], &env);
    assert_eq!(ended.code, 1, "{ended:?}");
    for name in [
        "seller_name",
        "seller_address",
        "seller_tax_id",
        "seller_email",
        "seller_logo",
        "invoice_note",
        "invoice_mails",
    ] {
        assert!(ended.err.contains(&format!("- billing.{name}: ")), "{name} in {}", ended.err);
    }
    let gone = reckoner(&["config", "check"], &[("RECKONER_BILLING_SELLER_LOGO", "/no/such/logo.png")]);
    assert!(gone.err.contains("- billing.seller_logo: /no/such/logo.png cannot be read"), "{gone:?}");
}

#[test]
fn a_good_seller_is_taken() {
    let dir = TempDir::new().expect("a directory");
    let logo = dir.path().join("logo.png");
    std::fs::write(&logo, png_with_a_hole()).expect("written");
    let toml = format!(
        "[billing]\nseller_name = \"Example GmbH\"\nseller_address = \"\"\"\nHauptstraße 1\n10115 Berlin\n\"\"\"\nseller_logo = {:?}\ninvoice_mails = false\n",
        logo.to_str().expect("a path")
    );
    let file = dir.path().join("reckoner.toml");
    std::fs::write(&file, toml).expect("written");
    let ended = reckoner(&["config", "check", "--config", file.to_str().expect("a path")], &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("Example GmbH"), "{ended:?}");
}
