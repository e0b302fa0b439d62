//! Every form an event may come in, good and bad ones mixed.
use super::*;
use crate::support::server::Setup;

#[tokio::test]
async fn a_single_event_tells_its_outcome_by_status() {
    let server = Server::start();
    let new = server.post("/v1/events", event("one")).await;
    assert_eq!(new.parts(), (201, json!({"accepted": 1, "duplicate": 0, "rejected": 0, "outcomes": []})));
    let again = server.post("/v1/events", event("one")).await;
    let outcome = json!([{"index": 0, "id": "one", "status": "duplicate"}]);
    assert_eq!(
        again.parts(),
        (200, json!({"accepted": 0, "duplicate": 1, "rejected": 0, "outcomes": outcome}))
    );
    let other = json!({"id": "one", "customer": "acme", "meter": "api.calls", "value": 2});
    let conflict = server.post("/v1/events", other).await;
    assert_eq!((conflict.status.as_u16(), conflict.json()["code"].clone()), (409, json!("event_conflict")));
    assert_eq!(conflict.header("content-type"), Some("application/problem+json"));
    let all = server
        .post("/v1/events?outcomes=all", json!({"customer": "acme", "meter": "api.calls"}))
        .await
        .json();
    assert_eq!(all["outcomes"][0]["status"], "accepted");
    assert_eq!(all["outcomes"][0]["id"].as_str().map(str::len), Some(36));
    assert_eq!(total(&server).await, "2");
}

#[tokio::test]
async fn a_list_is_judged_event_by_event() {
    let server = Server::start();
    let bad = json!({"id": "bad", "customer": 7, "meter": "nope", "value": "x", "colour": "red"});
    let mixed = server.post("/v1/events", json!([event("a"), bad, event("b"), 5, event("a")])).await;
    let body = mixed.json();
    assert_eq!((mixed.status.as_u16(), &body["accepted"], &body["duplicate"]), (207, &json!(2), &json!(1)));
    assert_eq!(body["rejected"], 2);
    let places: Vec<_> = body["outcomes"].as_array().expect("outcomes").iter().map(|o| &o["index"]).collect();
    assert_eq!(places, [1, 3, 4]);
    let errors = body["outcomes"][0]["errors"].as_array().expect("errors");
    let fields: Vec<_> = errors.iter().map(|error| error["field"].as_str().expect("a name")).collect();
    assert_eq!(fields, ["customer", "value", "colour", "meter"]);
    assert_eq!(errors[3]["allowed"], json!(["api.calls", "response.time.ms", "storage.bytes"]));
    let good = server.post("/v1/events", json!([event("c"), event("d")])).await;
    assert_eq!(good.parts(), (200, json!({"accepted": 2, "duplicate": 0, "rejected": 0, "outcomes": []})));
    assert_eq!(server.post("/v1/events", json!([{}, {}])).await.status, 422);
    assert_eq!(server.post("/v1/events", json!([])).await.status, 422);
    let thousand: Vec<Value> = (0..1_000).map(|n| event(&format!("n{n}"))).collect();
    assert_eq!(server.post("/v1/events", json!(thousand)).await.json()["accepted"], 1_000);
    let more: Vec<Value> = (0..1_001).map(|n| event(&format!("m{n}"))).collect();
    let refused = server.post("/v1/events", json!(more)).await;
    assert_eq!(refused.status, 413);
    assert!(refused.text.contains("1001"), "{}", refused.text);
    assert_eq!(total(&server).await, "1004");
}

#[tokio::test]
async fn ndjson_is_answered_line_by_line() {
    let server = Server::start();
    let body = format!("{}\n\n{{\"id\":\"x\"\n\r\n{}\n{}", event("a"), event("a"), event("b"));
    let answer = send(&server, NDJSON, body.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(NDJSON)));
    let said = lines(&answer);
    assert_eq!((&said[0]["index"], &said[0]["status"]), (&json!(1), &json!("rejected")));
    assert_eq!((&said[1]["index"], &said[1]["status"]), (&json!(2), &json!("duplicate")));
    let committed: u64 = said.iter().filter_map(|line| line["committed"].as_u64()).sum();
    assert_eq!(committed, 3);
    assert_eq!(said.last(), Some(&json!({"accepted": 2, "duplicate": 1, "rejected": 1})));
    let all = send_with(&server, "/v1/events?outcomes=all", NDJSON, &[], event("c").to_string()).await;
    assert_eq!(lines(&all)[0], json!({"index": 0, "id": "c", "status": "accepted"}));
    assert_eq!(
        lines(&send(&server, NDJSON, "").await),
        [json!({"accepted": 0, "duplicate": 0, "rejected": 0})]
    );
    let many: String = (0..2_500).map(|n| format!("{}\n", event(&format!("n{n}")))).collect();
    let answer = lines(&send(&server, NDJSON, many).await);
    assert!(answer.len() > 3, "more than one group");
    assert_eq!(answer.last(), Some(&json!({"accepted": 2_500, "duplicate": 0, "rejected": 0})));
    assert_eq!(total(&server).await, "2503");
}

fn cloud_event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/gw", "type": "api.calls", "subject": "acme", "data": {"value": 3}})
}

#[tokio::test]
async fn cloud_events_come_structured_batched_and_binary() {
    let server = Server::start();
    assert_eq!(send(&server, STRUCTURED, cloud_event("1").to_string()).await.status, 201);
    let kind = format!("{STRUCTURED}; charset=utf-8");
    assert_eq!(send(&server, &kind, cloud_event("1").to_string()).await.status, 200);
    let bad = json!({"specversion": "1.0", "id": "9", "type": "nope", "data": {"value": "x"}, "time": "now"});
    let batch =
        send(&server, BATCHED, json!([cloud_event("2"), bad, cloud_event("1")]).to_string()).await.json();
    assert_eq!(
        (&batch["accepted"], &batch["duplicate"], &batch["rejected"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let errors = batch["outcomes"][0]["errors"].as_array().expect("errors");
    let fields: Vec<_> = errors.iter().map(|error| error["field"].as_str().expect("a name")).collect();
    assert_eq!(fields, ["source", "subject", "data.value", "time", "type"]);
    let mut headers = vec![
        ("ce-specversion", "1.0"),
        ("ce-id", "4"),
        ("ce-source", "/gw"),
        ("ce-type", "api.calls"),
        ("ce-subject", "caf%C3%A9"),
    ];
    let binary = send_with(&server, "/v1/events", JSON, &headers, "{\"value\":\"2\"}").await;
    assert_eq!(binary.status, 201);
    let stored = server.get("/v1/events/%2Fgw%204").await.json();
    assert_eq!((&stored["customer"], &stored["value"]), (&json!("café"), &json!("2")));
    let smuggled = "{\"value\":2},\"customer\":\"other\",\"x\":{}";
    assert_eq!(send_with(&server, "/v1/events", JSON, &headers, smuggled).await.status, 400);
    assert_eq!(send_with(&server, "/v1/events", JSON, &headers, "7").await.status, 422);
    assert_eq!(send_with(&server, "/v1/events", "text/plain", &headers, "{}").await.status, 415);
    headers[1] = ("ce-id", "%FF");
    assert_eq!(send_with(&server, "/v1/events", JSON, &headers, "{}").await.status, 422);
    assert_eq!(total(&server).await, "8");
}

#[tokio::test]
async fn every_form_may_be_compressed() {
    let server = Server::start();
    let mut expected = 0;
    for encoding in ["gzip", "deflate", "zstd"] {
        let id = |name: &str| format!("{encoding}-{name}");
        let list = json!([event(&id("1")), event(&id("2"))]).to_string();
        let stream = format!("{}\n{{}}\n{}\n", event(&id("3")), event(&id("4")));
        let bodies = [
            (JSON, event(&id("0")).to_string(), 201),
            (JSON, list, 200),
            (JSON, "{\"meter\":1}".to_owned(), 422),
            (NDJSON, stream, 200),
            (STRUCTURED, cloud_event(&id("c")).to_string(), 201),
        ];
        for (kind, text, status) in bodies {
            let body = pack(encoding, text.as_bytes());
            let answer =
                send_with(&server, "/v1/events", kind, &[("content-encoding", encoding)], body).await;
            assert_eq!(answer.status, status, "{encoding} {kind}: {}", answer.text);
        }
        expected += 5 + 3;
        let cut = pack(encoding, "{\"id\":\"x\"}".repeat(100).as_bytes());
        for kind in [JSON, NDJSON] {
            let body = cut[..cut.len() - 3].to_vec();
            let answer =
                send_with(&server, "/v1/events", kind, &[("content-encoding", encoding)], body).await;
            assert_eq!(answer.status, 400, "{encoding} {kind} {}", answer.text);
        }
    }
    let unknown = send_with(&server, "/v1/events", JSON, &[("content-encoding", "br")], "{}").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()["code"].clone()),
        (415, json!("unsupported_media_type"))
    );
    assert_eq!(send(&server, "text/csv", "a,b").await.status, 415);
    assert_eq!(total(&server).await, expected.to_string());
}

#[tokio::test]
async fn what_asks_for_the_impossible_is_told_so() {
    let server = Setup::default().start();
    for (path, status) in [
        ("/v1/events?outcomes=some", 422),
        ("/v1/events?outcome=all", 422),
        ("/v1/nothing", 404),
        ("/v1/events/%FF", 404),
    ] {
        let answer = server.post(path, event("x")).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    for (path, status) in [
        ("/v1/events/%FF", 404),
        ("/v1/events/none", 404),
        ("/v1/events?limit=0", 422),
        ("/v1/events?limit=1001", 422),
        ("/v1/events?cursor=x", 422),
        ("/v1/events?costumer=a", 422),
        ("/v1/events?from=yesterday", 422),
        ("/v1/events?customer=a&customer=b", 422),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    for body in ["", "  ", "7", "\"x\"", "{", "[1", "{\"a\":tru}", "{} {}", "\u{feff}{}", "{\"value\":NaN}"] {
        let answer = send(&server, JSON, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("malformed")), "{body:?}");
    }
}
