//! Where they are asked for.
use super::{lines, read_pdf};
use crate::plans::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn fetch(server: &Server, path: &str, known: Option<&str>) -> Response {
    let mut request = server.request(Method::GET, path, TEST_KEY);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    request.send().await.expect("an answer")
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}

/// The first invoice of a customer on plan `pro`, and its subscription.
async fn first_invoice(server: &Server) -> (String, Value) {
    with_analytics(server).await;
    let customer = json!({"external_id": "acme", "display_name": "Acme <Ltd>"});
    assert_eq!(server.post("/v1/customers", customer).await.status, 201);
    let subscription = subscribe(server, "acme", "pro").await;
    server.advance("2026-01-10T12:00:01Z").await;
    let list = server.get("/v1/invoices?customer=acme").await.json();
    (format!("/v1/invoices/{}", list["data"][0]["id"].as_str().expect("an id")), subscription)
}

fn setup_with_seller(setup: Setup) -> Setup {
    setup
        .env("RECKONER_BILLING_SELLER_NAME", "Example GmbH")
        .env("RECKONER_BILLING_SELLER_ADDRESS", "Hauptstraße 1|10115 Berlin")
        .env("RECKONER_BILLING_INVOICE_NOTE", "Thank you.")
}

on_both_servers!(an_invoice_is_served_as_a_page_and_as_pdf);
async fn an_invoice_is_served_as_a_page_and_as_pdf(setup: Setup) {
    let server = setup_with_seller(setup).start();
    let (path, _) = first_invoice(&server).await;
    let page = fetch(&server, &format!("{path}/html"), None).await;
    assert_eq!(
        (page.status().as_u16(), header(&page, "content-type").as_str()),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(header(&page, "content-disposition"), "inline; filename=\"invoice-1.html\"");
    let policy = header(&page, "content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = page.text().await.expect("a page");
    for part in ["Example GmbH", "10115 Berlin", "Acme &#60;Ltd&#62;", "49.00", "Thank you."] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let file = fetch(&server, &format!("{path}/pdf"), None).await;
    assert_eq!((file.status().as_u16(), header(&file, "content-type").as_str()), (200, "application/pdf"));
    assert_eq!(header(&file, "content-disposition"), "attachment; filename=\"invoice-1.pdf\"");
    assert_eq!(header(&file, "cache-control"), "private, no-cache");
    let tag = header(&file, "etag");
    let bytes = file.bytes().await.expect("a file");
    assert!(bytes.starts_with(b"%PDF-1."));
    let known = fetch(&server, &format!("{path}/pdf"), Some(&format!("\"other\", W/{tag}"))).await;
    assert_eq!((known.status().as_u16(), header(&known, "etag")), (304, tag.clone()));
    assert!(known.bytes().await.expect("nothing").is_empty());
    // What becomes of it is shown, so it is another file.
    server.post(&format!("{path}/void"), json!({})).await;
    let void = fetch(&server, &format!("{path}/pdf"), Some(&tag)).await;
    assert_eq!(void.status().as_u16(), 200);
    let void = void.bytes().await.expect("a file");
    assert_ne!(bytes, void);
    if let Some(read) = read_pdf(&void) {
        let lines = lines(&read);
        assert!(lines.iter().any(|line| line.contains("withdrawn")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("Acme <Ltd>")), "{lines:#?}");
    }
}

on_both_servers!(the_next_invoice_is_served_as_a_draft);
async fn the_next_invoice_is_served_as_a_draft(setup: Setup) {
    let server = setup.start();
    let (_, subscription) = first_invoice(&server).await;
    let path = format!("/v1/subscriptions/{}/upcoming-invoice", subscription["id"].as_str().expect("an id"));
    let page = fetch(&server, &format!("{path}/html"), None).await;
    assert_eq!(header(&page, "content-disposition"), "inline; filename=\"invoice-draft.html\"");
    assert!(page.text().await.expect("a page").contains("<h1>DRAFT of an invoice</h1>"));
    let file = fetch(&server, &format!("{path}/pdf"), None).await;
    assert_eq!(header(&file, "content-disposition"), "attachment; filename=\"invoice-draft.pdf\"");
    assert!(file.bytes().await.expect("a file").starts_with(b"%PDF-1."));
    server.post(&path.replace("upcoming-invoice", "cancel"), json!({"when": "now"})).await;
    server.advance("2026-03-10T12:00:00Z").await;
    for form in ["html", "pdf"] {
        let gone = server.get(&format!("{path}/{form}")).await;
        assert_eq!((gone.status.as_u16(), &gone.json()["code"]), (404, &json!("not_found")), "{form}");
    }
}

#[tokio::test]
async fn only_who_may_read_the_invoice_gets_it() {
    let server = Server::start();
    let (path, _) = first_invoice(&server).await;
    for form in ["html", "pdf"] {
        let path = format!("{path}/{form}");
        let other = server.request(Method::GET, &path, LIVE_KEY).send().await.expect("an answer");
        assert_eq!(other.status().as_u16(), 404, "{form} of another project");
        assert_eq!(server.bare(Method::GET, &path).send().await.expect("an answer").status().as_u16(), 401);
        let ingest = server.post("/v1/api-keys", json!({"scopes": ["ingest"]})).await.json();
        let key = ingest["key"].as_str().expect("a key");
        let refused = server.request(Method::GET, &path, key).send().await.expect("an answer");
        assert_eq!(refused.status().as_u16(), 403, "{form} without the scope");
        assert_eq!(server.get(&format!("/v1/invoices/inv_1/{form}")).await.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn who_was_erased_is_not_named() {
    let server = Server::start();
    let (path, _) = first_invoice(&server).await;
    let erased = server.post("/v1/customers/acme/erase", json!({"confirm": "acme"})).await;
    assert!(erased.status.is_success(), "{}", erased.text);
    let erasure = format!("/v1/erasures/{}", erased.json()["erasure_id"].as_str().expect("an id"));
    while server.get(&erasure).await.json()["finished_at"].is_null() {
        tokio::task::yield_now().await;
    }
    let page = server.get(&format!("{path}/html")).await.text;
    assert!(!page.contains("Customer: acme"), "{page}");
    assert!(!page.contains("Acme") && page.contains("49.00"), "{page}");
}
