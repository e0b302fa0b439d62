//! The mails that bring them.
use super::{lines, read_pdf};
use crate::accounts::{next_mail, outbox};
use crate::mail::server::MailServer;
use crate::native::erasing::erase;
use crate::plans::users::{World, register};
use crate::support::on_both_servers;
use crate::support::server::{Setup, TEST_KEY};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The path of the first invoice of the world's user.
async fn invoice(world: &World) -> String {
    let list = world.server.get(&format!("/v1/invoices?customer={}", world.user)).await.json();
    format!("/v1/invoices/{}", list["data"][0]["id"].as_str().expect("an invoice"))
}

/// Passes over what is mailed at the end of a trial.
async fn skip_trial(world: &World, seen: &mut BTreeSet<PathBuf>) {
    for subject in ["Your trial ends tomorrow", "Your trial has ended"] {
        let mail = next_mail(&world.server, seen).await;
        assert!(mail.contains(subject), "{mail}");
    }
}

/// What is attached to a mail, as its file has it.
fn attached(mail: &str) -> Vec<u8> {
    let (_, part) = mail.split_once("Content-Type: application/pdf").expect("a file");
    let (_, body) = part.split_once("\r\n\r\n").expect("a body");
    let (body, _) = body.split_once("\r\n--").expect("an end");
    STANDARD.decode(body.replace("\r\n", "")).expect("base64")
}

on_both_servers!(a_final_invoice_is_mailed_to_the_people_of_its_customer);
async fn a_final_invoice_is_mailed_to_the_people_of_its_customer(setup: Setup) {
    let world = World::start(setup.env("RECKONER_BILLING_SELLER_NAME", "Example GmbH")).await;
    let world = world.on_plan("basic").await;
    let mut seen = BTreeSet::new();
    let first = next_mail(&world.server, &mut seen).await;
    assert!(first.contains("Please confirm your e-mail address"), "{first}");
    // The trial ends, and billing begins.
    world.server.advance("2026-01-25T12:00:01Z").await;
    skip_trial(&world, &mut seen).await;
    let mail = next_mail(&world.server, &mut seen).await;
    assert!(mail.contains("To: ann@example.com") && mail.contains("Subject: Your invoice"), "{mail}");
    assert!(mail.contains("invoice 1 of 9.00 USD from Example GmbH"), "{mail}");
    assert!(mail.contains("9.00 USD is to be paid until 2026-"), "{mail}");
    assert!(mail.contains("filename=\"invoice-1.pdf\""), "{mail}");
    let path = format!("{}/pdf", invoice(&world).await);
    let served = world.server.request(Method::GET, &path, TEST_KEY).send().await.expect("an answer");
    let raw = std::fs::read_to_string(seen.last().expect("a mail")).expect("text");
    assert_eq!(attached(&raw), served.bytes().await.expect("a file"), "what is mailed is what is served");
    // Somebody else's invoices are not for whoever comes next, and there is no second mail.
    register(&world.server, "bob@example.com").await;
    let next = next_mail(&world.server, &mut seen).await;
    assert!(next.contains("To: bob@example.com") && next.contains("confirm your e-mail"), "{next}");
    assert_eq!(outbox(&world.server), seen, "no other");
}

// A customer that no user stands for, and one whose own address is that of its billing.
on_both_servers!(it_is_mailed_to_where_the_billing_details_say_too);
async fn it_is_mailed_to_where_the_billing_details_say_too(setup: Setup) {
    let world = World::start(setup).await.on_plan("basic").await;
    let details = |customer: &str| format!("/v1/customers/{customer}/billing-details");
    let subscribed = json!({"customer": "acme", "plan": "basic", "trial_days": 0});
    assert_eq!(world.server.post("/v1/subscriptions", subscribed).await.status, 201);
    for (customer, email) in [("acme", "books@acme.example"), (world.user.as_str(), "Ann@example.com")] {
        assert_eq!(world.server.put(&details(customer), json!({"email": email})).await.status, 200);
    }
    let mut seen = BTreeSet::new();
    next_mail(&world.server, &mut seen).await;
    world.server.advance("2026-01-25T12:00:01Z").await;
    // Nobody pays: the first reminder comes a day after the first invoice is due.
    world.server.advance("2026-02-10T00:00:00Z").await;
    register(&world.server, "bob@example.com").await;
    let mut mails = BTreeSet::new();
    loop {
        let mail = next_mail(&world.server, &mut seen).await;
        if mail.contains("To: bob@example.com") {
            break;
        }
        let to = |name: &str| mail.to_ascii_lowercase().contains(&format!("to: {name}"));
        let about =
            ["Your invoice", "Your payment is overdue"].into_iter().find(|about| mail.contains(about));
        let whose = ["ann@example.com", "books@acme.example"].into_iter().find(|name| to(name));
        mails.extend(about.zip(whose));
    }
    let each = ["ann@example.com", "books@acme.example"];
    let abouts = ["Your invoice", "Your payment is overdue"];
    assert_eq!(mails, abouts.into_iter().flat_map(|about| each.map(|name| (about, name))).collect());
    // Nobody knows of the address once the customer is erased.
    erase(&world.server, "acme", "acme").await;
    let texts = || outbox(&world.server).into_iter().map(|path| std::fs::read_to_string(path).expect("text"));
    assert!(texts().all(|text| !text.contains("books@acme.example")));
    assert!(texts().any(|text| text.contains("To: ann@example.com") && text.contains("Your invoice")));
}

#[tokio::test]
async fn the_mails_can_be_turned_off() {
    let setup = Setup::default().env("RECKONER_BILLING_INVOICE_MAILS", "false");
    let world = World::start(setup).await.on_plan("basic").await;
    let mut seen = BTreeSet::new();
    next_mail(&world.server, &mut seen).await;
    world.server.advance("2026-01-25T12:00:01Z").await;
    skip_trial(&world, &mut seen).await;
    invoice(&world).await;
    // Mails leave in the order of making: this one would come after it.
    register(&world.server, "bob@example.com").await;
    let next = next_mail(&world.server, &mut seen).await;
    assert!(next.contains("To: bob@example.com"), "{next}");
    assert_eq!(outbox(&world.server), seen, "no other");
}

#[tokio::test]
async fn a_mail_server_gets_it_with_its_file() {
    let Some(mut server) = MailServer::start() else { return };
    let setup = Setup::default()
        .env("RECKONER_MAIL_SMTP_HOST", "127.0.0.1")
        .env("RECKONER_MAIL_SMTP_PORT", &server.port.to_string())
        .env("RECKONER_MAIL_SMTP_SECURITY", "none");
    let world = World::start(setup).await.on_plan("basic").await;
    assert_eq!(server.mail().await["attached"], serde_json::json!([]));
    world.server.advance("2026-01-25T12:00:01Z").await;
    // Two others tell of the trial's end.
    let arrived = [server.mail().await, server.mail().await, server.mail().await];
    let mail = arrived.iter().find(|mail| mail["subject"] == "Your invoice").expect("the invoice");
    let file = &mail["attached"][0];
    assert_eq!((&file["name"], &file["type"]), (&"invoice-1.pdf".into(), &"application/pdf".into()));
    let bytes = STANDARD.decode(file["base64"].as_str().expect("text")).expect("base64");
    let lines = lines(&read_pdf(&bytes).expect("read"));
    assert!(lines.iter().any(|line| line.contains("Amount due") && line.contains("9.00 USD")), "{lines:#?}");
}
