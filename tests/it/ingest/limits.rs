//! Values and times at every limit.
use super::*;

fn valued(id: &str, value: &str) -> String {
    format!("{{\"id\":\"{id}\",\"customer\":\"acme\",\"meter\":\"api.calls\",\"value\":{value}}}")
}

#[tokio::test]
async fn values_are_exact_up_to_their_digits() {
    let server = Server::start();
    let edge = "999999999999999999.999999999999999999";
    let kept = [
        ("0", "0"),
        ("-0", "0"),
        ("\"-0.0\"", "0"),
        (edge, edge),
        ("-999999999999999999.999999999999999999", "-999999999999999999.999999999999999999"),
        ("1e17", "100000000000000000"),
        ("1e-18", "0.000000000000000001"),
        ("123e-2", "1.23"),
        ("0.30000", "0.3"),
        ("9007199254740993", "9007199254740993"),
    ];
    for (n, (sent, stored)) in kept.into_iter().enumerate() {
        let answer = send(&server, JSON, valued(&format!("v{n}"), sent)).await;
        assert_eq!(answer.status, 201, "{sent} {}", answer.text);
        assert_eq!(server.get(&format!("/v1/events/v{n}")).await.json()["value"], json!(stored), "{sent}");
    }
    let long = format!("1.{}", "0".repeat(10_000));
    assert_eq!(send(&server, JSON, valued("long", &long)).await.status, 201);
    let many = "9".repeat(10_000);
    let bad = [
        "1e18",
        "1e-19",
        "1e999999999999",
        "\"1e999999999999\"",
        "\"NaN\"",
        "\"\"",
        "\" 1\"",
        "\"0x1\"",
        "true",
        "[]",
        "{}",
        "\"1,5\"",
        "1000000000000000000",
        "0.1234567890123456789",
        many.as_str(),
    ];
    for value in bad {
        let answer = send(&server, JSON, valued("bad", value)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errors"][0]["field"]),
            (422, &json!("value")),
            "{value}"
        );
    }
    for value in ["NaN", "Infinity", "+1", "01", "1.", "0x1", "1_000"] {
        assert_eq!(send(&server, JSON, valued("bad", value)).await.status, 400, "{value}");
    }
    assert_eq!(server.get("/v1/events?id=bad").await.json()["data"], json!([]));
}

fn timed(id: &str, time: &str) -> Value {
    let mut event = event(id);
    event["time"] = json!(time);
    event
}

/// A key of project `test` with these scopes.
async fn key(server: &Server, scopes: &[&str]) -> String {
    let made = server.post("/v1/api-keys", json!({"name": "k", "scopes": scopes})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["key"].as_str().expect("a key").to_owned()
}

#[tokio::test]
async fn times_have_inclusive_limits_and_backfill_has_none_in_the_past() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    let plain = key(&server, &["ingest"]).await;
    let backfill = key(&server, &["ingest", "backfill"]).await;
    let post = async |key: &str, time: &str| {
        let request =
            server.request(Method::POST, "/v1/events", key).json(&timed(&format!("{key}{time}"), time));
        Answer::of(request.send().await).await.status.as_u16()
    };
    for (time, without, with) in [
        ("2026-01-14T12:05:00Z", 201, 201),
        ("2026-01-14T12:05:00.000001Z", 422, 422),
        ("2026-01-14T12:05:00.0000009Z", 201, 201),
        ("2025-12-10T12:00:00Z", 201, 201),
        ("2025-12-10T11:59:59.999999Z", 422, 201),
        ("2025-12-10T17:30:00+05:30", 201, 201),
        ("1970-01-01T00:00:00Z", 422, 201),
        ("0001-01-01T00:00:00Z", 422, 201),
        ("0001-01-01T00:00:00+00:01", 422, 422),
        ("9999-12-31T23:59:59Z", 422, 422),
        ("2026-01-14T11:00:60Z", 422, 422),
        ("2026-01-14T11:00:00", 422, 422),
        ("2026-01-14", 422, 422),
        ("", 422, 422),
        ("2026-02-29T00:00:00Z", 422, 422),
    ] {
        assert_eq!((post(&plain, time).await, post(&backfill, time).await), (without, with), "{time}");
    }
    let number = json!({"customer": "a", "meter": "api.calls", "time": 1_768_392_000});
    assert_eq!(server.post("/v1/events", number).await.status, 422);
    let request = server.request(Method::POST, "/usage/api.calls", &plain);
    let old = json!({"customerId": "a", "value": 1, "timestamp": "2020-01-01T00:00:00Z"});
    assert_eq!(Answer::of(request.json(&old).send().await).await.status, 422);
    let read = key(&server, &["read"]).await;
    let request = server.request(Method::POST, "/v1/events", &read).json(&event("x"));
    assert_eq!(Answer::of(request.send().await).await.status, 403);
    assert_eq!(
        Answer::of(server.bare(Method::POST, "/v1/events").json(&event("x")).send().await).await.status,
        401
    );
}

#[tokio::test]
async fn every_listed_event_comes_once_however_they_are_paged() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    // Many at the same microsecond, so that only the sequence tells them apart.
    let events: Vec<Value> = (0..250)
        .map(|n| {
            timed(
                &format!("e{n}"),
                if n % 3 == 0 { "2026-01-14T12:00:00Z" } else { "2026-01-13T00:00:00.000001Z" },
            )
        })
        .collect();
    assert_eq!(server.post("/v1/events", json!(events)).await.json()["accepted"], 250);
    let all = server.get("/v1/events?limit=1000").await.json();
    let order: Vec<_> =
        all["data"].as_array().expect("a list").iter().map(|event| event["id"].clone()).collect();
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/events?limit=7{cursor}")).await.json();
        paged.extend(page["data"].as_array().expect("a list").iter().map(|event| event["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((order.len(), &paged), (250, &order));
    let range = "/v1/events?limit=1000&from=2026-01-13T00:00:00.000001Z&to=2026-01-14T12:00:00Z";
    assert_eq!(server.get(range).await.json()["data"].as_array().map(Vec::len), Some(166));
}
