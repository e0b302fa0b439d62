//! Reading, setting, advancing and releasing the test clock (RULES 3).
use super::{event, on_both_servers, send};
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

async fn clock(server: &Server) -> Value {
    let answer = server.get("/v1/test-clock").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn refused(server: &Server, method: &str, path: &str, time: &str) -> (u16, String) {
    let body = json!({"frozen_time": time});
    let answer = if method == "PUT" { server.put(path, body).await } else { server.post(path, body).await };
    (answer.status.as_u16(), answer.json()["code"].as_str().expect("a code").to_owned())
}

on_both_servers!(the_clock_moves_as_the_rules_say);
async fn the_clock_moves_as_the_rules_say(setup: Setup) {
    let mut server = setup.start();
    let frozen = |time: &str| json!({"frozen_time": time});
    assert_eq!(clock(&server).await, json!({"frozen_time": null}));
    let conflict = |code: &str| (409, code.to_owned());
    let advance = "/v1/test-clock/advance";
    assert_eq!(refused(&server, "POST", advance, "2021-01-31T00:00:00Z").await, conflict("clock_not_frozen"));
    // Any time while there is no event: forth and back.
    for (time, shown) in [
        ("2022-01-01T00:00:00Z", "2022-01-01T00:00:00.000000Z"),
        ("1999-12-31T23:59:59.25+05:30", "1999-12-31T18:29:59.250000Z"),
        ("2021-01-31T22:00:00Z", "2021-01-31T22:00:00.000000Z"),
    ] {
        let answer = server.put("/v1/test-clock", frozen(time)).await;
        assert_eq!(answer.parts(), (200, frozen(shown)));
        assert_eq!(clock(&server).await, frozen(shown));
    }
    send(&server, vec![event("a", "api.calls", "1", "2021-01-31T21:59:00Z")]).await;
    let (put, before) = ("/v1/test-clock", "2021-01-31T21:59:59.999999Z");
    assert_eq!(refused(&server, "PUT", put, before).await, conflict("clock_backwards"));
    assert_eq!(refused(&server, "POST", advance, before).await, conflict("clock_backwards"));
    assert_eq!(clock(&server).await, frozen("2021-01-31T22:00:00.000000Z"));
    // The hour of the event has ended at 22:00; its tick is the next one.
    let answer = server.post(advance, frozen("2021-01-31T22:14:59Z")).await;
    assert_eq!(answer.parts(), (200, json!({"frozen_time": "2021-01-31T22:14:59.000000Z", "jobs_run": 0})));
    assert_eq!(server.advance("2021-01-31T22:14:59Z").await, 0);
    assert_eq!(server.advance("2021-01-31T22:15:00Z").await, 1);
    assert_eq!(server.advance("2021-01-31T23:59:59Z").await, 0);
    server.freeze("2021-02-01T00:30:00Z").await;
    server.crash_and_restart();
    assert_eq!(clock(&server).await, frozen("2021-02-01T00:30:00.000000Z"));
    // What fell due on the way of a PUT is done by the next tick.
    assert_eq!(server.advance("2021-02-01T00:45:00Z").await, 1);
    let answer = server.delete("/v1/test-clock").await;
    assert_eq!(answer.parts(), (200, json!({"frozen_time": null})));
    assert_eq!(server.delete("/v1/test-clock").await.parts(), (200, json!({"frozen_time": null})));
    assert!(server.terminate().success());
    server.restart();
    assert_eq!(clock(&server).await, json!({"frozen_time": null}));
    // Real time is what a frozen clock may not fall behind.
    assert_eq!(refused(&server, "PUT", put, "2021-01-31T22:00:00Z").await, conflict("clock_backwards"));
    server.freeze("2999-01-01T00:00:00Z").await;
    let answer = server.delete("/v1/test-clock").await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].clone()), (409, json!("clock_backwards")));
}

#[tokio::test]
async fn bad_times_and_project_live_are_refused() {
    let server = Server::start();
    for body in [json!({}), json!({"frozen_time": null}), json!({"frozen_time": 5})] {
        let answer = server.put("/v1/test-clock", body).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    for time in ["yesterday", "2026-01-31T22:00:00", "2026-02-30T00:00:00Z", "2026-01-31T22:00:60Z"] {
        let answer = server.put("/v1/test-clock", json!({"frozen_time": time})).await;
        assert_eq!(answer.status, 422, "{time}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], "frozen_time");
    }
    let time = json!({"frozen_time": "2026-01-31T22:00:00Z"});
    for (method, path) in [
        (Method::GET, "/v1/test-clock"),
        (Method::PUT, "/v1/test-clock"),
        (Method::DELETE, "/v1/test-clock"),
        (Method::POST, "/v1/test-clock/advance"),
    ] {
        let request = server.request(method.clone(), path, LIVE_KEY).json(&time);
        let answer = Answer::of(request.send().await).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        let answer = Answer::of(server.bare(method, path).json(&time).send().await).await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_advance_goes_on_when_its_client_hangs_up() {
    let server = Server::start();
    server.freeze("2026-01-01T00:00:00Z").await;
    let hours: Vec<Value> = (0..500)
        .map(|hour: i64| {
            event("a", "api.calls", "1", &format!("2025-12-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24))
        })
        .collect();
    send(&server, hours).await;
    let later: Vec<Value> =
        (0..24).map(|hour| event("b", "api.calls", "1", &format!("2025-12-31T{hour:02}:30:00Z"))).collect();
    send(&server, later).await;
    let body = json!({"frozen_time": "2026-01-01T01:00:00Z"});
    let request = server.request(Method::POST, "/v1/test-clock/advance", TEST_KEY);
    let call = tokio::spawn(request.json(&body).send());
    // As soon as the run is on record the client goes away.
    loop {
        if run(&server).await.is_some() {
            break;
        }
    }
    call.abort();
    // The next one waits for its end instead of a lease that nobody gives back.
    assert_eq!(server.advance("2026-01-01T02:00:00Z").await, 0);
    assert_eq!(run(&server).await.expect("there")["result"], "succeeded");
}

/// The run at the tick after the clock's start, once it is on record.
async fn run(server: &Server) -> Option<Value> {
    let runs = super::all(server, "/v1/jobs/runs").await;
    let mut runs = runs.into_iter().filter(|run| run["started_at"] == "2026-01-01T00:15:00.000000Z");
    let run = runs.next();
    assert!(runs.next().is_none(), "there is one");
    run
}
