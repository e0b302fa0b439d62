//! System D's usage endpoints, as its clients see them.
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015-gateway";
const TOML: &str = r#"
    [services.gateway]
    secret = "9f86d081884c7d659a2feaa0c55ad015-gateway"
    permissions = ["usage:write", "project:read"]
"#;

/// A server's project `test`, at 12:00 on 10 January 2026, with system D's catalogue, a service and a user.
pub struct World {
    pub server: Server,
    /// The token of a service.
    pub service: String,
    /// The user's id, which is its customer's own id too.
    pub user: String,
    token: String,
}

impl World {
    pub async fn start(setup: Setup) -> Self {
        let server = setup.toml(TOML).start();
        server.freeze("2026-01-10T12:00:00Z").await;
        apply(&server).await;
        let request = server.bare(Method::POST, "/auth/service/token").header("x-service-secret", SECRET);
        let issued = Answer::of(request.json(&json!({"serviceName": "gateway"})).send().await).await.json();
        let (user, token) = register(&server, "ann@example.com").await;
        Self { service: issued["token"].as_str().expect("a token").to_owned(), server, user, token }
    }

    /// The same on another plan than the trial's.
    pub async fn on_plan(self, plan: &str) -> Self {
        let listed = self.server.get(&format!("/v1/subscriptions?customer={}", self.user)).await.json();
        let id = listed["data"][0]["id"].as_str().expect("the trial").to_owned();
        let change = json!({"plan": plan, "when": "now"});
        let changed = self.server.post(&format!("/v1/subscriptions/{id}/change-plan"), change).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        self
    }

    /// The user's access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    async fn record_with(&self, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = self.server.bare(Method::POST, "/usage/record").header("reckoner-project", "test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.json(&body).send().await).await
    }

    async fn record(&self, body: Value) -> Answer {
        self.record_with(&[("x-service-token", &self.service)], body).await
    }

    pub async fn used(&self, resource: &str, amount: Value) {
        let body = json!({"userId": self.user, "resourceType": resource, "amount": amount});
        let made = self.record(body).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }

    pub async fn read(&self, path: &str) -> Value {
        let request = self.server.bare(Method::GET, path).header("reckoner-project", "test");
        let answer = Answer::of(request.bearer_auth(&self.token).send().await).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    async fn check(&self, body: Value) -> Answer {
        let request = self.server.bare(Method::POST, "/usage/check-quota").header("reckoner-project", "test");
        Answer::of(request.bearer_auth(&self.token).json(&body).send().await).await
    }

    async fn may(&self, resource: &str, amount: Value) -> (bool, String) {
        let answer = self.check(json!({"resourceType": resource, "amount": amount})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        assert_eq!(body.as_object().expect("an object").len(), 2, "{body}");
        (body["hasQuota"].as_bool().expect("yes or no"), body["message"].as_str().expect("words").to_owned())
    }
}

/// Applies system D's catalogue to project `test`, with its meters.
pub async fn apply(server: &Server) {
    let catalog: Value = serde_json::from_str(reckoner_domain::catalog::SAMPLES[1].1).expect("a catalogue");
    let applied = server.post("/v1/catalog/apply", catalog).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
}

/// Registers somebody in project `test`: the user's id and access token.
pub async fn register(server: &Server, email: &str) -> (String, String) {
    let body = json!({"email": email, "password": "correct horse battery"});
    let request = server.bare(Method::POST, "/auth/register").header("reckoner-project", "test");
    let made = Answer::of(request.json(&body).send().await).await.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["user"]["id"]), text(&made["accessToken"]))
}

async fn what_is_recorded_is_shown_against_the_tiers_quota(setup: Setup) {
    let world = World::start(setup).await.on_plan("basic").await;
    let user = world.user.clone();
    let body =
        json!({"userId": user, "resourceType": "llm_tokens", "amount": 40000, "metadata": {"model": "m"}});
    let expected = json!({
        "success": true, "message": "Usage recorded successfully", "userId": user,
        "resourceType": "llm_tokens", "amount": 40000,
    });
    assert_eq!(world.record(body).await.parts(), (200, expected));
    world.used("memory_storage", json!(1_610_612_736)).await;
    world.used("messages", json!(5)).await;
    world.used("agent_minutes", json!(2.5)).await;
    assert_eq!(world.read("/usage/tokens").await, json!({"used": 40000, "limit": 50000, "percentage": 80}));
    let storage = json!({"used": 1_610_612_736, "limit": 10_737_418_240_u64, "percentage": 15});
    assert_eq!(world.read("/usage/storage").await, storage);
    assert_eq!(world.read("/usage/tier").await, json!({"userId": user, "tier": "basic"}));
    let quota = json!({
        "userId": user, "tier": "basic",
        "tokens": {"used": 40000, "limit": 50000, "remaining": 10000, "percentage": 80},
        "messages": {"used": 5, "limit": 5000, "remaining": 4995, "percentage": 0.1},
        "storage": {"used": 1_610_612_736, "limit": 10_737_418_240_u64, "remaining": 9_126_805_504_u64, "percentage": 15},
        "resetsAt": "2026-01-11T00:00:00.000Z",
    });
    assert_eq!(world.read("/usage/quota").await, quota);
    let stats = json!({
        "userId": user, "period": "last_30_days",
        "breakdown": [
            {"resourceType": "llm_tokens", "amount": 40000, "humanReadable": "40,000 tokens", "percentage": 80},
            {"resourceType": "memory_storage", "amount": 1_610_612_736, "humanReadable": "1.5 GB", "percentage": 15},
            {"resourceType": "agent_minutes", "amount": 2.5, "humanReadable": "2.5 minutes", "percentage": 4.17},
            {"resourceType": "messages", "amount": 5, "humanReadable": "5 messages", "percentage": 0.1},
        ],
        "limits": {"llm_tokens": 50000, "memory_storage": 10_737_418_240_u64, "agent_minutes": 60, "messages": 5000},
        "warnings": ["llm_tokens: 80.0% of quota used"],
        "timestamp": "2026-01-10T12:00:00.000Z",
    });
    assert_eq!(world.read("/usage/stats").await, stats);
}
on_both_servers!(what_is_recorded_is_shown_against_the_tiers_quota);

#[tokio::test]
async fn a_check_says_in_the_originals_words_what_is_left() {
    let world = World::start(Setup::default()).await.on_plan("basic").await;
    let said = |may: bool, text: &str| (may, text.to_owned());
    assert_eq!(world.may("llm_tokens", json!(39_999)).await, said(true, "Quota available"));
    assert_eq!(
        world.may("llm_tokens", json!(42_500)).await,
        said(true, "Warning: 85.0% of quota will be used")
    );
    assert_eq!(
        world.may("llm_tokens", json!(50_000)).await,
        said(true, "Warning: 100.0% of quota will be used")
    );
    world.used("llm_tokens", json!(49_000)).await;
    let exceeded = "Quota exceeded. Current: 49000, Requested: 1001, Limit: 50000";
    assert_eq!(world.may("llm_tokens", json!(1_001)).await, said(false, exceeded));
    assert_eq!(world.read("/usage/tokens").await["used"], 49_000, "nothing is used by asking");
    world.server.advance("2026-01-11T00:00:00Z").await;
    assert_eq!(world.may("llm_tokens", json!(1_001)).await, said(true, "Quota available"), "another day");
    let bad = world.check(json!({"resourceType": "tokens", "amount": "5"})).await;
    let names = "llm_tokens, memory_storage, agent_minutes, messages";
    let message = format!(
        "resourceType must be one of the following values: {names}; amount must be a number that is not negative"
    );
    assert_eq!(bad.parts(), (400, json!({"statusCode": 400, "message": message, "error": "Bad Request"})));
    let id = world.server.get("/v1/subscriptions").await.json()["data"][0]["id"].clone();
    let path = format!("/v1/subscriptions/{}/change-plan", id.as_str().expect("an id"));
    world.server.post(&path, json!({"plan": "pro"})).await;
    assert_eq!(world.may("llm_tokens", json!(1_000_000)).await, said(true, "Unlimited quota"));
    assert_eq!(world.read("/usage/tokens").await, json!({"used": 0, "limit": -1, "percentage": 0}));
    assert_eq!(world.read("/usage/quota").await["tokens"]["remaining"], -1);
}

#[tokio::test]
async fn a_retry_counts_once_and_quotas_never_refuse_a_record() {
    let world = World::start(Setup::default()).await.on_plan("basic").await;
    let body = json!({"id": "call-1", "userId": world.user, "resourceType": "llm_tokens", "amount": 60_000});
    let first = world.record(body.clone()).await;
    assert_eq!(first.status, 200, "beyond a limit that blocks: {}", first.text);
    for again in [body.clone(), body.clone()] {
        assert_eq!(world.record(again).await.parts(), first.parts());
    }
    let headers = [("x-service-token", world.service.as_str()), ("idempotency-key", "call-1")];
    let same = json!({"userId": world.user, "resourceType": "llm_tokens", "amount": 60_000});
    assert_eq!(world.record_with(&headers, same).await.status, 200);
    assert_eq!(
        world.read("/usage/tokens").await,
        json!({"used": 60_000, "limit": 50_000, "percentage": 120})
    );
    let other =
        json!({"idempotencyKey": "call-1", "userId": world.user, "resourceType": "messages", "amount": 1});
    let conflict = world.record(other).await.parts();
    let message = "The id is taken by an event with other content";
    assert_eq!(conflict, (409, json!({"statusCode": 409, "message": message, "error": "Conflict"})));
    let metrics = world.server.get("/metrics").await.text;
    for line in [
        "usage_recording_attempts_total{resource_type=\"llm_tokens\",result=\"success\"} 1\n",
        "usage_recording_attempts_total{resource_type=\"llm_tokens\",result=\"duplicate\"} 3\n",
        "usage_recording_attempts_total{resource_type=\"messages\",result=\"refused\"} 1\n",
        "usage_tokens_total{user_tier=\"basic\"} 60000\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn only_services_record_and_the_header_names_the_user() {
    let world = World::start(Setup::default()).await;
    let body = json!({"userId": "someone", "resourceType": "messages", "amount": 3});
    let headers = [("x-service-token", world.service.as_str()), ("x-user-id", world.user.as_str())];
    assert_eq!(world.record_with(&headers, body.clone()).await.json()["userId"], json!(world.user));
    let nameless = json!({"resourceType": "messages", "amount": 3});
    assert_eq!(world.record_with(&headers, nameless).await.json()["userId"], json!(world.user));
    let bearer = format!("Bearer {}", world.token);
    let told =
        |status: u16, text: &str| (status, json!({"statusCode": status, "message": text, "error": text}));
    assert_eq!(world.record_with(&[], body.clone()).await.parts(), told(401, "Unauthorized"));
    let person = world.record_with(&[("authorization", &bearer)], body.clone()).await;
    assert_eq!(person.parts(), told(403, "Forbidden"));
    let project = world.server.post("/usage/record", body).await;
    assert_eq!(project.parts(), told(403, "Forbidden"), "a key of the project");
    let bad = world.record(json!({"resourceType": "x", "amount": "3", "metadata": [1], "id": 5})).await;
    let message = "userId is required; resourceType must be one of the following values: llm_tokens, \
        memory_storage, agent_minutes, messages; amount must be a number; metadata must be an object; \
        id must be a string";
    assert_eq!(bad.parts(), (400, json!({"statusCode": 400, "message": message, "error": "Bad Request"})));
    assert_eq!(world.record(json!([1])).await.json()["message"], "Request body must be a JSON object");
    assert_eq!(world.server.get("/v1/customers/someone").await.status, 404, "nothing was recorded for it");
}

#[tokio::test]
async fn histories_are_by_day_of_ones_own_usage() {
    let world = World::start(Setup::default()).await;
    let (other, _) = register(&world.server, "bob@example.com").await;
    let sent = async |user: &str, resource: &str, amount: u32, day: u32| {
        let time = format!("2026-01-{day:02}T08:00:00Z");
        let body = json!({"userId": user, "resourceType": resource, "amount": amount, "timestamp": time});
        assert_eq!(world.record(body).await.status, 200);
    };
    sent(&world.user, "llm_tokens", 100, 8).await;
    sent(&world.user, "llm_tokens", 50, 8).await;
    sent(&world.user, "messages", 2, 9).await;
    sent(&world.user, "llm_tokens", 7, 10).await;
    sent(&other, "llm_tokens", 1_000, 9).await;
    let history = json!({"userId": world.user, "days": 30, "history": [
        {"date": "2026-01-08", "llm_tokens": 150, "memory_storage": 0, "agent_minutes": 0, "messages": 0},
        {"date": "2026-01-09", "llm_tokens": 0, "memory_storage": 0, "agent_minutes": 0, "messages": 2},
        {"date": "2026-01-10", "llm_tokens": 7, "memory_storage": 0, "agent_minutes": 0, "messages": 0},
    ]});
    assert_eq!(world.read("/usage/history").await, history);
    let series = json!([{"date": "2026-01-08", "amount": 150}, {"date": "2026-01-10", "amount": 7}]);
    assert_eq!(world.read("/usage/timeseries/llm_tokens").await, series);
    let last = json!([{"date": "2026-01-10", "amount": 7}]);
    assert_eq!(world.read("/usage/timeseries/llm_tokens?days=1").await, last);
    assert_eq!(world.read("/usage/history?days=9999").await["days"], 365);
    assert_eq!(world.read("/usage/stats?days=2").await["period"], "last_2_days");
    assert_eq!(world.read("/usage/stats?days=2").await["breakdown"][0]["amount"], 7);
    let key = world.server.post("/v1/api-keys", json!({"customer": other})).await.json();
    let key = key["key"].as_str().expect("a key");
    let request = world.server.bare(Method::GET, "/usage/timeseries/llm_tokens").header("x-apikey", key);
    let theirs = Answer::of(request.send().await).await;
    assert_eq!(
        theirs.parts(),
        (200, json!([{"date": "2026-01-09", "amount": 1_000}])),
        "by a customer's key"
    );
    let request = world.server.bare(Method::GET, "/usage/timeseries/x").header("x-apikey", key);
    let message = "resourceType must be one of the following values: llm_tokens, memory_storage, \
        agent_minutes, messages";
    let none = Answer::of(request.send().await).await;
    assert_eq!(none.parts(), (400, json!({"statusCode": 400, "message": message, "error": "Bad Request"})));
}

#[tokio::test]
async fn what_is_held_is_a_level_that_no_month_forgets() {
    let world = World::start(Setup::default()).await.on_plan("basic").await;
    world.used("memory_storage", json!(9_663_676_416_u64)).await;
    let nine = json!({"used": 9_663_676_416_u64, "limit": 10_737_418_240_u64, "percentage": 90});
    assert_eq!(world.read("/usage/storage").await, nine);
    world.server.advance("2026-02-03T12:00:00Z").await;
    assert_eq!(world.read("/usage/storage").await, nine);
    let full = "Quota exceeded. Current: 9663676416, Requested: 1073741825, Limit: 10737418240";
    assert_eq!(world.may("memory_storage", json!(1_073_741_825)).await, (false, full.to_owned()));
    let fits = (true, "Warning: 100.0% of quota will be used".to_owned());
    assert_eq!(world.may("memory_storage", json!(1_073_741_824)).await, fits);
    world.used("memory_storage", json!(-8_589_934_592_i64)).await;
    world.server.advance("2026-02-03T18:00:00Z").await;
    let one = json!({"used": 1_073_741_824, "limit": 10_737_418_240_u64, "percentage": 10});
    assert_eq!(world.read("/usage/storage").await, one);
    let held = &world.read("/usage/stats?days=2").await["breakdown"][1];
    assert_eq!((&held["amount"], &held["humanReadable"]), (&json!(1_073_741_824), &json!("1 GB")));
    assert_eq!(world.read("/billing/usage").await["usage"]["memory_storage"], 1_073_741_824);
    // Nine until noon, one since: the mean of eighteen hours.
    let days = json!([
        {"date": "2026-02-02", "amount": 9_663_676_416_u64},
        {"date": "2026-02-03", "amount": 6_800_364_885.333_333},
    ]);
    let series = world.read("/usage/timeseries/memory_storage?days=2").await;
    assert_eq!(series[0], days[0]);
    let mean =
        series[1]["amount"].as_f64().expect("a number") - days[1]["amount"].as_f64().expect("a number");
    assert!(mean.abs() < 1e-3, "{series}");
}

#[tokio::test]
async fn types_of_system_a_may_have_names_that_system_d_reads() {
    let server = Server::start();
    server.post("/v1/meters", json!({"key": "tokens", "aggregation": "sum"})).await;
    let event = json!({"customerId": "acme", "value": 3});
    let expected = json!({"message": "Event captured", "eventType": "tokens", "customerId": "acme"});
    assert_eq!(server.post("/usage/tokens", event.clone()).await.parts(), (201, expected));
    let unknown = server.post("/usage/quota", event.clone()).await;
    assert_eq!(unknown.status, 400);
    let error = unknown.json()["error"].as_str().expect("words").to_owned();
    assert!(error.starts_with("Invalid event type: quota. Must be one of: "), "{error}");
    let nobody = Answer::of(server.bare(Method::POST, "/usage/tokens").json(&event).send().await).await;
    assert_eq!(nobody.parts(), (401, json!({"error": "Unauthorized"})));
    let nobody = Answer::of(server.bare(Method::GET, "/usage/tokens").send().await).await;
    let told = json!({"statusCode": 401, "message": "Unauthorized", "error": "Unauthorized"});
    assert_eq!(nobody.parts(), (401, told));
}

#[tokio::test]
async fn without_a_catalogue_nothing_is_limited_and_nothing_can_be_recorded() {
    let server = Setup::default().toml(TOML).start();
    let (user, token) = register(&server, "ann@example.com").await;
    let read = async |path: &str| {
        let request = server.bare(Method::GET, path).header("reckoner-project", "test").bearer_auth(&token);
        Answer::of(request.send().await).await.parts()
    };
    assert_eq!(read("/usage/tier").await, (200, json!({"userId": user, "tier": "none"})));
    assert_eq!(read("/usage/tokens").await, (200, json!({"used": 0, "limit": -1, "percentage": 0})));
    assert_eq!(read("/usage/timeseries/messages").await, (200, json!([])));
    let request = server.bare(Method::POST, "/auth/service/token").header("x-service-secret", SECRET);
    let issued = Answer::of(request.json(&json!({"serviceName": "gateway"})).send().await).await.json();
    let request = server.bare(Method::POST, "/usage/record");
    let request = request.header("x-service-token", issued["token"].as_str().expect("a token"));
    let body = json!({"userId": user, "resourceType": "messages", "amount": 1});
    let message = "Service misconfigured: no meter reads messages";
    let expected = json!({"statusCode": 503, "message": message, "error": "Service Unavailable"});
    assert_eq!(Answer::of(request.json(&body).send().await).await.parts(), (503, expected));
}
