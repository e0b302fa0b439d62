//! Events in the order of their commit: by the API and in `reckoner log`.
use crate::support::server::{Server, TEST_KEY};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Stores an event with this id, so many minutes after nine.
async fn store(server: &Server, id: &str, minute: u32) {
    let time = format!("2026-01-14T09:{minute:02}:00Z");
    let event = json!({"id": id, "customer": "a", "meter": "api.calls", "time": time});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
}

fn ids(events: &Value) -> Vec<&str> {
    let events = events.as_array().expect("a list");
    events.iter().map(|event| event["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn events_are_listed_in_the_order_of_their_commit() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    for (id, minute) in [("a", 30), ("b", 10), ("c", 50), ("d", 20), ("e", 40)] {
        store(&server, id, minute).await;
    }
    let by_time = server.get("/v1/events").await.json();
    assert_eq!(ids(&by_time["data"]), ["c", "e", "a", "d", "b"]);
    assert_eq!(server.get("/v1/events?order=time").await.json(), by_time);
    let first = server.get("/v1/events?order=sequence&limit=2").await.json();
    assert_eq!(ids(&first["data"]), ["e", "d"]);
    // What is committed meanwhile belongs to no later page.
    store(&server, "f", 1).await;
    let next = first["next_cursor"].as_str().expect("more");
    let rest = server.get(&format!("/v1/events?order=sequence&cursor={next}")).await.json();
    assert_eq!((ids(&rest["data"]), &rest["next_cursor"]), (vec!["c", "b", "a"], &Value::Null));
    let some = "/v1/events?order=sequence&meter=api.calls&customer=a&from=2026-01-14T09:20:00Z&to=2026-01-14T09:50:00Z";
    assert_eq!(ids(&server.get(some).await.json()["data"]), ["e", "d", "a"]);
    assert_eq!(server.get("/v1/events?order=sequence&customer=nobody").await.json()["data"], json!([]));
    let of_time =
        server.get("/v1/events?limit=1").await.json()["next_cursor"].as_str().expect("more").to_owned();
    for (query, field) in [
        ("order=newest".to_owned(), "order"),
        (format!("order=sequence&cursor={of_time}"), "cursor"),
        (format!("order=time&cursor={next}"), "cursor"),
    ] {
        let (status, problem) = server.get(&format!("/v1/events?{query}")).await.parts();
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{query}");
    }
}

/// A running `reckoner log`, ended with the test.
struct Log(Child);

impl Drop for Log {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_each_later_commit_once_however_old_its_time() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    for (id, minute) in [("a", 30), ("late-1", 10), ("b", 50), ("late-2", 20)] {
        store(&server, id, minute).await;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_reckoner"));
    command.args(["log", "--tail", "2", "--follow", "--json", "--interval-ms", "50"]);
    command.env_clear().env("RECKONER_URL", server.url("")).env("RECKONER_API_KEY", TEST_KEY);
    let mut log = Log(command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("it starts"));
    let mut lines = BufReader::new(log.0.stdout.take().expect("its output")).lines();
    let mut next = || {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str::<Value>(&line).expect("JSON")["id"].as_str().expect("an id").to_owned()
    };
    assert_eq!([next(), next()], ["b", "late-2"], "the last two committed");
    for (id, minute) in [("late-3", 5), ("c", 55), ("late-4", 1)] {
        store(&server, id, minute).await;
        assert_eq!(next(), id);
    }
    // Nothing comes twice: what is seen next is what is stored next.
    store(&server, "d", 56).await;
    assert_eq!(next(), "d");
}
