//! The command line, as it is, against a real server.
use crate::support::command::{Ended, reckoner};
use crate::support::server::{LIVE_KEY, Server, Setup, TEST_KEY};
use reckoner_server::http::openapi;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn run(server: &Server, line: &[&str]) -> Ended {
    run_as(server, TEST_KEY, line)
}

fn run_as(server: &Server, key: &str, line: &[&str]) -> Ended {
    reckoner(line, &[("RECKONER_URL", &server.url("")), ("RECKONER_API_KEY", key)])
}

/// What a command with `--json` printed, after it did all that was asked.
fn done(server: &Server, line: &[&str]) -> Value {
    let ended = run(server, &[line, &["--json"]].concat());
    assert_eq!(ended.code, 0, "{line:?}: {ended:?}");
    ended.json()
}

#[test]
fn the_demo_runs_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let temporary = dir.path().display().to_string();
    let ended = reckoner(&["demo", "--exit", "--events", "500"], &[("TMPDIR", &temporary)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for step in ["1. A server is running", "3. 500 events", "5. The clock moved", "verified by both schemes"]
    {
        assert!(ended.out.contains(step), "{step}: {}", ended.out);
    }
    let ended = reckoner(&["demo", "--exit", "--json", "--events", "500"], &[("TMPDIR", &temporary)]);
    let shown = ended.json();
    assert_eq!((ended.code, &shown["events"], shown["jobs_run"].is_u64()), (0, &json!(500), true), "{shown}");
    assert!(
        shown["totals"]["acme"]["api.calls"].is_string() && shown["webhook"]["body"]["data"].is_object(),
        "{shown}"
    );
    assert_eq!(shown["aggregations"].as_array().map(Vec::len), Some(3), "{shown}");
    assert_eq!(reckoner(&["demo", "--json"], &[]).code, 2, "it would never end");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_events_are_there_in_every_mode() {
    let server = Server::start();
    for (mode, count) in [("single", "20"), ("batch", "2500"), ("ndjson", "2500")] {
        let summary = done(&server, &["generate", "--mode", mode, "--count", count]);
        assert_eq!((summary["sent"].to_string().as_str(), &summary["failed"]), (count, &json!(0)), "{mode}");
    }
    let customers = server.get("/v1/customers").await.json();
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(3));
    let total: u64 = {
        let mut total = 0;
        for meter in ["api.calls", "storage.bytes", "response.time.ms"] {
            let made = json!({"key": format!("n.{meter}"), "event_type": meter, "aggregation": "count"});
            assert_eq!(server.post("/v1/meters", made).await.status, 201);
            let path =
                format!("/v1/meters/n.{meter}/query?from=2020-01-01T00:00:00Z&to=2096-01-01T00:00:00Z");
            let count =
                server.get(&path).await.json()["data"][0]["value"].as_str().expect("a count").to_owned();
            total += count.parse::<u64>().expect("a number");
        }
        total
    };
    assert_eq!(total, 5_020);
    // The same ids again count once; events of a type that nothing reads fail, and so does the command.
    for _ in 0..2 {
        done(
            &server,
            &["generate", "--count", "10", "--id-prefix", "again", "--seed", "1", "--mode", "batch"],
        );
    }
    assert_eq!(
        server.get("/v1/events?limit=1000&id=again-0").await.json()["data"].as_array().map(Vec::len),
        Some(1)
    );
    let failed = run(&server, &["generate", "--type", "nothing.reads.it", "--count", "3"]);
    assert!(failed.code == 1 && failed.out.contains('3'), "{failed:?}");
    assert!(
        !failed.out.contains(TEST_KEY) && !failed.err.contains(TEST_KEY),
        "the key is masked: {failed:?}"
    );
    let shown = format!("***{}", &TEST_KEY[TEST_KEY.len() - 4..]);
    assert!(failed.out.contains(&shown), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_aggregations_and_the_log_are_shown() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for number in 0..30 {
        let event =
            json!({"id": format!("e{number}"), "customer": "a", "meter": "api.calls", "value": number});
        server.post("/v1/events", event).await;
    }
    server.advance("2026-01-14T10:15:00Z").await;
    let events = done(&server, &["query", "events", "--limit", "7"]);
    assert_eq!(events.as_array().map(Vec::len), Some(7));
    let aggregations = done(&server, &["query", "aggregations", "--period", "hourly"]);
    assert_eq!(aggregations[0]["events"], json!({"api.calls": 435}));
    let table = run(&server, &["query", "aggregations"]);
    assert!(table.code == 0 && table.out.contains("api.calls=435"), "{table:?}");
    let log = run(&server, &["log", "--tail", "5", "--json"]);
    let ids: Vec<String> = log
        .out
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(ids, ["e25", "e26", "e27", "e28", "e29"], "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_import_finds_duplicates_only_and_clear_removes_all() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    let file = server.dir().join("usage.csv");
    let mut rows = "customer,meter,value,time\n".to_owned();
    for row in 0..1_500 {
        let minute = row % 60;
        rows += &format!("c{},api.calls,{}.5,2026-01-14T09:{minute:02}:00Z\n", row % 3, row % 7);
    }
    std::fs::write(&file, rows).expect("written");
    let file = file.display().to_string();
    let first = done(&server, &["import", &file]);
    assert_eq!((&first["rows"], &first["accepted"]), (&json!(1_500), &json!(1_500)), "{first}");
    let again = done(&server, &["import", &file]);
    assert_eq!((&again["accepted"], &again["duplicate"]), (&json!(0), &json!(1_500)), "{again}");
    let bad = server.dir().join("bad.csv");
    std::fs::write(&bad, "customer,meter,value\na,api.calls,x\na,api.calls,1\n").expect("written");
    let partly = run(&server, &["import", &bad.display().to_string(), "--json"]);
    assert_eq!(
        (partly.code, &partly.json()["rejected"], &partly.json()["accepted"]),
        (1, &json!(1), &json!(1))
    );
    // Nobody is asked without a terminal, another project's key does not do, and then it is gone.
    assert_eq!(run(&server, &["clear", "events", "--project", "test"]).code, 2);
    let other = run_as(&server, LIVE_KEY, &["clear", "events", "--project", "test", "--yes"]);
    assert!(other.code == 1 && other.err.contains("project"), "{other:?}");
    assert_eq!(server.get("/v1/events").await.json()["data"].as_array().map(Vec::len), Some(50));
    assert_eq!(done(&server, &["clear", "events", "--project", "test", "--yes"])["cleared"], true);
    assert_eq!(server.get("/v1/events").await.json()["data"], json!([]));
    assert_eq!(done(&server, &["import", &file])["accepted"], 1_500, "their ids are free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregations_of_the_older_system_are_imported_once() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    let document = |customer: &str, day: u32, calls: u32| {
        json!({
            "_id": format!("{customer}_daily_202601{day}"), "customerId": customer, "period": "daily",
            "periodKey": format!("202601{day}"), "periodStart": {"$date": format!("2026-01-{day}T00:00:00Z")},
            "periodEnd": {"$date": format!("2026-01-{day}T23:59:59.999Z")}, "events": {"api.calls": calls},
            "eventCounts": {"api.calls": 1}, "eventCount": 1, "webhookStatus": {"delivered": true, "attempts": 1},
            "createdAt": {"$date": {"$numberLong": "1768435200000"}},
        })
    };
    let mut documents: Vec<Value> = (0..1_200).map(|n| document(&format!("c{n}"), 12, n)).collect();
    documents.push(document("c0", 14, 1));
    let file = server.dir().join("aggregations.json");
    std::fs::write(&file, json!(documents).to_string()).expect("written");
    let file = file.display().to_string();
    for (accepted, duplicate) in [(1_200, 0), (0, 1_200)] {
        let ended = run(&server, &["import", &file, "--json"]);
        let report = ended.json();
        assert_eq!(
            (&report["accepted"], &report["duplicate"]),
            (&json!(accepted), &json!(duplicate)),
            "{ended:?}"
        );
        let rejected = &report["first_rejected"][0];
        assert!(
            rejected["reasons"][0].as_str().expect("a reason").contains("must have passed"),
            "{rejected}"
        );
        assert_eq!((ended.code, &report["rejected"]), (1, &json!(1)), "today has not ended");
    }
    let shown = server.get("/aggregations?customerId=c7").await.json();
    assert_eq!(
        (&shown[0]["events"], &shown[0]["periodEnd"]),
        (&json!({"api.calls": 7}), &json!("2026-01-12T23:59:59.999Z"))
    );
    assert_eq!(
        (&shown[0]["webhookStatus"]["delivered"], &shown[0]["createdAt"]),
        (&json!(true), &json!("2026-01-15T00:00:00.000Z"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_revoked_over_http_and_in_the_store() {
    let server = Server::start();
    let data = server.data_dir().display().to_string();
    let places: [&[&str]; 2] = [&[], &["--data-dir", &data, "--project", "test"]];
    for place in places {
        let made =
            done(&server, &[&["keys", "create", "--name", "ci", "--scope", "read,ingest"], place].concat());
        let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
        assert_eq!(run_as(&server, key, &["query", "events"]).code, 0, "it works at once");
        let refused = run_as(&server, key, &["keys", "list"]);
        assert!(refused.code == 1 && refused.err.contains("403"), "{refused:?}");
        let listed = done(&server, &[&["keys", "list"], place].concat());
        let ids: BTreeSet<&str> =
            listed.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
        assert!(ids.contains(id), "{listed}");
        assert!(!listed.to_string().contains(key));
        let new = done(&server, &[&["keys", "rotate", id, "--overlap-hours", "1"], place].concat());
        let new_key = new["key"].as_str().expect("a key");
        assert!(run_as(&server, key, &["query", "events"]).code == 0 && new["replaced"]["id"] == *id);
        assert_eq!(run_as(&server, new_key, &["query", "events"]).code, 0);
        let long = run(&server, &[&["keys", "rotate", id, "--overlap-hours", "169"], place].concat());
        assert!(long.code > 0 && long.err.contains("at most 168"), "{long:?}");
        let revoked = done(&server, &[&["keys", "revoke", id], place].concat());
        assert!(revoked["revoked_at"].is_string());
        // The store's revocation reaches a running server within two seconds.
        while run_as(&server, key, &["query", "events"]).code == 0 {}
        let table = run(&server, &[&["keys", "list"], place].concat());
        assert!(table.code == 0 && table.out.contains("revoked"), "{table:?}");
    }
    let nothing = format!("key_{}", "0".repeat(32));
    assert_eq!(run(&server, &["keys", "revoke", &nothing]).code, 1);
    assert_eq!(run(&server, &["keys", "create", "--scope", "root"]).code, 1);
    let ignored = run(&server, &["keys", "list", "--project", "test"]);
    assert!(ignored.code == 2 && ignored.err.contains("--data-dir or --database-url only"), "{ignored:?}");
    let long = "n".repeat(256);
    for (wrong, told) in [
        (&["--scope", "root"][..], "--scope must be one of"),
        (&["--scope", ""], "--scope must be one of"),
        (&["--scope", "read,"], "--scope must be one of"),
        (&["--scope", "read", "--name", ""], "--name must have 1 to 255 bytes"),
        (&["--scope", "read", "--name", &long], "--name must have 1 to 255 bytes"),
        (&["--scope", "read", "--expires-at", "2020-01-01T00:00:00Z"], "--expires-at must lie in the future"),
    ] {
        let refused = run(&server, &[&["keys", "create", "--data-dir", &data], wrong].concat());
        assert!(refused.code == 2 && refused.err.contains(told), "{wrong:?}: {refused:?}");
    }
    let empty = server.dir().join("empty");
    std::fs::create_dir(&empty).expect("made");
    let empty = empty.display().to_string();
    let ended = run(&server, &["keys", "list", "--data-dir", &empty]);
    assert!(ended.code == 2 && ended.err.contains("no server was started"), "{ended:?}");
    assert_eq!(std::fs::read_dir(&empty).expect("a directory").count(), 0, "looking makes no store");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_document_is_the_served_one() {
    let server = Server::start();
    let printed = reckoner(&["openapi"], &[]);
    assert_eq!(printed.code, 0);
    let served = server.get("/openapi.json").await;
    assert_eq!(printed.out.trim_end(), served.text);
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(printed.out.trim_end(), openapi::text());
    let file = server.dir().join("openapi.json");
    let path = file.display().to_string();
    assert_eq!(reckoner(&["openapi", "--output", &path], &[]).code, 0);
    assert_eq!(std::fs::read_to_string(file).expect("written"), printed.out);
    assert_eq!(reckoner(&["openapi", "--output", "/no/such/place"], &[]).code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_by_their_exit_code_how_it_went() {
    let server = Setup::default().start();
    let wrong_key = run_as(&server, "a-wrong-key-that-somebody-mistyped-0001", &["query", "events"]);
    assert!(wrong_key.code == 1 && wrong_key.err.contains("401"), "{wrong_key:?}");
    assert!(!wrong_key.err.contains("mistyped"), "{wrong_key:?}");
    let nobody = reckoner(&["query", "events", "--url", "http://127.0.0.1:1"], &[]);
    assert!(nobody.code == 1 && nobody.err.contains("cannot reach"), "{nobody:?}");
    for wrong in [
        &["query"][..],
        &["nothing"],
        &["query", "events", "--limit", "x"],
        &["query", "events", "--url", "x"],
    ] {
        assert_eq!(reckoner(wrong, &[]).code, 2, "{wrong:?}");
    }
    for right in [&["--version"][..], &["--help"], &["query", "events", "--help"]] {
        assert_eq!(reckoner(right, &[]).code, 0, "{right:?}");
    }
    let data = server.data_dir().display().to_string();
    let second = reckoner(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"], &[]);
    assert!(second.code == 1 && second.out.is_empty() && !second.err.is_empty(), "{second:?}");
}
