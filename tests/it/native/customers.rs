use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

async fn patch(server: &Server, path: &str, version: &str, body: Value) -> Answer {
    let request = server.request(Method::PATCH, path, TEST_KEY).header("if-match", version).json(&body);
    Answer::of(request.send().await).await
}

#[tokio::test]
async fn a_customer_is_made_changed_and_found_by_both_ids() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let new = json!({"external_id": "acme/ü 1", "display_name": "Acme", "time_zone": "Asia/Kolkata", "metadata": {"tier": "gold"}});
    let made = server.post("/v1/customers", new.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("cus_"));
    assert_eq!(made["created_at"], "2026-01-14T09:30:00.000000Z");
    assert_eq!((&made["version"], &made["metadata"]), (&json!(1), &json!({"tier": "gold"})));
    for path in ["/v1/customers/acme%2F%C3%BC%201".to_owned(), format!("/v1/customers/{id}")] {
        assert_eq!(server.get(&path).await.json(), made);
    }
    let taken = server.post("/v1/customers", new).await;
    assert_eq!((taken.status.as_u16(), &taken.json()["code"]), (409, &json!("already_exists")));
    let changed =
        server.patch(&format!("/v1/customers/{id}"), json!({"display_name": "Acme Ltd"})).await.json();
    assert_eq!((&changed["version"], &changed["display_name"]), (&json!(2), &json!("Acme Ltd")));
    assert_eq!(changed["metadata"], json!({"tier": "gold"}), "what is not named stays");
    let emptied = server.patch(&format!("/v1/customers/{id}"), json!({"metadata": {}})).await.json();
    assert_eq!((&emptied["metadata"], &emptied["display_name"]), (&json!({}), &json!("Acme Ltd")));
    assert_eq!(server.patch("/v1/customers/nobody", json!({})).await.status, 404);
}

#[tokio::test]
async fn the_second_of_two_editors_is_told() {
    let server = Server::start();
    server.post("/v1/customers", json!({"external_id": "a"})).await;
    let path = "/v1/customers/a";
    for (version, name, status) in
        [("1", "one", 200), ("1", "two", 409), ("\"2\"", "three", 200), ("7", "four", 409)]
    {
        let answer = patch(&server, path, version, json!({"display_name": name})).await;
        assert_eq!(answer.status, status, "{version}: {}", answer.text);
        if status == 409 {
            assert_eq!(answer.json()["code"], "stale");
        }
    }
    for bad in ["x", "", "-1", "99999999999"] {
        let answer = patch(&server, path, bad, json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errors"][0]["field"]),
            (422, &json!("If-Match")),
            "{bad}"
        );
    }
    assert_eq!(server.get(path).await.json()["display_name"], "three");
    // Of many at once under one version, one wins.
    let all = (0..8).map(|number| patch(&server, path, "3", json!({"display_name": number.to_string()})));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 7);
}

#[tokio::test]
async fn a_customer_of_an_event_is_there_at_once() {
    let server = Server::start();
    for path in ["/v1/customers/a", "/v1/customers/A"] {
        assert_eq!(server.get(path).await.status, 404);
    }
    server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
    let made = server.get("/v1/customers/a").await.json();
    assert_eq!((&made["external_id"], &made["display_name"]), (&json!("a"), &Value::Null));
    assert_eq!(server.get("/v1/customers/A").await.status, 404, "ids are told apart by case");
    assert_eq!(server.post("/v1/customers", json!({"external_id": "a"})).await.status, 409);
}
