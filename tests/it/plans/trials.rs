//! The trial that registration starts, and what follows it.
use super::users::{World, apply, register};
use crate::accounts::next_mail;
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn read_as(server: &Server, token: &str, path: &str) -> Value {
    let request = server.bare(Method::GET, path).header("reckoner-project", "test").bearer_auth(token);
    let answer = Answer::of(request.send().await).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

/// Plan, status, end of trial and of period, as the user is told.
async fn told(world: &World) -> [Value; 4] {
    let me = world.read("/auth/me").await;
    ["subscription_tier", "subscription_status", "trial_ends_at", "current_period_end"]
        .map(|name| me[name].clone())
}

async fn subscriptions(server: &Server, customer: &str) -> Vec<(Value, Value)> {
    let listed = server.get(&format!("/v1/subscriptions?customer={customer}")).await.json();
    let each = listed["data"].as_array().expect("a list").iter();
    each.map(|one| (one["plan"].clone(), one["status"].clone())).collect()
}

async fn a_trial_expires_at_its_end_and_another_plan_follows_in_the_night(setup: Setup) {
    let world = World::start(setup).await;
    let server = &world.server;
    let end = json!("2026-01-17T12:00:00.000000Z");
    assert_eq!(told(&world).await, [json!("free_trial"), json!("trialing"), end.clone(), Value::Null]);
    world.used("llm_tokens", json!(10)).await;
    assert_eq!(world.read("/usage/tokens").await, json!({"used": 10, "limit": 1000, "percentage": 1}));
    server.advance("2026-01-17T11:59:59Z").await;
    let check = json!({"customer": world.user, "meter": "messages"});
    assert_eq!(server.post("/v1/entitlements/check", check.clone()).await.status, 200);
    server.advance("2026-01-17T12:00:00Z").await;
    let refused = server.post("/v1/entitlements/check", check.clone()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["reason"]), (429, &json!("not_entitled")));
    assert_eq!(told(&world).await, [json!("free_trial"), json!("expired"), end.clone(), Value::Null]);
    server.advance("2026-01-18T01:59:59Z").await;
    assert_eq!(subscriptions(server, &world.user).await, [(json!("free_trial"), json!("expired"))]);
    server.advance("2026-01-18T02:00:00Z").await;
    let period_end = json!("2026-02-18T02:00:00.000000Z");
    assert_eq!(told(&world).await, [json!("free_restricted"), json!("active"), end, period_end]);
    let refused = server.post("/v1/entitlements/check", check).await.json();
    assert_eq!((&refused["reason"], &refused["limit"]), (&json!("limit"), &json!("0")));
    server.advance("2026-03-01T00:00:00Z").await;
    let all = [(json!("free_trial"), json!("expired")), (json!("free_restricted"), json!("active"))];
    assert_eq!(subscriptions(server, &world.user).await, all, "once");
    let runs = server.get("/v1/jobs/runs").await.json();
    let of_trials = runs["data"].as_array().expect("runs").iter().filter(|run| run["job"] == "trials");
    let of_trials: Vec<_> = of_trials.map(|run| (&run["result"], &run["detail"])).collect();
    assert_eq!(of_trials, [(&json!("succeeded"), &json!("1 subscriptions"))]);
    let audit = server.get("/v1/audit?action=subscription.created").await.json();
    let made: Vec<_> = audit["data"].as_array().expect("a list").iter().map(|one| &one["actor"]).collect();
    assert!(made.contains(&&json!("system")) && made.contains(&&json!(world.user)), "{made:?}");
}
on_both_servers!(a_trial_expires_at_its_end_and_another_plan_follows_in_the_night);

#[tokio::test]
async fn whoever_chooses_a_plan_in_the_trial_keeps_it() {
    let world = World::start(Setup::default()).await.on_plan("basic").await;
    let server = &world.server;
    let end = json!("2026-01-17T12:00:00.000000Z");
    assert_eq!(told(&world).await, [json!("basic"), json!("trialing"), end.clone(), Value::Null]);
    server.advance("2026-01-19T00:00:00Z").await;
    let period_end = json!("2026-02-17T12:00:00.000000Z");
    assert_eq!(told(&world).await, [json!("basic"), json!("active"), end, period_end]);
    assert_eq!(subscriptions(server, &world.user).await, [(json!("basic"), json!("active"))]);
}

#[tokio::test]
async fn whoever_gets_a_plan_before_the_night_keeps_that_one() {
    let world = World::start(Setup::default()).await;
    world.server.advance("2026-01-17T13:00:00Z").await;
    super::subscribe(&world.server, &world.user, "basic").await;
    world.server.advance("2026-01-20T00:00:00Z").await;
    let all = [(json!("free_trial"), json!("expired")), (json!("basic"), json!("active"))];
    assert_eq!(subscriptions(&world.server, &world.user).await, all);
}

#[tokio::test]
async fn a_trial_waits_for_its_plan_with_its_time_running() {
    let server = Setup::default().start();
    server.freeze("2026-01-10T12:00:00Z").await;
    let (ann, token) = register(&server, "ann@example.com").await;
    let me = read_as(&server, &token, "/auth/me").await;
    assert_eq!(
        (&me["subscription_tier"], &me["subscription_status"]),
        (&json!("free_trial"), &json!("trialing"))
    );
    assert_eq!(subscriptions(&server, &ann).await, []);
    server.advance("2026-01-12T12:00:00Z").await;
    apply(&server).await;
    assert_eq!(subscriptions(&server, &ann).await, [(json!("free_trial"), json!("trialing"))]);
    let tokens = read_as(&server, &token, "/usage/tokens").await;
    assert_eq!(tokens, json!({"used": 0, "limit": 1000, "percentage": 0}));
    assert_eq!(read_as(&server, &token, "/auth/me").await["trial_ends_at"], "2026-01-17T12:00:00.000000Z");
    server.advance("2026-01-18T03:00:00Z").await;
    let all = [(json!("free_trial"), json!("expired")), (json!("free_restricted"), json!("active"))];
    assert_eq!(subscriptions(&server, &ann).await, all);
}

#[tokio::test]
async fn plans_are_the_operators_to_name_and_absent_ones_are_told_of() {
    let toml = "[billing]\ntrial_plan = \"pro\"\ntrial_end_plan = \"basic\"\ndefault_plan = \"nothing\"\n";
    let server = Setup::default().toml(toml).start();
    for setting in ["billing.trial_plan", "billing.trial_end_plan", "billing.default_plan"] {
        let line = |line: &&str| line.contains("does not have this plan") && line.contains(setting);
        // For `live` and for `test`.
        assert_eq!(server.log().lines().filter(line).count(), 2, "{setting} in {}", server.log());
    }
    server.freeze("2026-01-10T12:00:00Z").await;
    apply(&server).await;
    let (ann, token) = register(&server, "ann@example.com").await;
    assert_eq!(read_as(&server, &token, "/usage/tier").await, json!({"userId": ann, "tier": "pro"}));
    server.advance("2026-01-18T02:00:00Z").await;
    assert_eq!(read_as(&server, &token, "/usage/tier").await, json!({"userId": ann, "tier": "basic"}));
    let quiet = Server::start();
    assert!(!quiet.log().contains("does not have this plan"), "nothing is said of what nobody named");
}

#[tokio::test]
async fn services_see_how_many_trials_end_and_need_not_wait_for_the_night() {
    let world = World::start(Setup::default()).await;
    let server = &world.server;
    let token = &world.service;
    let ask = async |method: Method, path: &str| {
        let request = server.bare(method, path).header("reckoner-project", "test");
        Answer::of(request.header("x-service-token", token).send().await).await
    };
    let stats = async || ask(Method::GET, "/trials/stats").await.json()["stats"].clone();
    let counts = |active: u32, today: u32, tomorrow: u32, pending: u32| json!({"activeTrials": active, "expiringToday": today, "expiringTomorrow": tomorrow, "expiredPendingDowngrade": pending});
    assert_eq!(stats().await, counts(1, 0, 0, 0));
    server.advance("2026-01-16T00:00:00Z").await;
    register(server, "bob@example.com").await;
    assert_eq!(stats().await, counts(2, 0, 1, 0));
    server.advance("2026-01-17T11:00:00Z").await;
    assert_eq!(stats().await, counts(2, 1, 0, 0));
    server.advance("2026-01-17T13:00:00Z").await;
    assert_eq!(stats().await, counts(1, 0, 0, 1));
    let checked = |expired: u32| {
        json!({
            "success": true, "timestamp": "2026-01-17T13:00:00.000Z", "result": {"expired": expired, "reminded": 0},
            "message": "Trial check completed",
        })
    };
    assert_eq!(ask(Method::POST, "/trials/check").await.parts(), (200, checked(1)));
    assert_eq!(told(&world).await[..2], [json!("free_restricted"), json!("active")]);
    assert_eq!(ask(Method::POST, "/trials/check").await.parts(), (200, checked(0)));
    assert_eq!(stats().await, counts(1, 0, 0, 0));
    let nobody = Answer::of(server.bare(Method::GET, "/trials/stats").send().await).await;
    assert_eq!(nobody.json(), json!({"statusCode": 401, "message": "Unauthorized", "error": "Unauthorized"}));
}

/// When the job ran that reminds.
async fn reminded(server: &Server) -> Vec<Value> {
    let runs = server.get("/v1/jobs/runs").await.json();
    let all = runs["data"].as_array().expect("runs").iter();
    all.filter(|run| run["job"] == "trial_reminders").map(|run| run["started_at"].clone()).collect()
}

async fn people_are_mailed_about_their_trial_and_their_subscription(setup: Setup) {
    let world = World::start(setup).await;
    let (server, mut seen) = (&world.server, BTreeSet::new());
    next_mail(server, &mut seen).await;
    server.advance("2026-01-16T09:59:59.999999Z").await;
    assert_eq!(reminded(server).await, Vec::<Value>::new());
    server.advance("2026-01-16T10:00:00Z").await;
    assert_eq!(reminded(server).await, [json!("2026-01-16T10:00:00.000000Z")]);
    let mail = next_mail(server, &mut seen).await;
    assert!(mail.contains("To: ann@example.com") && mail.contains("Your trial ends tomorrow"), "{mail}");
    assert!(mail.contains("ends at 2026-01-17T12:00:00.000000Z"), "{mail}");
    server.advance("2026-01-18T03:00:00Z").await;
    let mail = next_mail(server, &mut seen).await;
    assert!(mail.contains("Your trial has ended") && mail.contains("choose a plan to go on"), "{mail}");
    // The plan that follows by itself is no news; one that somebody chose is.
    let listed = server.get(&format!("/v1/subscriptions?customer={}&status=active", world.user)).await.json();
    let path =
        |what: &str| format!("/v1/subscriptions/{}/{what}", listed["data"][0]["id"].as_str().expect("one"));
    assert_eq!(server.post(&path("cancel"), json!({})).await.status, 200);
    let mail = next_mail(server, &mut seen).await;
    assert!(mail.contains("is cancelled") && mail.contains("ends at 2026-02-18T02:00:00.000000Z"), "{mail}");
    server.advance("2026-02-19T00:00:00Z").await;
    super::subscribe(server, &world.user, "basic").await;
    let mail = next_mail(server, &mut seen).await;
    assert!(mail.contains("Your subscription has begun"), "{mail}");
    assert_eq!(reminded(server).await.len(), 1);
}
on_both_servers!(people_are_mailed_about_their_trial_and_their_subscription);

#[tokio::test]
async fn a_check_by_hand_reminds_of_tomorrow_once() {
    let world = World::start(Setup::default()).await;
    let check = async || {
        let request = world.server.bare(Method::POST, "/trials/check").header("reckoner-project", "test");
        let answer = Answer::of(request.header("x-service-token", &world.service).send().await).await;
        answer.json()["result"].take()
    };
    world.server.advance("2026-01-15T23:59:59Z").await;
    assert_eq!(check().await, json!({"expired": 0, "reminded": 0}));
    world.server.advance("2026-01-16T00:00:00Z").await;
    assert_eq!(check().await, json!({"expired": 0, "reminded": 1}));
    assert_eq!(check().await, json!({"expired": 0, "reminded": 0}));
    world.server.advance("2026-01-16T12:00:00Z").await;
    assert_eq!(reminded(&world.server).await, [json!("2026-01-16T00:00:00.000000Z")]);
}

#[tokio::test]
async fn whoever_leaves_in_the_trial_is_not_told_that_it_goes_on() {
    let world = World::start(Setup::default()).await;
    let mut seen = BTreeSet::new();
    next_mail(&world.server, &mut seen).await;
    let listed = world.server.get(&format!("/v1/subscriptions?customer={}", world.user)).await.json();
    let path = format!("/v1/subscriptions/{}/cancel", listed["data"][0]["id"].as_str().expect("the trial"));
    assert_eq!(world.server.post(&path, json!({"when": "now"})).await.status, 200);
    let mail = next_mail(&world.server, &mut seen).await;
    assert!(mail.contains("Your subscription is cancelled") && !mail.contains("Your trial"), "{mail}");
}
