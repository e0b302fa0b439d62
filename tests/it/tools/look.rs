use super::standin::{Asked, Standin};
use super::{code, run};
use reckoner_server::cli::client::{Client, RetryPolicy};
use reckoner_server::cli::log::Feed;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test]
async fn events_are_listed_as_a_table_or_as_json() {
    let answer = r#"[{"_id":"e1","customerId":"c\u001b[31m","eventType":"api.calls","value":10.50,"metadata":{"a":1},
        "receivedAt":"2026-01-14T09:30:00.000Z","day":"20260114"}]"#;
    let standin = Standin::start(move |_, _| (200, answer.into())).await;
    let line = [
        "query",
        "events",
        "--limit",
        "7",
        "--customer",
        "a b&c",
        "--type",
        "api.calls",
        "--from",
        "2026-01-01T00:00:00Z",
    ];
    let (text, result) = run(&standin, &line).await;
    assert!(result.is_ok());
    assert_eq!(
        text,
        "RECEIVED                  CUSTOMER     TYPE       VALUE  ID  METADATA\n\
         2026-01-14T09:30:00.000Z  c\\u{1b}[31m  api.calls  10.50  e1  {\"a\":1}\n"
    );
    assert_eq!(
        standin.asked("/events")[0].path,
        "/events?eventType=api.calls&limit=7&customerId=a+b%26c&from=2026-01-01T00%3A00%3A00.000000Z"
    );
    let (text, _) = run(&standin, &["query", "events", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")[0]["day"], "20260114");
    assert!(text.contains("10.50"), "numbers stay as they came: {text}");
}

#[tokio::test]
async fn aggregations_show_totals_and_delivery() {
    let answer = r#"[{"_id":"c_daily_20260112","customerId":"c","period":"daily","periodKey":"20260112","eventCount":3,
        "events":{"api.calls":5,"x":0.3},"webhookStatus":{"delivered":true,"attempts":1}}]"#;
    let standin =
        Standin::start(
            move |asked, _| {
                if asked.path.contains("yearly") { (200, "[]".into()) } else { (200, answer.into()) }
            },
        )
        .await;
    let (text, _) = run(&standin, &["query", "aggregations", "--period", "daily"]).await;
    assert_eq!(
        text,
        "CUSTOMER  PERIOD  KEY       EVENTS  WEBHOOK    TOTALS\n\
         c         daily   20260112       3  delivered  api.calls=5 x=0.3\n"
    );
    let (text, result) = run(&standin, &["query", "aggregations", "--period", "yearly"]).await;
    assert_eq!((text.as_str(), code(&result)), ("nothing found\n", 0));
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_an_error() {
    for (status, body) in [(200, "<html>"), (503, r#"{"error":"Service misconfigured"}"#), (404, "")] {
        let standin = Standin::start(move |_, _| (status, body.into())).await;
        let (text, result) = run(&standin, &["query", "events"]).await;
        assert_eq!((text.as_str(), code(&result)), ("", 1), "{status}");
    }
}

/// Pages of events with the sequence numbers from `last` down to 1, newest first.
fn page(asked: &Asked, last: u64) -> (u16, String) {
    let url = url::Url::parse(&format!("http://x{}", asked.path)).expect("a URL");
    let number =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok());
    let (limit, from): (u64, u64) = (number("limit").expect("a limit"), number("cursor").unwrap_or(last));
    let until = from.saturating_sub(limit);
    let data: Vec<Value> = (until + 1..=from)
        .rev()
        .map(|sequence| json!({"id": format!("e{sequence}"), "sequence": sequence}))
        .collect();
    let next = (until > 0).then(|| until.to_string());
    (200, json!({"data": data, "next_cursor": next}).to_string())
}

fn sequences(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["sequence"].as_u64()).collect()
}

#[tokio::test]
async fn the_log_goes_on_where_it_was() {
    let last = Arc::new(AtomicU64::new(3_000));
    let shared = Arc::clone(&last);
    let standin = Standin::start(move |asked, _| page(asked, shared.load(Ordering::SeqCst))).await;
    let client = || {
        let url = standin.url.parse().expect("a URL");
        Client::new(url, None, RetryPolicy::ONCE).expect("a client")
    };
    let mut feed = Feed::new(client(), None, None);
    assert_eq!(sequences(&feed.tail(2_500).await.expect("events")), (501..=3_000).collect::<Vec<_>>());
    assert!(feed.fresh().await.expect("events").events.is_empty());
    last.store(4_200, Ordering::SeqCst);
    assert_eq!(sequences(&feed.fresh().await.expect("events").events), (3_001..=4_200).collect::<Vec<_>>());
    assert!(feed.fresh().await.expect("events").events.is_empty());

    let mut from_now = Feed::new(client(), None, None);
    assert!(from_now.tail(0).await.expect("events").is_empty());
    last.store(4_201, Ordering::SeqCst);
    assert_eq!(sequences(&from_now.fresh().await.expect("events").events), [4_201]);

    // More than one look holds: the oldest first, and the rest at once.
    let mut slow = from_now.with_events_max(500);
    last.store(5_600, Ordering::SeqCst);
    let mut seen = Vec::new();
    loop {
        let fresh = slow.fresh().await.expect("events");
        assert!(fresh.events.len() <= 500);
        seen.extend(sequences(&fresh.events));
        if !fresh.more {
            break;
        }
    }
    assert_eq!(seen, (4_202..=5_600).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_log_is_printed_oldest_first() {
    let standin = Standin::start(|asked, _| page(asked, 5)).await;
    let (text, result) = run(&standin, &["log", "--tail", "2", "--json"]).await;
    assert!(result.is_ok());
    assert_eq!(text, "{\"id\":\"e4\",\"sequence\":4}\n{\"id\":\"e5\",\"sequence\":5}\n");
}
