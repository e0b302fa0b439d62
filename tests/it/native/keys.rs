use crate::support::server::{LIVE_KEY, Server, TEST_KEY};
use serde_json::{Value, json};

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let server = Server::start();
    let made = server.post("/v1/api-keys", json!({"name": "ci", "scopes": ["read", "ingest", "read"], "expires_at": "2096-01-01T00:00:00+01:00"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("rk_test_") && key.len() == 8 + 48, "{key}");
    assert_eq!(made["prefix"], key[..12]);
    assert_eq!(made["scopes"], json!(["ingest", "read"]));
    assert_eq!(made["expires_at"], "2095-12-31T23:00:00.000000Z");
    let listed = server.get("/v1/api-keys").await;
    assert!(!listed.text.contains(key));
    let ids: Vec<Value> =
        listed.json()["data"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    assert_eq!((ids.len(), &ids[1]), (2, &made["id"]), "the bootstrap key and this one");
    let path = format!("/v1/api-keys/{}", made["id"].as_str().expect("an id"));
    let revoked = server.delete(&path).await.json();
    assert!(revoked["revoked_at"].is_string() && revoked.get("key").is_none());
    assert_eq!(server.delete(&path).await.json()["revoked_at"], revoked["revoked_at"], "it keeps its time");
    for bad in ["key_1", "nonsense", &format!("key_{}", "0".repeat(32))] {
        assert_eq!(server.delete(&format!("/v1/api-keys/{bad}")).await.status, 404);
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted() {
    let mut server = Server::start();
    let last_use =
        async |server: &Server| server.get("/v1/api-keys").await.json()["data"][0]["last_used_at"].clone();
    last_use(&server).await;
    assert!(server.terminate().success());
    server.restart();
    assert!(last_use(&server).await.is_string());
    assert!(!server.log().contains(TEST_KEY));
}

#[tokio::test]
async fn a_key_is_replaced_with_an_overlap() {
    let server = Server::start();
    let made = server.post("/v1/api-keys", json!({"name": "ci", "scopes": ["read"]})).await.json();
    let path = |made: &Value| format!("/v1/api-keys/{}", made["id"].as_str().expect("an id"));
    let rotate = async |made: &Value, body: Value| server.post(&format!("{}/rotate", path(made)), body).await;
    let status = async |key: &Value| {
        let request = server.request(reqwest::Method::GET, "/v1/meters", key.as_str().expect("a key"));
        request.send().await.expect("an answer").status().as_u16()
    };
    let second = rotate(&made, json!({})).await;
    assert_eq!(second.status, 201, "{}", second.text);
    let second = second.json();
    assert_eq!((&second["name"], &second["scopes"]), (&json!("ci"), &json!(["read"])));
    assert_eq!((&second["expires_at"], &second["replaced"]["id"]), (&Value::Null, &made["id"]));
    assert!(second["id"] != made["id"] && second["key"] != made["key"]);
    assert!(second["replaced"]["expires_at"].is_string() && second["replaced"].get("key").is_none());
    assert_eq!((status(&made["key"]).await, status(&second["key"]).await), (200, 200));
    let third =
        rotate(&second, json!({"overlap_hours": 0, "expires_at": "2096-01-01T00:00:00Z"})).await.json();
    assert_eq!(third["expires_at"], "2096-01-01T00:00:00.000000Z");
    assert_eq!((status(&second["key"]).await, status(&third["key"]).await), (401, 200));
    let fourth = rotate(&third, json!({"overlap_hours": 168})).await.json();
    assert_eq!(fourth["expires_at"], third["expires_at"], "no longer than the one before");
    let ended = rotate(&second, json!({})).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["code"]), (409, &json!("key_ended")));
    server.delete(&path(&fourth)).await;
    assert_eq!(rotate(&fourth, json!({})).await.status, 409);
    let bad = rotate(&third, json!({"overlap_hours": 169, "expires_at": "2020-01-01T00:00:00Z"})).await;
    let fields: Vec<Value> =
        bad.json()["errors"].as_array().expect("errors").iter().map(|error| error["field"].clone()).collect();
    assert_eq!((bad.status.as_u16(), fields), (422, vec![json!("overlap_hours"), json!("expires_at")]));
    let live = server.request(reqwest::Method::POST, &format!("{}/rotate", path(&third)), LIVE_KEY);
    assert_eq!(live.send().await.expect("an answer").status(), 404, "another project's");
    let entries = server.get("/v1/audit?action=api_key.rotated").await.json();
    let replaced: Vec<&Value> =
        entries["data"].as_array().expect("entries").iter().map(|one| &one["after"]["replaced_by"]).collect();
    assert_eq!(replaced, [&fourth["id"], &third["id"], &second["id"]]);
}
