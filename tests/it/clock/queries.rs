//! Queries of a meter, as RULES 10 has them.
use super::{event, on_both_servers, send};
use crate::support::server::{Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

async fn world(setup: Setup) -> Server {
    let server = setup.start();
    server.freeze("2026-01-20T00:00:00Z").await;
    for aggregation in ["sum", "count", "avg", "max", "unique_count", "p50", "time_weighted_avg"] {
        let meter = json!({"key": aggregation, "event_type": "use", "aggregation": aggregation});
        let mut meter = meter;
        if aggregation == "unique_count" {
            meter["value_property"] = json!("$.region");
        }
        let made = server.post("/v1/meters", meter).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let full = |customer: &str, subject: Option<&str>, region: Option<&str>, value: &str, time: &str| {
        let mut event = event(customer, "use", value, time);
        if let Some(subject) = subject {
            event["subject"] = json!(subject);
        }
        event["properties"] = region.map_or(json!({}), |region| json!({"region": region}));
        event
    };
    send(
        &server,
        vec![
            full("b", Some("s2"), Some("eu"), "1", "2026-01-14T10:00:00Z"),
            full("b", Some("s1"), Some("us, \"west\""), "2", "2026-01-14T10:30:00Z"),
            full("a", None, None, "4", "2026-01-14T10:45:00Z"),
            full("a", Some("s1"), Some("eu"), "8", "2026-01-14T12:00:00Z"),
            full("a", Some("s1"), Some("eu"), "16", "2026-01-16T00:00:00Z"),
        ],
    )
    .await;
    server
}

const RANGE: &str = "from=2026-01-14T00:00:00Z&to=2026-01-17T00:00:00Z";

async fn rows(server: &Server, meter: &str, parameters: &str) -> Vec<Value> {
    let path = format!("/v1/meters/{meter}/query?{parameters}");
    let answer = server.get(&path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()["data"].as_array().expect("rows").clone()
}

fn values(rows: &[Value]) -> Vec<Value> {
    rows.iter().map(|row| row["value"].clone()).collect()
}

on_both_servers!(the_window_none_always_has_its_row);
async fn the_window_none_always_has_its_row(setup: Setup) {
    let server = world(setup).await;
    for (meter, value) in [
        ("sum", json!("31")),
        ("count", json!("5")),
        ("avg", json!("6.2")),
        ("max", json!("16")),
        ("unique_count", json!("2")),
    ] {
        let shown = rows(&server, meter, RANGE).await;
        let (start, end) = ("2026-01-14T00:00:00.000000Z", "2026-01-17T00:00:00.000000Z");
        assert_eq!(shown, [json!({"value": value, "window_start": start, "window_end": end})], "{meter}");
    }
    let empty = "from=2025-01-14T00:00:00Z&to=2025-01-17T00:00:00Z";
    for (meter, value) in [
        ("sum", json!("0")),
        ("count", json!("0")),
        ("unique_count", json!("0")),
        ("time_weighted_avg", json!("0")),
        ("avg", Value::Null),
        ("max", Value::Null),
        ("p50", Value::Null),
    ] {
        assert_eq!(values(&rows(&server, meter, empty).await), std::slice::from_ref(&value), "{meter}");
        // The same for a customer or subject that is asked for by name, known or not.
        for who in ["customer=a", "customer=nobody", "subject=s1", "customer=a&subject=nobody"] {
            let shown = rows(&server, meter, &format!("{empty}&{who}")).await;
            assert_eq!(values(&shown), std::slice::from_ref(&value), "{meter} {who}");
            let (field, name) = who.split('&').next().and_then(|part| part.split_once('=')).expect("a name");
            assert_eq!(shown[0][field], name, "{shown:?}");
        }
        assert_eq!(
            rows(&server, meter, &format!("{empty}&window=day&customer=a")).await,
            Vec::<Value>::new()
        );
        let one_day = "from=2025-01-14T00:00:00Z&to=2025-01-14T12:00:00Z&window=day";
        assert_eq!(
            rows(&server, meter, one_day).await,
            Vec::<Value>::new(),
            "{meter}: an empty window is left out"
        );
        assert_eq!(values(&rows(&server, meter, &format!("{one_day}&fill=zero")).await), [value], "{meter}");
    }
    let later = "from=2026-01-18T00:00:00Z&to=2026-01-19T00:00:00Z";
    assert_eq!(values(&rows(&server, "time_weighted_avg", later).await), ["31"], "a level is carried in");
}

#[tokio::test]
async fn windows_are_clipped_filled_and_ordered() {
    let server = world(Setup::default()).await;
    let clipped = "from=2026-01-14T10:15:00Z&to=2026-01-16T00:00:00.000001Z";
    let shown = rows(&server, "sum", &format!("{clipped}&window=day&fill=zero")).await;
    let row = |value: &str, start: &str, end: &str| json!({"value": value, "window_start": start, "window_end": end});
    assert_eq!(
        shown,
        [
            row("14", "2026-01-14T10:15:00.000000Z", "2026-01-15T00:00:00.000000Z"),
            row("0", "2026-01-15T00:00:00.000000Z", "2026-01-16T00:00:00.000000Z"),
            row("16", "2026-01-16T00:00:00.000000Z", "2026-01-16T00:00:00.000001Z"),
        ]
    );
    let left_out = rows(&server, "sum", &format!("{clipped}&window=day")).await;
    assert_eq!(values(&left_out), ["14", "16"]);
    assert_eq!(values(&rows(&server, "sum", &format!("{RANGE}&window=week")).await), ["31"]);
    assert_eq!(
        values(&rows(&server, "sum", &format!("{RANGE}&window=minute")).await),
        ["1", "2", "4", "8", "16"]
    );
    assert_eq!(
        values(&rows(&server, "sum", &format!("{RANGE}&window=year&time_zone=Asia/Tokyo")).await),
        ["31"]
    );
    // By window, then customer, subject and group; a missing one is null.
    let shown = rows(&server, "sum", &format!("{RANGE}&window=day&group_by=customer,subject,region")).await;
    let told = |row: &Value| json!([row["customer"], row["subject"], row["group"]["region"], row["value"]]);
    assert_eq!(
        shown.iter().map(told).collect::<Vec<_>>(),
        [
            json!(["a", null, null, "4"]),
            json!(["a", "s1", "eu", "8"]),
            json!(["b", "s1", "us, \"west\"", "2"]),
            json!(["b", "s2", "eu", "1"]),
            json!(["a", "s1", "eu", "16"]),
        ]
    );
    assert!(shown[0].as_object().is_some_and(|row| row.contains_key("subject")));
    let several = rows(&server, "sum", &format!("{RANGE}&customer=b&customer=a")).await;
    assert_eq!(
        several.iter().map(|row| json!([row["customer"], row["value"]])).collect::<Vec<_>>(),
        [json!(["a", "28"]), json!(["b", "3"])]
    );
    assert_eq!(values(&rows(&server, "sum", &format!("{RANGE}&filter[region]=eu&subject=s1")).await), ["24"]);
    let by_group = rows(&server, "avg", &format!("{RANGE}&group_by=region")).await;
    let told = |row: &Value| json!([row["group"]["region"], row["value"]]);
    assert_eq!(
        by_group.iter().map(told).collect::<Vec<_>>(),
        [json!([null, "4"]), json!(["eu", "8.333333333333333333"]), json!(["us, \"west\"", "2"])]
    );
}

#[tokio::test]
async fn usage_is_shown_as_it_was_known() {
    let server = world(Setup::default()).await;
    server.freeze("2026-01-20T00:00:00.000001Z").await;
    send(&server, vec![event("a", "use", "100", "2026-01-14T10:00:00Z")]).await;
    for (as_of, value) in [
        ("2026-01-19T23:59:59.999999Z", "0"),
        ("2026-01-20T00:00:00Z", "31"),
        ("2026-01-20T00:00:00.000001Z", "131"),
    ] {
        assert_eq!(
            values(&rows(&server, "sum", &format!("{RANGE}&as_of={as_of}")).await),
            [value],
            "{as_of}"
        );
    }
}

#[tokio::test]
async fn answers_come_as_csv() {
    let server = world(Setup::default()).await;
    let path = format!("/v1/meters/sum/query?{RANGE}&window=day&group_by=customer,region");
    let answer =
        server.request(Method::GET, &path, TEST_KEY).header("accept", "text/csv").send().await.expect("sent");
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        answer.text().await.expect("a body"),
        "window_start,window_end,customer,region,value\r\n\
         2026-01-14T00:00:00.000000Z,2026-01-15T00:00:00.000000Z,a,,4\r\n\
         2026-01-14T00:00:00.000000Z,2026-01-15T00:00:00.000000Z,a,eu,8\r\n\
         2026-01-14T00:00:00.000000Z,2026-01-15T00:00:00.000000Z,b,eu,1\r\n\
         2026-01-14T00:00:00.000000Z,2026-01-15T00:00:00.000000Z,b,\"us, \"\"west\"\"\",2\r\n\
         2026-01-16T00:00:00.000000Z,2026-01-17T00:00:00.000000Z,a,eu,16\r\n"
    );
}

#[tokio::test]
async fn all_errors_come_at_once() {
    let server = world(Setup::default()).await;
    let wrong = "from=2026-01-14&window=fortnight&time_zone=Mars/Base&as_of=soon&fill=maybe&form=x&group_by=customer,$.[";
    let answer = server.get(&format!("/v1/meters/sum/query?{wrong}")).await;
    let (status, body) = answer.parts();
    assert_eq!((status, body["code"].as_str()), (422, Some("invalid")), "{body}");
    let mut fields: Vec<&str> = body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|error| error["field"].as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["as_of", "fill", "form", "from", "group_by[1]", "time_zone", "to", "window"]);
    let posted = json!({"from": "2026-01-14T00:00:00Z", "to": "2026-01-14T00:00:00Z", "window": "minutes"});
    let (status, body) = server.post("/v1/meters/sum/query", posted).await.parts();
    let fields: Vec<&Value> =
        body["errors"].as_array().expect("errors").iter().map(|error| &error["field"]).collect();
    assert_eq!((status, fields), (422, vec![&json!("window"), &json!("to")]));
    let many = server
        .get("/v1/meters/sum/query?from=2000-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&window=minute")
        .await;
    assert_eq!((many.status.as_u16(), many.json()["errors"][0]["field"].clone()), (422, json!("window")));
    assert_eq!(server.get(&format!("/v1/meters/none/query?{RANGE}")).await.status, 404);
    let body = json!({"from": "2026-01-14T00:00:00Z", "to": "2026-01-17T00:00:00Z", "customer": ["a", "b"], "window": "day"});
    let posted = server.post("/v1/meters/sum/query", body).await;
    let got = server.get(&format!("/v1/meters/sum/query?{RANGE}&customer=a&customer=b&window=day")).await;
    assert_eq!(posted.json(), got.json());
}
