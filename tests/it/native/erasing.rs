//! Erasing a customer: totals stay, and nothing in the data directory tells who it was.
use crate::support::command::reckoner;
use crate::support::database::Database;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

const CUSTOMER: &str = "ada@example.com";
/// What is personal of the customer.
const PERSONAL: [&str; 6] = [
    CUSTOMER,
    "Ada Lovelace",
    "device-of-ada",
    "workshop of ada",
    "12 Analytical Lane",
    "reader@example.org",
];
const PASSWORD: &str = "correct horse battery";

fn setup() -> Setup {
    Setup::default().env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "1").env("RECKONER_DRY_RUN", "1")
}

fn event(n: usize, customer: &str) -> Value {
    let [name, subject, context] = if customer == CUSTOMER {
        ["Ada Lovelace", "device-of-ada", "workshop of ada"]
    } else {
        ["Zoe", "z", "y"]
    };
    json!({
        "id": format!("event-{n}"), "customer": customer, "meter": "llm", "value": "1",
        "time": format!("2026-01-12T0{}:30:00Z", n % 10), "subject": subject,
        "properties": {"name": name, "tokens": n, "region": "eu"},
        "source_context": {"type": "workspace", "display_name": context},
    })
}

/// Puts the customer wherever one may be.
async fn fill(server: &Server) {
    server.freeze("2026-01-12T12:00:00Z").await;
    let tokens = json!({
        "key": "tokens", "event_type": "llm", "aggregation": "sum", "value_property": "$.tokens",
        "filters": {"region": ["eu"]},
    });
    for meter in [json!({"key": "llm", "aggregation": "count"}), tokens] {
        let made = server.post("/v1/meters", meter).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let hook = server.post("/v1/webhook-endpoints", json!({"url": "http://127.0.0.1:9/hook"})).await;
    assert_eq!(hook.status, 201, "{}", hook.text);
    for n in 0..20 {
        let customer = if n % 2 == 0 { CUSTOMER } else { "zoe" };
        assert_eq!(server.post("/v1/events", event(n, customer)).await.status, 201);
    }
    assert_eq!(server.delete("/v1/events/event-4").await.status, 200);
    let mut rejected = event(90, CUSTOMER);
    rejected["value"] = json!("much");
    assert_eq!(server.post("/v1/events", rejected).await.status, 422);
    let change = json!({"display_name": "Ada Lovelace", "metadata": {"mail": CUSTOMER}});
    let changed =
        server.request(Method::PATCH, &format!("/v1/customers/{CUSTOMER}"), crate::support::server::TEST_KEY);
    let changed = changed.header("idempotency-key", "one").json(&change).send().await;
    assert_eq!(Answer::of(changed).await.status, 200);
    let details = json!({"name": "Ada Lovelace", "address": ["12 Analytical Lane"], "email": CUSTOMER});
    let put = server.put(&format!("/v1/customers/{CUSTOMER}/billing-details"), details).await;
    assert_eq!(put.status, 200, "{}", put.text);
    server.advance("2026-01-13T00:15:00Z").await;
}

/// What a customer used, and its aggregations.
async fn shown(server: &Server, customer: &str) -> Vec<Value> {
    let mut shown = Vec::new();
    for meter in ["llm", "tokens"] {
        let path = format!(
            "/v1/meters/{meter}/query?from=2026-01-12T00:00:00Z&to=2026-01-13T00:00:00Z&window=hour&customer={customer}"
        );
        let rows = server.get(&path).await.json()["data"].as_array().expect("rows").clone();
        shown.extend(rows.into_iter().map(|row| json!([row["window_start"], row["value"]])));
    }
    let list = server.get(&format!("/v1/aggregations?customer={customer}")).await.json();
    let figures = |one: &Value| json!([one["period"], one["period_key"], one["data"], one["event_count"]]);
    shown.extend(list["data"].as_array().expect("a list").iter().map(figures));
    shown
}

/// Asks for an erasure and waits for it; answers the pseudonym.
pub(crate) async fn erase(server: &Server, customer: &str, own_id: &str) -> String {
    let path = format!("/v1/customers/{customer}/erase");
    let wrong = server.post(&path, json!({"confirm": "somebody"})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["field"]), (422, &json!("confirm")));
    let asked = server.post(&path, json!({"confirm": own_id})).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let path = format!("/v1/erasures/{}", asked.json()["erasure_id"].as_str().expect("an id"));
    for _ in 0..10_000 {
        let erasure = server.get(&path).await.json();
        if erasure["status"] == json!("done") {
            return erasure["pseudonym"].as_str().expect("a text").to_owned();
        }
        tokio::task::yield_now().await;
    }
    panic!("it is not done: {}", server.log());
}

/// The files under a directory that have a text.
pub(crate) fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).expect("reads").windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn nothing_in_the_data_directory_tells_who_an_erased_customer_was() {
    let mut server = setup().start();
    fill(&server).await;
    let before = (shown(&server, CUSTOMER).await, shown(&server, "zoe").await);
    for text in &PERSONAL[..5] {
        assert!(!files_with(&server.data_dir(), text).is_empty(), "{text}");
    }
    let pseudonym = erase(&server, CUSTOMER, CUSTOMER).await;
    for text in PERSONAL {
        assert_eq!(files_with(&server.data_dir(), text), [""; 0], "{text}");
    }
    for round in 0..2 {
        assert_eq!((shown(&server, &pseudonym).await, shown(&server, "zoe").await), before, "{round}");
        assert_eq!(server.get(&format!("/v1/customers/{CUSTOMER}")).await.status, 404);
        assert_eq!(server.get(&format!("/v1/customers/{pseudonym}")).await.json()["metadata"], json!({}));
        let old = server.get(&format!("/v1/events?customer={CUSTOMER}")).await.json();
        assert_eq!(old["data"], json!([]));
        server.crash_and_restart();
    }
    let again = server.post(&format!("/v1/customers/{pseudonym}/erase"), json!({"confirm": pseudonym})).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["status"]),
        (202, &json!("done")),
        "asked again, it is the same one"
    );
    check_repeats(&server, &pseudonym).await;
    check_record(&mut server).await;
}

/// Repeats of events are known, and the customer's id is somebody else's.
async fn check_repeats(server: &Server, pseudonym: &str) {
    let mut repeat = event(2, CUSTOMER);
    assert_eq!(server.post("/v1/events", repeat.clone()).await.status, 200);
    repeat["value"] = json!("2");
    assert_eq!(server.post("/v1/events", repeat).await.status, 409);
    let events = server.get(&format!("/v1/events?customer={pseudonym}&limit=1")).await.json();
    assert_eq!(events["data"][0]["properties"], json!({"region": "eu", "tokens": 18}));
    assert_eq!(
        (&events["data"][0]["subject"], &events["data"][0]["source_context"]),
        (&Value::Null, &Value::Null)
    );
    let new = json!({"id": "new", "customer": CUSTOMER, "meter": "llm", "properties": {"tokens": 1}});
    assert_eq!(server.post("/v1/events", new).await.status, 201);
    let customer = server.get(&format!("/v1/customers/{CUSTOMER}")).await.json();
    assert_eq!((&customer["version"], &customer["metadata"]), (&json!(1), &json!({})));
    let list = server.get("/v1/erasures").await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
}

/// The record of changes holds, and tells that details were taken away; details that nobody tells of are
/// missed.
async fn check_record(server: &mut Server) {
    let dir = server.data_dir().display().to_string();
    let verify = || reckoner(&["audit", "verify", "--json", "--data-dir", &dir], &[]);
    let checked = verify();
    assert_eq!(checked.code, 0, "{}", checked.json());
    let entries = server.get("/v1/audit?limit=1000").await.json();
    let entries = entries["data"].as_array().expect("entries").clone();
    let redacted = entries.iter().filter(|entry| entry["redacted_by"] != Value::Null).count();
    assert!(redacted > 0);
    assert_eq!(checked.json()["chains"][2]["redacted"], json!(redacted));
    for action in ["customer.erasure_requested", "audit.redacted", "customer.erased"] {
        assert!(entries.iter().any(|entry| entry["action"] == json!(action)), "{action}");
    }
    assert!(server.terminate().success());
    tamper(server);
    let checked = verify();
    assert_eq!(checked.code, 1, "{}", checked.json());
}

/// Takes the details of an entry away that no erasure was about.
fn tamper(server: &Server) {
    let script = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(\"update audit_entries \
        set redacted_by = (select id from erasures), details = '{}' where chain = 2 and number = 1\"); d.commit()";
    let file = server.data_dir().join("control.sqlite");
    let python = std::process::Command::new("python3").args(["-c", script]).arg(file).status();
    assert!(python.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn the_account_of_a_user_who_is_the_customer_is_closed() {
    let database = Database::create().await;
    let setup = match &database {
        Some(database) => setup().database_url(&database.settings().url),
        None => setup(),
    };
    let server = setup.start();
    let register = server.bare(Method::POST, "/auth/register");
    let body = json!({"email": "reader@example.org", "password": PASSWORD});
    let registered = Answer::of(register.json(&body).send().await).await.json();
    let token = registered["accessToken"].as_str().expect("a token").to_owned();
    let user = registered["user"]["id"].as_str().expect("an id").to_owned();
    let me = |token: &str| server.bare(Method::GET, "/auth/me").bearer_auth(token).send();
    assert_eq!(Answer::of(me(&token).await).await.status, 200);
    let key = crate::support::server::LIVE_KEY;
    let ask = |path: String, body: Value| server.request(Method::POST, &path, key).json(&body).send();
    let asked = Answer::of(ask(format!("/v1/customers/{user}/erase"), json!({"confirm": user})).await).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let path = format!("/v1/erasures/{}", asked.json()["erasure_id"].as_str().expect("an id"));
    for tries in 0.. {
        assert!(tries < 10_000, "it is not done: {}", server.log());
        let one = Answer::of(server.request(Method::GET, &path, key).send().await).await.json();
        if one["status"] == json!("done") {
            break;
        }
    }
    let login = server.bare(Method::POST, "/auth/login").json(&body);
    assert_eq!(Answer::of(login.send().await).await.status, 401);
    assert_eq!(files_with(&server.data_dir(), "reader@example.org"), [""; 0]);
    let again = server.bare(Method::POST, "/auth/register").json(&body);
    assert_eq!(Answer::of(again.send().await).await.status, 201, "the address is free");
    drop(server);
    if let Some(database) = database {
        database.drop().await;
    }
}
