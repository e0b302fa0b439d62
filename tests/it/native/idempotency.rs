//! `Idempotency-Key` on writes other than events.
use crate::support::server::{Answer, LIVE_KEY, Server, TEST_KEY};
use reckoner_domain::time::Timestamp;
use reckoner_server::store::{Db, SqliteSettings, idempotency};
use reqwest::Method;
use serde_json::{Value, json};

async fn send(server: &Server, method: Method, path: &str, key: &str, body: &Value) -> Answer {
    let request = server.request(method, path, TEST_KEY).header("idempotency-key", key).json(body);
    Answer::of(request.send().await).await
}

async fn post(server: &Server, path: &str, key: &str, body: Value) -> Answer {
    send(server, Method::POST, path, key, &body).await
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

#[tokio::test]
async fn a_repeated_write_is_answered_as_before_and_not_done_again() {
    let mut server = Server::start();
    let body = json!({"name": "ci", "scopes": ["read"]});
    let first = post(&server, "/v1/api-keys", "k1", body.clone()).await;
    assert_eq!(first.status, 201);
    assert!(!replayed(&first));
    server.crash_and_restart();
    for _ in 0..2 {
        let again = post(&server, "/v1/api-keys", "k1", body.clone()).await;
        assert!(replayed(&again));
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    let keys = server.get("/v1/api-keys").await.json();
    let named = |one: &&Value| one["name"] == "ci";
    assert_eq!(keys["data"].as_array().expect("a list").iter().filter(named).count(), 1);
    // Without the header, and under another key, it is another request.
    assert_ne!(server.post("/v1/api-keys", body.clone()).await.json()["id"], first.json()["id"]);
    assert_ne!(post(&server, "/v1/api-keys", "k2", body).await.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn refusals_and_empty_answers_are_repeated_too() {
    let server = Server::start();
    let wrong = json!({"external_id": "cus_x"});
    let refused = post(&server, "/v1/customers", "k1", wrong.clone()).await;
    assert_eq!(refused.status, 422);
    let again = post(&server, "/v1/customers", "k1", wrong).await;
    assert!(replayed(&again) && again.text == refused.text);
    assert_eq!(again.header("content-type"), Some("application/problem+json"));
    server.post("/v1/meters", json!({"key": "m", "aggregation": "sum"})).await;
    let nothing = json!({});
    let gone = send(&server, Method::DELETE, "/v1/meters/m", "k2", &nothing).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    let again = send(&server, Method::DELETE, "/v1/meters/m", "k2", &nothing).await;
    assert!(replayed(&again) && again.status == 204 && again.header("content-type").is_none());
    assert_eq!(send(&server, Method::DELETE, "/v1/meters/m", "k3", &nothing).await.status, 404);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let server = Server::start();
    let body = json!({"external_id": "a"});
    assert_eq!(post(&server, "/v1/customers", "k", body.clone()).await.status, 201);
    let others = [
        post(&server, "/v1/customers", "k", json!({"external_id": "b"})).await,
        post(&server, "/v1/meters", "k", body.clone()).await,
        send(&server, Method::PATCH, "/v1/customers/a", "k", &json!({})).await,
        post(&server, "/v1/customers?x=1", "k", body.clone()).await,
    ];
    for other in others {
        let told = other.json();
        assert_eq!(
            (other.status.as_u16(), &told["code"]),
            (422, &json!("idempotency_key_reused")),
            "{}",
            other.text
        );
        assert_eq!(told["errors"][0]["field"], "Idempotency-Key");
    }
    // Another credential of the project does not get to see the answer, nor does another project.
    let made = server.post("/v1/api-keys", json!({"scopes": ["admin"]})).await.json();
    let with = async |key: &str| {
        let request =
            server.request(Method::POST, "/v1/customers", key).header("idempotency-key", "k").json(&body);
        Answer::of(request.send().await).await
    };
    assert_eq!(with(made["key"].as_str().expect("a key")).await.status, 422);
    let live = with(LIVE_KEY).await;
    assert!(live.status == 201 && !replayed(&live));
    assert_eq!(server.get("/v1/customers").await.json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn one_of_many_at_once_does_it() {
    let server = Server::start();
    let body = json!({"name": "one", "scopes": ["read"]});
    let all = (0..16).map(|_| post(&server, "/v1/api-keys", "at-once", body.clone()));
    let answers = futures_util::future::join_all(all).await;
    let (done, others): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201 && !replayed(answer));
    assert_eq!(done.len(), 1);
    for other in others {
        if other.status == 409 {
            assert_eq!(other.json()["code"], "idempotency_key_in_use");
            assert_eq!(other.header("retry-after"), Some("1"));
        } else {
            assert!(replayed(&other) && other.text == done[0].text);
        }
    }
    let keys = server.get("/v1/api-keys").await.json();
    let named = |one: &&Value| one["name"] == "one";
    assert_eq!(keys["data"].as_array().expect("a list").iter().filter(named).count(), 1);
}

#[tokio::test]
async fn a_bad_key_is_told_and_reads_need_none() {
    let server = Server::start();
    let body = json!({"external_id": "a"});
    for bad in ["", "a b", &"x".repeat(256)] {
        let answer = post(&server, "/v1/customers", bad, body.clone()).await;
        let told = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &told["errors"][0]["field"]),
            (422, &json!("Idempotency-Key")),
            "{bad:?}"
        );
    }
    let twice = server
        .request(Method::POST, "/v1/customers", TEST_KEY)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    assert_eq!(twice.json(&body).send().await.expect("an answer").status(), 422);
    let query = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"});
    for _ in 0..2 {
        let answer = post(&server, "/v1/meters/api.calls/query", "q", query.clone()).await;
        assert!(answer.status == 200 && !replayed(&answer), "{}", answer.text);
    }
    // For an event the header is its id.
    let event = json!({"customer": "a", "meter": "api.calls"});
    assert_eq!(post(&server, "/v1/events", "e1", event.clone()).await.status, 201);
    let again = post(&server, "/v1/events", "e1", event).await;
    assert!(again.status == 200 && !replayed(&again), "{}", again.text);
}

#[tokio::test]
async fn what_a_dead_server_began_can_be_begun_again() {
    let mut server = Server::start();
    let body = json!({"external_id": "a"});
    server.kill();
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let test = reckoner_server::store::projects::get_by_name(&db, "test").await.expect("there");
    let now = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let far = Timestamp::parse("2096-01-01T00:00:00Z").expect("a time");
    let running =
        idempotency::Request { project: test.id, key: "k", route: "POST /v1/customers", hash: [1; 32] };
    assert_eq!(idempotency::begin(&db, running, now, far).await.expect("begins"), idempotency::Began::New);
    db.close().await;
    server.restart();
    let answer = post(&server, "/v1/customers", "k", body.clone()).await;
    assert!(answer.status == 201 && !replayed(&answer), "{}", answer.text);
    assert!(replayed(&post(&server, "/v1/customers", "k", body).await));
}
