//! What alerts know of an erased customer goes.
use super::{alert, notices, on_calls, send};
use crate::accounts::{next_mail, outbox};
use crate::native::erasing::{erase, files_with};
use crate::plans::with_analytics;
use crate::support::on_both_servers;
use crate::support::server::Setup;
use serde_json::json;

const CUSTOMER: &str = "ada@example.com";

async fn alerts_of_an_erased_customer_go_and_what_others_told_names_its_pseudonym(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    send(&server, "a", CUSTOMER, 5).await;
    let mut seen = outbox(&server);
    let mailed = json!({"name": "Ada's own", "customer": CUSTOMER, "channels": ["mail", "webhook"], "recipients": ["x@example.com"]});
    let its = alert(&server, on_calls("5", mailed)).await;
    assert!(next_mail(&server, &mut seen).await.contains(CUSTOMER));
    let of_all = alert(&server, on_calls("5", json!({"name": "Of all"}))).await;
    for id in [&its, &of_all] {
        assert_eq!(notices(&server, id, 1).await[0]["customer"], CUSTOMER);
    }
    let pseudonym = erase(&server, CUSTOMER, CUSTOMER).await;
    assert_eq!(server.get(&format!("/v1/alerts/{its}")).await.status, 404);
    let told = notices(&server, &its, 1).await.remove(0);
    assert_eq!((&told["customer"], &told["name"]), (&json!(pseudonym), &json!(null)));
    // It is told of once, whatever it is called.
    server.advance("2026-01-10T12:00:01Z").await;
    assert_eq!(notices(&server, &of_all, 1).await[0]["customer"], json!(pseudonym));
    assert_eq!(outbox(&server).len() + 1, seen.len(), "the mail is gone");
    assert_eq!(files_with(&server.data_dir(), CUSTOMER), [""; 0]);
}
on_both_servers!(alerts_of_an_erased_customer_go_and_what_others_told_names_its_pseudonym);
