//! `/api/usage/events` and its export.
use super::{ask, prepare, record};
use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

const NOW: &str = "2026-01-10T12:00:00Z";

fn compute(key: &str, time: &str) -> Value {
    json!({"workspaceId": "w1", "projectId": "p1", "resourceType": "compute", "units": 2.5, "source": "job",
        "metadata": {"jobType": "export", "rows": 7}, "timestamp": time, "idempotencyKey": key})
}

#[tokio::test]
async fn usage_is_answered_with_base_and_weighted_units_and_counted_once() {
    let server = Server::start();
    prepare(&server, NOW).await;
    let event = compute("k1", "2026-01-09T10:00:00Z");
    let first = record(&server, event.clone()).await;
    let expected = json!({
        "$id": "k1", "workspaceId": "w1", "projectId": "p1", "resourceType": "compute", "units": 2.5, "baseUnits": 2.5,
        "weightedUnits": 25, "metadata": {"jobType": "export", "rows": 7}, "timestamp": "2026-01-09T10:00:00.000Z",
        "source": "job", "idempotencyKey": "k1",
    });
    assert_eq!(first, expected);
    assert_eq!(record(&server, event.clone()).await, expected);
    let mut other = event.clone();
    other["units"] = json!(3);
    let conflict = server.post("/api/usage/events", other).await;
    let told = json!({"error": "The id is taken by an event with other content"});
    assert_eq!(conflict.parts(), (409, told));
    let listed = ask(&server, "events?workspaceId=w1").await;
    assert_eq!(listed, json!({"documents": [expected], "total": 1}));
    // The same event by the native API: whose it is, and both units.
    let native = server.get("/v1/events/k1").await.json();
    assert_eq!((&native["customer"], &native["subject"]), (&json!("w1"), &json!("w1")));
    let query = "/v1/meters/compute.units/query?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&subject=w1";
    let row = &server.get(query).await.json()["data"][0];
    assert_eq!((&row["value"], &row["base_value"]), (&json!("25"), &json!("2.5")));
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let server = Server::start();
    prepare(&server, NOW).await;
    for number in 0..5 {
        record(&server, compute(&format!("c{number}"), &format!("2026-01-0{}T00:00:00Z", number + 1))).await;
    }
    let traffic = |key: &str, workspace: &str, time: &str| {
        json!({"workspaceId": workspace, "organizationId": "org", "resourceType": "traffic", "units": 100, "source": "ai",
            "timestamp": time, "idempotencyKey": key})
    };
    record(&server, traffic("t1", "w1", "2026-01-03T12:00:00Z")).await;
    record(&server, traffic("t2", "w2", "2025-12-31T12:00:00Z")).await;
    let ids = |list: &Value| {
        let documents = list["documents"].as_array().expect("a list").iter();
        let ids =
            documents.map(|one| one["$id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>().join(" ");
        (ids, list["total"].as_u64().expect("a number"))
    };
    for (query, expected) in [
        ("workspaceId=w1", ("c4 c3 t1 c2 c1 c0", 6)),
        ("workspaceId=w1&limit=2&offset=1", ("c3 t1", 6)),
        ("workspaceId=w1&offset=6", ("", 6)),
        ("workspaceId=w1&resourceType=traffic", ("t1", 1)),
        ("workspaceId=w1&source=ai", ("t1", 1)),
        ("workspaceId=w1&source=job&limit=2", ("c4 c3", 5)),
        ("workspaceId=w1&projectId=p1&limit=1", ("c4", 5)),
        ("workspaceId=w1&startDate=2026-01-02&endDate=2026-01-03", ("c2 c1", 2)),
        ("organizationId=org", ("t1 t2", 2)),
        ("organizationId=org&workspaceId=w2", ("t2", 1)),
        ("organizationId=org&period=2025-12", ("t2", 1)),
        ("workspaceId=nobody", ("", 0)),
    ] {
        let (shown, total) = ids(&ask(&server, &format!("events?{query}")).await);
        assert_eq!((shown.as_str(), total), expected, "{query}");
    }
    // What is void is nowhere.
    assert_eq!(server.delete("/v1/events/t1").await.status, 200);
    assert_eq!(ids(&ask(&server, "events?organizationId=org").await), ("t2".to_owned(), 1));
}

#[tokio::test]
async fn bad_requests_are_told_everything_that_is_wrong() {
    let server = Server::start();
    prepare(&server, NOW).await;
    let required = json!({"error": "Either workspaceId or organizationId is required"});
    for path in ["events", "events/export", "summary", "aggregations", "dashboard"] {
        assert_eq!(
            server.get(&format!("/api/usage/{path}")).await.parts(),
            (400, required.clone()),
            "{path}"
        );
    }
    let path = "/api/usage/events?workspaceId=w&limit=0&offset=x&resourceType=water&source=y&startDate=z&period=2026-13";
    let told = "resourceType must be one of traffic, storage, compute; source must be one of api, file, job, ai; \
                Invalid startDate: must be an ISO 8601 date or time; limit must be a whole number from 1 to 1000; \
                offset must be a whole number from 0 to 100000; period must be a month such as 2026-01";
    let answer = server.get(path).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (400, Some(told)));
    let event = json!({"workspaceId": "w", "resourceType": "water", "units": "7", "source": "x", "timestamp": "soon"});
    let answer = server.post("/api/usage/events", event).await;
    let error = answer.json()["error"].as_str().expect("a text").to_owned();
    assert_eq!(answer.status, 400);
    for part in
        ["resourceType must", "units must be a finite number", "source must be one of", "timestamp must"]
    {
        assert!(error.contains(part), "{part} in {error}");
    }
    for body in ["", "[]", "7", "{"] {
        let sent = server.request(Method::POST, "/api/usage/events", TEST_KEY).body(body);
        let answer = Answer::of(sent.send().await).await;
        assert_eq!(answer.parts(), (400, json!({"error": "Request body must be a JSON object"})), "{body:?}");
    }
    let rejected = server.get("/v1/rejected-events").await.json();
    assert_eq!(rejected["data"].as_array().map(Vec::len), Some(1), "{rejected}");
}

#[tokio::test]
async fn others_than_administrators_are_refused() {
    let server = Server::start();
    prepare(&server, NOW).await;
    let made = server.post("/v1/api-keys", json!({"scopes": ["read", "ingest", "backfill"]})).await.json();
    let key = made["key"].as_str().expect("a key").to_owned();
    for (method, path, told) in [
        (Method::GET, "events?workspaceId=w1", "Admin access required"),
        (Method::GET, "summary?organizationId=o", "Organization admin access required"),
        (Method::GET, "events/export?organizationId=o&workspaceId=w1", "Admin access required"),
        (Method::POST, "events", "Admin access required"),
        (Method::POST, "aggregations/calculate", "Admin access required"),
    ] {
        let answer =
            server.request(method, &format!("/api/usage/{path}"), &key).json(&json!({})).send().await;
        assert_eq!(Answer::of(answer).await.parts(), (403, json!({"error": told})), "{path}");
    }
    let nobody = Answer::of(server.bare(Method::GET, "/api/usage/events?workspaceId=w1").send().await).await;
    assert_eq!(nobody.parts(), (401, json!({"error": "Unauthorized"})));
}

#[tokio::test]
async fn without_the_catalogue_it_is_said_what_to_do() {
    let server = Server::start();
    server.freeze(NOW).await;
    let told = "Service misconfigured: no meter counts traffic, storage, compute. Apply the catalogue `workspace`: reckoner \
                catalog apply workspace";
    for answer in [
        server.get("/api/usage/summary?workspaceId=w1").await,
        server.post("/api/usage/events", compute("k", NOW)).await,
    ] {
        assert_eq!(answer.parts(), (503, json!({"error": told})));
    }
    assert_eq!(server.get("/v1/events").await.json()["data"], json!([]));
}

#[tokio::test]
async fn exports_have_every_event() {
    let server = Server::start();
    prepare(&server, NOW).await;
    let lines: Vec<String> = (0..1_203)
        .map(|number| {
            json!({"id": format!("e{number:04}"), "customer": "w1", "subject": "w1", "meter": "traffic.bytes", "value": number,
                "time": format!("2026-01-05T00:{:02}:{:02}Z", number / 60, number % 60), "properties": {"a": "x,\"y\""}})
            .to_string()
        })
        .collect();
    let sent =
        server.request(Method::POST, "/v1/events", TEST_KEY).header("content-type", "application/x-ndjson");
    assert_eq!(Answer::of(sent.body(lines.join("\n")).send().await).await.status, 200);
    record(&server, compute("c", "2026-01-06T00:00:00Z")).await;
    let json = server.get("/api/usage/events/export?workspaceId=w1&format=json").await;
    let documents = json.json()["data"]["documents"].as_array().expect("a list").clone();
    assert_eq!((documents.len(), json.json()["data"]["total"].as_u64()), (1_204, Some(1_204)));
    assert_eq!((&documents[0]["$id"], &documents[1_203]["$id"]), (&json!("c"), &json!("e0000")));
    let csv = server.get("/api/usage/events/export?workspaceId=w1&resourceType=traffic").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut lines = csv.text.split("\r\n");
    assert_eq!(
        lines.next(),
        Some(
            "$id,workspaceId,organizationId,projectId,resourceType,units,baseUnits,weightedUnits,source,timestamp,metadata,idempotencyKey"
        )
    );
    assert_eq!(
        lines.next(),
        Some(
            r#"e1202,w1,,,traffic,1202,1202,1202,api,2026-01-05T00:20:02.000Z,"{""a"":""x,\""y\""""}",e1202"#
        )
    );
    assert_eq!(lines.count(), 1_203);
    let none = server.get("/api/usage/events/export?workspaceId=nobody&format=json").await;
    assert_eq!(none.json(), json!({"data": {"documents": [], "total": 0}}));
    let wrong = server.get("/api/usage/events/export?workspaceId=w1&format=xml").await;
    assert_eq!(wrong.parts(), (400, json!({"error": "format must be csv or json"})));
}
