use super::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

/// Requests under way at once.
const AT_ONCE: usize = 256;

async fn consume(server: &Server, id: &str, customer: &str) -> Answer {
    let event = json!({"id": id, "customer": customer, "meter": "api.calls"});
    server.post("/v1/entitlements/consume", event).await
}

async fn check(server: &Server, customer: &str, value: &str) -> Answer {
    let asked = json!({"customer": customer, "meter": "api.calls", "value": value});
    server.post("/v1/entitlements/check", asked).await
}

/// What the meter says that a customer used in January 2026.
async fn metered(server: &Server, customer: &str) -> Value {
    let month = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z";
    let usage = server.get(&format!("/v1/meters/api.calls/query?{month}&customer={customer}")).await;
    usage.json()["data"][0]["value"].clone()
}

/// How many of these calls were allowed.
async fn allowed(server: &Server, ids: impl Iterator<Item = String>) -> usize {
    let calls = ids.map(|id| async move { consume(server, &id, "acme").await.status.as_u16() });
    let answers: Vec<u16> = futures_util::stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
    assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
    answers.iter().filter(|status| **status == 200).count()
}

on_both_servers!(ten_thousand_at_once_share_a_thousand_units);
async fn ten_thousand_at_once_share_a_thousand_units(setup: Setup) {
    let mut server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    assert_eq!(allowed(&server, (0..10_000).map(|number| format!("call-{number}"))).await, 1_000);
    assert_eq!(metered(&server, "acme").await, "1000");
    let refused = consume(&server, "one more", "acme").await;
    let expected = json!({
        "allowed": false, "limit": "1000", "used": "1000", "remaining": "0", "behaviour": "block",
        "resets_at": "2026-02-01T00:00:00.000000Z", "reset": "month", "reason": "limit",
    });
    assert_eq!((refused.status.as_u16(), refused.json()), (429, expected));
    let headers = [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
    ];
    let told: Vec<&str> = headers.into_iter().map(|name| refused.header(name).expect(name)).collect();
    let seconds = 21 * 86_400 + 12 * 3_600;
    let left = format!("\"month\";r=0;t={seconds}");
    assert_eq!(
        told,
        ["1000", "0", "2026-02-01T00:00:00.000000Z", &left, "\"month\";q=1000", &seconds.to_string()]
    );
    // A void gives its unit back, to one caller.
    let first = server.get("/v1/events?customer=acme&limit=1").await.json()["data"][0]["id"].clone();
    let first = first.as_str().expect("an id");
    assert_eq!(server.delete(&format!("/v1/events/{first}")).await.status, 200);
    assert_eq!(allowed(&server, (0..100).map(|number| format!("again-{number}"))).await, 1);
    // Recording does not depend on the quota; what goes beyond is shown.
    server
        .post("/v1/events", json!({"id": "plain", "customer": "acme", "meter": "api.calls", "value": 5}))
        .await;
    assert_eq!(check(&server, "acme", "0").await.json()["used"], "1005");
    server.crash_and_restart();
    let after = check(&server, "acme", "1").await;
    assert_eq!((after.status.as_u16(), &after.json()["used"]), (429, &json!("1005")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_repeats_counts_each_call_once_and_refuses_none() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    // As many calls as the limit allows, each sent one to five times, all at once.
    let storm = (0..1_000).flat_map(|number| (0..=number % 5).map(move |_| format!("call-{number}")));
    let sent = storm.clone().count();
    assert_eq!(allowed(&server, storm).await, sent, "what was allowed is allowed when it is sent again");
    assert_eq!(metered(&server, "acme").await, "1000");
    let repeat = consume(&server, "call-7", "acme").await;
    assert_eq!((repeat.status.as_u16(), &repeat.json()["duplicate"]), (200, &json!(true)));
    let other = json!({"id": "call-7", "customer": "acme", "meter": "api.calls", "value": 2});
    let conflict = server.post("/v1/entitlements/consume", other).await;
    assert_eq!((conflict.status.as_u16(), &conflict.json()["code"]), (409, &json!("event_conflict")));
    assert_eq!(consume(&server, "another", "acme").await.status, 429);
    // What a lease holds may come back: who is refused for it may ask again.
    assert_eq!(server.delete("/v1/events/call-8").await.status, 200);
    let leased = json!({"customer": "acme", "meter": "api.calls", "value": "1"});
    let lease = server.post("/v1/entitlements/leases", leased).await.json();
    assert_eq!(consume(&server, "call-8 instead", "acme").await.status, 429);
    let path = format!("/v1/entitlements/leases/{}/return", lease["lease_id"].as_str().expect("an id"));
    assert_eq!(server.post(&path, json!({"used": "0"})).await.status, 200);
    assert_eq!(consume(&server, "call-8 instead", "acme").await.status, 200);
    // The header names the event where it has no id. A refusal stays one; its room is for others.
    let keyed = || async {
        let request = server.request(Method::POST, "/v1/entitlements/consume", TEST_KEY);
        let request = request
            .header("idempotency-key", "named")
            .json(&json!({"customer": "acme", "meter": "api.calls"}));
        Answer::of(request.send().await).await
    };
    let first = keyed().await;
    assert_eq!((first.status.as_u16(), &first.json()["duplicate"]), (429, &json!(null)));
    // Whoever records it without asking has recorded it.
    let (plain, refused) = (json!({"id": "plain", "customer": "acme", "meter": "api.calls"}), 429);
    for status in [refused, 200] {
        let answer = server.post("/v1/entitlements/consume", plain.clone()).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(server.post("/v1/events", plain.clone()).await.status.is_success());
    }
    assert_eq!(server.delete("/v1/events/plain").await.status, 200);
    assert_eq!(server.delete("/v1/events/call-7").await.status, 200);
    let again = keyed().await;
    assert_eq!((again.status.as_u16(), &again.json()["duplicate"]), (429, &json!(true)));
    let mut expected = first.json();
    expected["duplicate"] = json!(true);
    assert_eq!(again.json(), expected, "its first verdict");
    assert_eq!(consume(&server, "in its place", "acme").await.status, 200);
    // Another plan is another question.
    let listed = server.get("/v1/subscriptions?customer=acme").await.json();
    let path = format!("/v1/subscriptions/{}/change-plan", listed["data"][0]["id"].as_str().expect("an id"));
    assert_eq!(server.post(&path, json!({"plan": "pro"})).await.status, 200);
    let (allowed, again) = (keyed().await, keyed().await);
    assert_eq!((allowed.status.as_u16(), &allowed.json()["duplicate"]), (200, &json!(null)));
    assert_eq!((again.status.as_u16(), &again.json()["duplicate"]), (200, &json!(true)));
}

#[tokio::test]
async fn overage_is_allowed_and_a_change_of_plan_counts_at_once() {
    let server = Server::start();
    with_analytics(&server).await;
    let bulk = json!({"id": "bulk", "customer": "acme", "meter": "api.calls", "value": 100_000});
    server.post("/v1/events", bulk).await;
    let nothing = consume(&server, "a", "acme").await;
    assert_eq!((nothing.status.as_u16(), &nothing.json()["reason"]), (429, &json!("not_entitled")));
    let made = subscribe(&server, "acme", "free").await;
    assert_eq!(consume(&server, "b", "acme").await.json()["reason"], "limit");
    let path = format!("/v1/subscriptions/{}/change-plan", made["id"].as_str().expect("an id"));
    server.post(&path, json!({"plan": "pro"})).await;
    let over = consume(&server, "c", "acme").await;
    let verdict = over.json();
    assert_eq!(
        (over.status.as_u16(), &verdict["used"], &verdict["remaining"]),
        (200, &json!("100001"), &json!("0")),
        "call 100,001 passes"
    );
    assert_eq!((&verdict["behaviour"], &verdict["reset"]), (&json!("overage"), &json!("billing_period")));
    server.post(&path, json!({"plan": "enterprise"})).await;
    let free = consume(&server, "d", "acme").await;
    assert_eq!((&free.json()["limit"], &free.json()["behaviour"]), (&json!(null), &json!("unlimited")));
    assert_eq!(free.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn counting_begins_anew_with_the_month_and_late_events_count_where_they_belong() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    let of = |id: &str, value: u32, time: &str| json!({"id": id, "customer": "acme", "meter": "api.calls", "value": value, "time": time});
    server.post("/v1/events", of("all", 1_000, "2026-01-10T11:00:00Z")).await;
    assert_eq!(check(&server, "acme", "1").await.status, 429);
    server.advance("2026-02-01T00:00:00Z").await;
    let anew = check(&server, "acme", "1").await;
    assert_eq!((anew.status.as_u16(), &anew.json()["used"]), (200, &json!("0")));
    server.post("/v1/events", of("late", 7, "2026-01-31T23:59:59Z")).await;
    server.post("/v1/events", of("now", 3, "2026-02-01T00:00:00Z")).await;
    assert_eq!(check(&server, "acme", "1").await.json()["used"], "3", "the late one belongs to January");
    server.put("/v1/events/now", json!({"value": 4})).await;
    assert_eq!(check(&server, "acme", "1").await.json()["used"], "4");
}

#[tokio::test]
async fn leases_hold_what_they_took_until_it_is_used_or_returned() {
    let mut server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    let lease = |value: &str| json!({"customer": "acme", "meter": "api.calls", "value": value});
    let taken = server.post("/v1/entitlements/leases", lease("600")).await;
    assert_eq!(
        (taken.status.as_u16(), &taken.json()["granted"], &taken.json()["remaining"]),
        (201, &json!("600"), &json!("400"))
    );
    let path = format!("/v1/entitlements/leases/{}", taken.json()["lease_id"].as_str().expect("an id"));
    assert_eq!(
        server.post("/v1/entitlements/leases", lease("600")).await.json()["granted"],
        "400",
        "what is left"
    );
    let none = server.post("/v1/entitlements/leases", lease("1")).await;
    assert_eq!((none.status.as_u16(), &none.json()["reason"]), (429, &json!("limit")));
    assert_eq!(check(&server, "acme", "1").await.status, 429);
    assert_eq!(consume(&server, "a", "acme").await.status, 429);
    server.crash_and_restart();
    assert_eq!(check(&server, "acme", "1").await.status, 429, "a lease outlives a crash of the server");
    // Used, told, and the rest returned.
    server
        .post("/v1/events", json!({"id": "used", "customer": "acme", "meter": "api.calls", "value": 10}))
        .await;
    let told = server.post(&format!("{path}/report"), json!({"used": "10", "renew": true})).await.json();
    assert_eq!((&told["used"], &told["remaining"]), (&json!("10"), &json!("0")));
    let back = server.post(&format!("{path}/return"), json!({"used": "10"})).await.json();
    assert_eq!((&back["used"], &back["remaining"]), (&json!("10"), &json!("590")));
    assert_eq!(server.post(&format!("{path}/report"), json!({"used": "11"})).await.status, 404);
    let wrong = server.post("/v1/entitlements/leases", lease("0")).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["field"]), (422, &json!("value")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_and_calls_together_never_pass_a_limit() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    let lease = || async {
        let wanted = json!({"customer": "acme", "meter": "api.calls", "value": "30"});
        let given = server.post("/v1/entitlements/leases", wanted).await;
        given.json()["granted"].as_str().map_or(0, |text| text.parse::<usize>().expect("a number"))
    };
    let leases = futures_util::future::join_all((0..60).map(|_| lease()));
    let calls = allowed(&server, (0..1_500).map(|number| format!("call-{number}")));
    let (granted, called) = futures_util::future::join(leases, calls).await;
    assert_eq!(granted.iter().sum::<usize>() + called, 1_000, "{granted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_count_by_distinct_values_levels_and_maxima_too() {
    let server = Server::start();
    server.freeze("2026-01-10T12:00:00Z").await;
    let meter = |key: &str, aggregation: &str, property: Option<&str>| json!({"key": key, "aggregation": aggregation, "value_property": property});
    let quota = |meter: &str, limit: &str| json!({"feature": meter, "type": "metered", "meter": meter, "behaviour": "block", "limit": limit});
    let catalog = json!({
        "meters": [meter("seats", "unique_count", Some("$.user")), meter("bytes", "time_weighted_avg", None), meter("peak", "max", None)],
        "plans": [{"key": "team", "currency": "USD", "interval": "month",
            "entitlements": [quota("seats", "10"), quota("bytes", "100"), quota("peak", "50")]}],
    });
    let applied = server.post("/v1/catalog/apply", catalog).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    subscribe(&server, "acme", "team").await;
    let seats = (0..60).map(|number| {
        let user = format!("user-{}", number % 20);
        let event = json!({"id": format!("s{number}"), "customer": "acme", "meter": "seats", "properties": {"user": user}});
        server.post("/v1/entitlements/consume", event)
    });
    let seats: Vec<u16> =
        futures_util::future::join_all(seats).await.iter().map(|one| one.status.as_u16()).collect();
    let query = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&customer=acme";
    let known = server.get(&format!("/v1/meters/seats/query?{query}")).await.json();
    assert_eq!(known["data"][0]["value"], "10");
    assert_eq!(seats.iter().filter(|status| **status == 200).count(), 30, "each of the ten, three times");
    let send = |id: &str, meter: &str, value: i32| {
        server.post(
            "/v1/entitlements/consume",
            json!({"id": id, "customer": "acme", "meter": meter, "value": value}),
        )
    };
    let both = futures_util::future::join(send("b1", "bytes", 60), send("b2", "bytes", 60)).await;
    let mut both = [both.0.status.as_u16(), both.1.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [200, 429], "there is room for one");
    assert_eq!(send("b3", "bytes", -50).await.status, 200, "giving back is always allowed");
    assert_eq!(send("b4", "bytes", 90).await.json()["used"], "100");
    assert_eq!(
        (send("p1", "peak", 50).await.status.as_u16(), send("p2", "peak", 51).await.status.as_u16()),
        (200, 429)
    );
    assert_eq!(send("p3", "peak", 49).await.json()["used"], "50");
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_is_told() {
    let server = Server::start();
    with_analytics(&server).await;
    let wrong = server.post("/v1/entitlements/check", json!({"customer": "a", "meter": "nothing"})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["field"]), (422, &json!("meter")));
    let wrong = server
        .post("/v1/entitlements/check", json!({"customer": "a", "meter": "api.calls", "value": "x"}))
        .await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["field"]), (422, &json!("value")));
    let wrong = server.post("/v1/entitlements/consume", json!({"meter": "nothing", "value": "x"})).await;
    let fields: Vec<Value> =
        wrong.json()["errors"].as_array().expect("errors").iter().map(|one| one["field"].clone()).collect();
    assert_eq!(fields, ["customer", "value", "meter"]);
    assert_eq!(server.post("/v1/entitlements/consume", json!([])).await.status, 422);
}
