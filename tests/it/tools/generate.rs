use super::standin::{Asked, Standin, all_accepted};
use super::{KEY, code, run};
use serde_json::{Value, json};
use std::collections::HashSet;

const CONFIG: &str =
    r#"{"periods":["daily"],"events":{"api.calls":{"op":"sum"},"storage.bytes":{"op":"max"}}}"#;

fn good(asked: &Asked) -> (u16, String) {
    match asked.path.as_str() {
        "/config" => (200, CONFIG.into()),
        "/v1/events" => all_accepted(asked),
        "/v1/meters" => (403, "{}".into()),
        path if path.starts_with("/v1/meters?") => (403, "{}".into()),
        _ => (201, "{}".into()),
    }
}

fn ids(events: &[Value]) -> HashSet<String> {
    events.iter().filter_map(|event| event["id"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn batches_are_split_above_a_thousand() {
    let standin = Standin::start(|asked, _| good(asked)).await;
    let (text, result) = run(&standin, &["generate", "--count", "2500", "--mode", "batch"]).await;
    assert!(result.is_ok());
    let mut batches: Vec<Vec<Value>> = standin
        .asked("/usagebatch")
        .iter()
        .map(|asked| serde_json::from_value(asked.json()).expect("an array"))
        .collect();
    batches.sort_by_key(Vec::len);
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [500, 1_000, 1_000]);
    let events = batches.concat();
    assert_eq!(ids(&events).len(), 2_500);
    for event in &events {
        assert!(["customer_1", "customer_2", "customer_3"].contains(&event["customerId"].as_str().unwrap()));
        assert!(["api.calls", "storage.bytes"].contains(&event["eventType"].as_str().unwrap()));
        assert!(event["value"].is_number() && event["metadata"].is_object());
    }
    assert!(text.contains("sent 2,500, failed 0"), "{text}");
}

#[tokio::test]
async fn the_key_goes_with_every_request_and_is_never_shown() {
    let standin = Standin::start(|asked, _| good(asked)).await;
    let (text, result) = run(&standin, &["generate", "--count", "3"]).await;
    assert!(result.is_ok());
    let requests = standin.asked("/config").into_iter().chain(standin.asked("/usage/api.calls"));
    assert!(
        requests.chain(standin.asked("/usage/storage.bytes")).all(|asked| asked.header("x-apikey") == KEY)
    );
    assert!(text.contains("with key ***cdef") && !text.contains(KEY), "{text}");
    let refusing = Standin::start(|_, _| (401, r#"{"error":"Unauthorized"}"#.into())).await;
    let (_, result) = run(&refusing, &["generate"]).await;
    let error = result.expect_err("refused").to_string();
    assert!(error.contains("HTTP 401") && error.contains("***cdef") && !error.contains(KEY), "{error}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_with_the_same_events() {
    // The configuration and the meters first, then: refused, refused, taken.
    let standin = Standin::start(|asked, before| match before {
        2 => (429, "{}".into()),
        3 => (503, "{}".into()),
        _ => good(asked),
    })
    .await;
    let (text, result) = run(&standin, &["generate", "--count", "5", "--mode", "ndjson", "--json"]).await;
    assert!(result.is_ok());
    let asked = standin.asked("/v1/events");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|again| again.body == asked[0].body));
    assert_eq!(asked[0].header("content-type"), "application/x-ndjson");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&summary["sent"], &summary["failed"]), (&json!(5), &json!(0)));
}

#[tokio::test]
async fn failures_are_counted_with_their_reasons() {
    let standin = Standin::start(|asked, _| match asked.path.as_str() {
        "/usagebatch" if asked.json().as_array().unwrap().len() == 3 => {
            (207, r#"{"message":"Events partially captured","successCount":1,"failedCount":2}"#.into())
        }
        "/usagebatch" => (422, r#"{"error":"Validation failed for some events"}"#.into()),
        _ => good(asked),
    })
    .await;
    let line = ["generate", "--count", "5", "--mode", "batch", "--batch-size", "3", "--json"];
    let (text, result) = run(&standin, &line).await;
    assert_eq!(code(&result), 1);
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&summary["sent"], &summary["failed"]), (&json!(1), &json!(4)));
    let reasons = summary["reasons"].to_string();
    assert!(reasons.contains("partially captured") && reasons.contains("Validation failed"), "{reasons}");

    let refusal =
        r#"{"index":1,"id":"x","status":"rejected","errors":[{"field":"meter","reason":"is unknown"}]}"#;
    let standin = Standin::start(move |asked, _| match asked.path.as_str() {
        "/v1/events" => (207, format!("{refusal}\n{{\"accepted\":1,\"duplicate\":0,\"rejected\":1}}")),
        _ => good(asked),
    })
    .await;
    let (text, result) =
        run(&standin, &["generate", "--count", "2", "--mode", "ndjson", "--type", "m", "--json"]).await;
    assert_eq!(code(&result), 1);
    assert!(text.contains("meter is unknown"), "{text}");
}

#[tokio::test]
async fn a_seed_and_an_id_prefix_repeat_a_run() {
    let standin = Standin::start(|asked, _| good(asked)).await;
    let line = ["generate", "--count", "50", "--mode", "ndjson", "--seed", "9", "--id-prefix", "r"];
    for _ in 0..2 {
        assert!(run(&standin, &line).await.1.is_ok());
    }
    assert!(run(&standin, &line[..7]).await.1.is_ok());
    let asked = standin.asked("/v1/events");
    assert_eq!(asked[0].body, asked[1].body);
    assert!(ids(&asked[0].lines()).is_disjoint(&ids(&asked[2].lines())));
    let values = |asked: &Asked| asked.lines().iter().map(|event| event["value"].clone()).collect::<Vec<_>>();
    assert_eq!(values(&asked[0]), values(&asked[2]));
}

#[tokio::test]
async fn a_server_without_event_types_is_not_guessed_at() {
    let standin = Standin::start(|_, _| (200, r#"{"events":{}}"#.into())).await;
    let (_, result) = run(&standin, &["generate"]).await;
    assert!(result.expect_err("refused").to_string().contains("--type"));
}

#[tokio::test]
async fn a_key_that_may_not_read_needs_a_type() {
    let standin = Standin::start(|asked, _| match asked.path.as_str() {
        "/config" => (403, r#"{"error":"Forbidden"}"#.into()),
        _ => good(asked),
    })
    .await;
    let (_, result) = run(&standin, &["generate"]).await;
    let error = result.expect_err("refused").to_string();
    assert!(error.contains("name some with --type") && error.contains("scope read"), "{error}");
    let (text, result) = run(&standin, &["generate", "--type", "api.calls", "--count", "3"]).await;
    assert!(result.is_ok() && text.contains("sent 3, failed 0"), "{text}");
}
