use crate::support::server::{Server, TEST_KEY};
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
