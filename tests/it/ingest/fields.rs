//! Texts, ids and properties at their limits, and JSON that parsers disagree about.
use super::*;

#[tokio::test]
async fn texts_have_their_bytes_and_no_more() {
    let server = Server::start();
    let limits = [("id", 255), ("customer", 255), ("subject", 255), ("meter", 128)];
    for (field, bytes) in limits {
        for (length, fits) in [(bytes, true), (bytes + 1, false), (0, false)] {
            let mut event = event(&format!("{field}{length}"));
            // Two bytes each: it is bytes that count.
            event[field] = json!("é".repeat(length / 2) + &"x".repeat(length % 2));
            let answer = server.post("/v1/events", event).await;
            // No meter reads a long type, but its length is fine.
            let reasons = answer.text.contains("must have 1 to");
            assert_eq!(reasons, !fits, "{field} {length}: {}", answer.text);
            assert_eq!(answer.status == 201, fits && field != "meter", "{field} {length}: {}", answer.text);
        }
    }
    for text in ["a\u{0}b", "a\nb", "\u{7f}", "\u{85}"] {
        let mut event = event("c");
        event["customer"] = json!(text);
        assert_eq!(server.post("/v1/events", event).await.status, 422, "{text:?}");
    }
    let mut own = event("p");
    own["customer"] = json!("cus_1");
    assert_eq!(server.post("/v1/events", own).await.status, 422);
}

#[tokio::test]
async fn any_id_is_found_again() {
    let server = Server::start();
    let ids = [
        "a/b",
        "../..",
        "%2F",
        "a b",
        "ünï😀",
        "?x=1#y",
        "\"quoted\"",
        "back\\slash",
        ".",
        "+",
        "\u{202e}rtl",
        "'; --",
    ];
    for id in ids {
        assert_eq!(server.post("/v1/events", event(id)).await.status, 201, "{id}");
    }
    for id in ids {
        let escaped: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        if id != "." {
            // A client resolves a path of dots before it sends it.
            let one = server.get(&format!("/v1/events/{escaped}")).await;
            assert_eq!((one.status.as_u16(), &one.json()["id"]), (200, &json!(id)), "{id}");
        }
        let listed = server.get(&format!("/v1/events?id={escaped}")).await.json();
        assert_eq!(listed["data"][0]["id"], json!(id), "{id}");
    }
}

fn with_properties(id: &str, properties: &str) -> String {
    format!("{{\"id\":\"{id}\",\"customer\":\"acme\",\"meter\":\"api.calls\",\"properties\":{properties}}}")
}

#[tokio::test]
async fn properties_are_kept_as_sent_up_to_their_limit() {
    let server = Server::start();
    let sized = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert_eq!(sized(100).len(), 100);
    assert_eq!(send(&server, JSON, with_properties("fits", &sized(16_384))).await.status, 201);
    assert_eq!(send(&server, JSON, with_properties("more", &sized(16_385))).await.status, 422);
    let digits = format!("{{\"n\":{}}}", "7".repeat(10_000));
    let nested = format!("{}1{}", "{\"a\":".repeat(32), "}".repeat(32));
    let kept = [
        ("digits", digits.as_str()),
        ("nested", &nested),
        ("text", r#"{"a":"\u0000\n\u00e9\ud83d\ude00","b":"é😀","c":-0.0,"d":1E400,"":null}"#),
        ("twice", r#"{"a":1,"a":2}"#),
        ("empty", "{}"),
    ];
    for (id, properties) in kept {
        let answer = send(&server, JSON, with_properties(id, properties)).await;
        assert_eq!(answer.status, 201, "{id} {}", answer.text);
        let shown = server.get(&format!("/v1/events/{id}")).await;
        assert!(shown.text.contains(&format!("\"properties\":{properties}")), "{id} {}", shown.text);
    }
    assert_eq!(send(&server, JSON, with_properties("spaced", " {\"a\" : 1} ")).await.status, 201);
}

#[tokio::test]
async fn what_parsers_disagree_about_is_refused() {
    let server = Server::start();
    let bad = [
        (r#"{"a":"\ud800"}"#, 422),
        (r#"{"\udc00":1}"#, 422),
        (r#"{"a":"\q"}"#, 400),
        (r#"{"a":"\u12"}"#, 400),
        ("{\"a\":\"line\nbreak\"}", 400),
        ("{\"a\":\"\u{0}\"}", 400),
        (r#"{"a":01}"#, 400),
        (r#"{"a":.5}"#, 400),
        (r#"{"a":NaN}"#, 400),
        (r#"{"a":-Infinity}"#, 400),
        (r#"{"a":'x'}"#, 400),
        (r#"{"a":1,}"#, 400),
        ("[1]", 422),
        ("\"{}\"", 422),
        ("7", 422),
    ];
    for (properties, status) in bad {
        let answer = send(&server, JSON, with_properties("bad", properties)).await;
        assert_eq!(answer.status, status, "{properties} {}", answer.text);
    }
    let events = [
        r#"{"customer":"a","customer":"b","meter":"api.calls"}"#,
        r#"{"customer":"a","meter":"api.calls","value":1,"value":null}"#,
        r#"{"customer":"a","meter":"api.calls","v\u0061lue":1,"value":1}"#,
        r#"{"customer":"\ud800","meter":"api.calls"}"#,
        r#"{"customer":"a","meter":"api.calls","Value":1}"#,
        r#"{"customer":"a","meter":"api.calls","metadata":{}}"#,
    ];
    for event in events {
        let answer = send(&server, JSON, event).await;
        assert_eq!(answer.status, 422, "{event} {}", answer.text);
    }
    let invalid: &[u8] = b"{\"customer\":\"\xff\",\"meter\":\"api.calls\"}";
    assert_eq!(send(&server, JSON, invalid).await.status, 400);
    let said =
        lines(&send(&server, NDJSON, [invalid, b"\n", event("ok").to_string().as_bytes()].concat()).await);
    assert_eq!(said.last(), Some(&json!({"accepted": 1, "duplicate": 0, "rejected": 1})));
    assert_eq!(ids(&server).await, ["ok"]);
}

#[tokio::test]
async fn a_source_context_has_its_form() {
    let server = Server::start();
    let with = |id: &str, context: Value| {
        let mut event = event(id);
        event["source_context"] = context;
        event
    };
    let good = json!({"type": "workspace", "workspace_name": "w", "display_name": null});
    assert_eq!(server.post("/v1/events", with("good", good.clone())).await.status, 201);
    assert_eq!(server.get("/v1/events/good").await.json()["source_context"], good);
    let long = json!({"type": "project", "project_name": "x".repeat(2_048)});
    for bad in [json!({}), json!([]), json!({"type": "x"}), json!({"type": "admin", "colour": 1}), long] {
        assert_eq!(server.post("/v1/events", with("bad", bad.clone())).await.status, 422, "{bad}");
    }
    let many: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("name{n}"), json!(n))).collect();
    let usage = json!({"customerId": "a", "value": 1, "sourceContext": many});
    assert_eq!(server.post("/usage/api.calls", usage).await.status, 422);
}
