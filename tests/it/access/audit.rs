//! Every change of money or access leaves an entry, and whoever may see it does.
use super::key;
use crate::support::command::reckoner;
use crate::support::database::Database;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

const SERVICE_SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015-gateway";
const PASSWORD: &str = "correct horse battery";
const URL_TOKEN: &str = "a-token-in-a-url-that-nobody-may-see";

async fn ask(server: &Server, path: &str, key: &str, accept: &str) -> Answer {
    Answer::of(server.request(Method::GET, path, key).header("accept", accept).send().await).await
}

/// The entries of a chain, the oldest first.
async fn entries(server: &Server, query: &str, key: &str) -> Vec<Value> {
    let answer = ask(server, &format!("/v1/audit?limit=1000{query}"), key, "*/*").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut entries = answer.json()["data"].as_array().expect("entries").clone();
    entries.reverse();
    entries
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().expect("a text")).collect()
}

fn setup() -> Setup {
    let toml = format!("[services.gateway]\nsecret = \"{SERVICE_SECRET}\"\npermissions = []");
    Setup::default().toml(&toml).env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "1")
}

fn text(answer: &Answer, field: &str) -> String {
    answer.json()[field].as_str().unwrap_or_else(|| panic!("{field} in {}", answer.text)).to_owned()
}

/// Changes everything in project `test` that there is to change.
async fn change_everything(server: &Server) {
    let made = key(server, &["read"]).await;
    server.delete(&format!("/v1/api-keys/{}", made["id"].as_str().expect("an id"))).await;
    server.post("/v1/meters", json!({"key": "m", "aggregation": "sum"})).await;
    server.post("/v1/meters", json!({"key": "m", "aggregation": "sum"})).await;
    server.post("/v1/meters", json!({"key": "m", "aggregation": "max"})).await;
    server.delete("/v1/meters/m").await;
    server.post("/v1/customers", json!({"external_id": "acme"})).await;
    server.patch("/v1/customers/acme", json!({"display_name": "Acme"})).await;
    server.patch("/v1/customers/acme", json!({"time_zone": "Asia/Kolkata"})).await;
    let hook = json!({"url": format!("https://127.0.0.1:9/hook?t={URL_TOKEN}")});
    let hook = text(&server.post("/v1/webhook-endpoints", hook).await, "id");
    let hook = format!("/v1/webhook-endpoints/{hook}");
    server.patch(&hook, json!({"enabled": false})).await;
    server.post(&format!("{hook}/rotate-secret"), json!({})).await;
    server.delete(&hook).await;
    server.freeze("2026-01-14T09:00:00Z").await;
    server.advance("2026-01-14T09:00:01Z").await;
    server.delete("/v1/test-clock").await;
    server.post("/v1/clear", json!({"project": "test", "what": "events"})).await;
}

#[tokio::test]
async fn every_change_of_a_project_is_written_down() {
    let server = setup().start();
    change_everything(&server).await;
    let entries = entries(&server, "", TEST_KEY).await;
    assert_eq!(
        actions(&entries),
        [
            "meter.created",
            "meter.created",
            "meter.created",
            "api_key.created",
            "api_key.created",
            "api_key.revoked",
            "meter.created",
            "meter.updated",
            "meter.archived",
            "customer.created",
            "customer.updated",
            "customer.updated",
            "webhook_endpoint.created",
            "webhook_endpoint.updated",
            "webhook_endpoint.secret_rotated",
            "webhook_endpoint.deleted",
            "test_clock.frozen",
            "test_clock.advanced",
            "test_clock.released",
            "project.cleared",
        ]
    );
    let at = |index: usize| &entries[index];
    assert_eq!(at(0)["actor"], "operator");
    let by = at(4)["actor"].as_str().expect("an actor");
    assert!(by.starts_with("key_") && entries.iter().skip(4).all(|entry| entry["actor"] == *by), "{by}");
    assert_eq!((&at(4)["before"], &at(4)["after"]["scopes"]), (&Value::Null, &json!("read")));
    assert_eq!(at(4)["object"], at(5)["object"]);
    assert_eq!(
        (&at(7)["before"]["aggregation"], &at(7)["after"]["aggregation"]),
        (&json!("sum"), &json!("max"))
    );
    assert_eq!(at(10)["before"]["display_name"], Value::Null);
    assert_eq!(at(10)["after"]["display_name"], "Acme");
    assert_eq!(at(17)["project_time"], "2026-01-14T09:00:00.000000Z");
    assert_eq!(at(17)["after"]["frozen_time"], "2026-01-14T09:00:01.000000Z");
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry["number"], index + 1);
        let before = index.checked_sub(1).map_or(json!("0".repeat(64)), |last| at(last)["hash"].clone());
        assert_eq!(entry["previous_hash"], before);
    }
    let all = json!(entries).to_string();
    for secret in [URL_TOKEN, "whsec_", "rk_test_", TEST_KEY] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_belongs_to_no_project_has_a_chain_of_its_own() {
    let server = setup().start();
    let post = async |path: &str, token: Option<&str>, body: Value| {
        let mut request = server.bare(Method::POST, path).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::of(request.send().await).await
    };
    let ann = json!({"email": "ann@example.com", "password": PASSWORD});
    let registered = post("/auth/register", None, ann.clone()).await.json();
    let id = registered["user"]["id"].as_str().expect("an id").to_owned();
    let token = text(&post("/auth/login", None, ann).await, "accessToken");
    let sessions = server.bare(Method::GET, "/auth/sessions").bearer_auth(&token).send().await;
    let sessions = Answer::of(sessions).await.json();
    let other = sessions["data"][1]["id"].as_str().expect("an id");
    let ended = server.bare(Method::DELETE, &format!("/auth/sessions/{other}")).bearer_auth(&token).send();
    assert_eq!(ended.await.expect("an answer").status(), 200);
    let change = json!({"currentPassword": PASSWORD, "newPassword": "battery staple horse"});
    assert_eq!(post("/auth/change-password", Some(&token), change).await.status, 200);
    for email in ["ann@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            post("/auth/login", None, json!({"email": email, "password": "wrong, all of it"})).await;
        }
    }
    let request = server.bare(Method::POST, "/auth/service/token").header("x-service-secret", SERVICE_SECRET);
    let answer = Answer::of(request.json(&json!({"serviceName": "gateway"})).send().await).await;
    let service = text(&answer, "token");
    let renew = server.bare(Method::POST, "/auth/service/refresh").header("x-service-token", &service);
    assert_eq!(renew.send().await.expect("an answer").status(), 200);
    server.signal("HUP");
    server.logged("the configuration was read again");
    let entries = entries(&server, "&chain=installation", LIVE_KEY).await;
    let expected = [
        "user.registered",
        "session.revoked",
        "user.password_changed",
        "login.locked",
        "login.locked",
        "service_token.issued",
        "service_token.renewed",
        "configuration.read_again",
    ];
    assert_eq!(actions(&entries), expected);
    let of = |name: &str| entries.iter().map(|entry| entry[name].clone()).collect::<Vec<_>>();
    let actors = [&id, &id, &id, "anonymous", "anonymous", "service:gateway", "service:gateway", "operator"];
    assert_eq!(of("actor"), actors);
    assert_eq!(entries[3]["object"], json!(id));
    assert!(entries[4]["object"].as_str().is_some_and(|object| object.starts_with("address:")));
    let all = json!(entries).to_string();
    for secret in [PASSWORD, "battery staple", "argon2", &service, SERVICE_SECRET, "nobody@"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_record_is_shown_to_administrators_of_the_project() {
    let server = Server::start();
    let reader = key(&server, &["read", "ingest", "backfill"]).await;
    let reader = reader["key"].as_str().expect("a key");
    assert_eq!(ask(&server, "/v1/audit", reader, "*/*").await.status, 403);
    assert_eq!(ask(&server, "/v1/audit?chain=installation", TEST_KEY, "*/*").await.status, 403);
    assert_eq!(ask(&server, "/v1/audit?chain=installation", LIVE_KEY, "*/*").await.status, 200);
    let (live, test) = (entries(&server, "", LIVE_KEY).await, entries(&server, "", TEST_KEY).await);
    assert_eq!(live.len() + 1, test.len());
    assert!(test.iter().all(|entry| !live.contains(entry)));
    for (query, fields) in [
        ("limit=0&cursor=!&from=soon&to=later&chain=all&who=x", "who limit cursor from to chain"),
        ("cursor=MC54", "cursor"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
    ] {
        let answer = ask(&server, &format!("/v1/audit?{query}"), TEST_KEY, "*/*").await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        let errors = answer.json()["errors"].as_array().expect("errors").clone();
        let told: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!(told.join(" "), fields);
    }
}

#[tokio::test]
async fn the_record_is_filtered_paged_and_exported() {
    let server = Server::start();
    for number in 0..450 {
        let made = server.post("/v1/customers", json!({"external_id": format!("a,{number}")})).await;
        assert_eq!(made.status, 201);
    }
    let made = entries(&server, "&action=customer.created", TEST_KEY).await;
    assert_eq!(made.len(), 450);
    let of_one = format!("&object={}", made[7]["object"].as_str().expect("an id"));
    assert_eq!(entries(&server, &of_one, TEST_KEY).await, [made[7].clone()]);
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/audit?action=customer.created&limit=200{cursor}");
        let page = ask(&server, &path, TEST_KEY, "application/json").await.json();
        paged.extend(page["data"].as_array().expect("entries").clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    paged.reverse();
    assert_eq!(paged, made);
    let path = "/v1/audit?action=customer.created";
    let lines = ask(&server, path, TEST_KEY, "application/x-ndjson").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let mut exported: Vec<Value> =
        lines.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    exported.reverse();
    assert_eq!(exported, made);
    let table = ask(&server, path, TEST_KEY, "text/csv").await;
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    let head =
        "number,created_at,project_time,actor,action,object,before,after,previous_hash,hash,redacted_by\r\n";
    assert!(table.text.starts_with(head) && table.text.matches("\r\n").count() == 451);
    assert!(table.text.contains("\"\"external_id\"\":\"\"a,449\"\""));
    let refused = ask(&server, "/v1/audit?limit=5&cursor=x", TEST_KEY, "text/csv").await;
    assert_eq!(refused.status, 422);
}

/// What `reckoner audit verify` says about a store, and how it ends.
fn verify(place: [&str; 2], more: &[&str]) -> (i32, Value) {
    let ended = reckoner(&[&["audit", "verify", "--json"][..], &place, more].concat(), &[]);
    (ended.code, ended.json())
}

#[tokio::test]
async fn the_command_names_what_was_tampered_with() {
    let mut server = Server::start();
    server.post("/v1/customers", json!({"external_id": "acme"})).await;
    let dir = server.data_dir().display().to_string();
    let place = ["--data-dir", &dir];
    let (code, whole) = verify(place, &[]);
    assert_eq!((code, &whole["valid"]), (0, &json!(true)), "{whole}");
    let chains: Vec<_> =
        whole["chains"].as_array().expect("chains").iter().map(|one| &one["chain"]).collect();
    assert_eq!(chains, ["installation", "live", "test"]);
    let head = &whole["chains"][2];
    assert_eq!(head["entries"], 5);
    let anchor = format!("test:5:{}", head["head_hash"].as_str().expect("a hash"));
    assert_eq!(verify(place, &["--anchor", &anchor]).0, 0);
    let wrong = format!("test:5:{}", "0".repeat(64));
    let (code, broken) = verify(place, &["--anchor", &wrong]);
    let problem = broken["chains"][2]["problem"].as_str().expect("a problem");
    assert!(code == 1 && problem.starts_with("entry 5 is not the one that was given"), "{broken}");
    for bad in ["test:5", "nothing:1:00"] {
        assert_eq!(reckoner(&["audit", "verify", "--data-dir", &dir, "--anchor", bad], &[]).code, 2);
    }
    assert!(server.terminate().success());
    let script = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); \
        d.execute(\"update audit_entries set actor = 'nobody' where chain = 2 and number = 4\"); d.commit()";
    let file = server.data_dir().join("control.sqlite");
    let python = std::process::Command::new("python3").args(["-c", script]).arg(file).status();
    assert!(python.is_ok_and(|status| status.success()));
    let ended = reckoner(&["audit", "verify", "--data-dir", &dir], &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("test: BROKEN after 3 good entries: entry 4 was changed"), "{ended:?}");
    assert!(ended.out.contains("live: "), "{ended:?}");
}

#[tokio::test]
async fn changes_are_written_down_on_postgresql_too() {
    let Some(database) = Database::create().await else { return };
    let url = database.settings().url;
    let server = setup().database_url(&url).start();
    change_everything(&server).await;
    assert_eq!(entries(&server, "", TEST_KEY).await.len(), 20);
    let (code, whole) = verify(["--database-url", &url], &[]);
    assert_eq!((code, &whole["chains"][2]["entries"]), (0, &json!(20)), "{whole}");
    drop(server);
    database.drop().await;
}
