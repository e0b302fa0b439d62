//! Alerts, from the outside and between workers.
mod changing;
mod channels;
mod erasing;
mod firing;
mod money;
mod workers;

use crate::support::server::Server;
use serde_json::{Value, json};

/// Looks after which nobody is expected to wait any more.
const LOOKS_MAX: u32 = 20_000;

/// Makes an alert; answers its id.
async fn alert(server: &Server, body: Value) -> String {
    let made = server.post("/v1/alerts", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["id"].as_str().expect("an id").to_owned()
}

/// An alert on calls, told of in the list only.
fn on_calls(threshold: &str, rest: Value) -> Value {
    let mut body =
        json!({"kind": "usage", "meter": "api.calls", "threshold": threshold, "channels": ["in_app"]});
    if let (Some(fields), Value::Object(rest)) = (body.as_object_mut(), rest) {
        fields.extend(rest);
    }
    body
}

/// The notices of an alert as they are now, the newest first.
async fn notices_now(server: &Server, alert: &str) -> Vec<Value> {
    let listed = server.get(&format!("/v1/alert-notices?alert={alert}")).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    listed.json()["data"].as_array().expect("a list").clone()
}

/// The same once there are so many.
async fn notices(server: &Server, alert: &str, count: usize) -> Vec<Value> {
    for _ in 0..LOOKS_MAX {
        let found = notices_now(server, alert).await;
        if found.len() >= count {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        tokio::task::yield_now().await;
    }
    panic!("they never came: {}", server.log());
}

/// How many notices there are once the clock stands there, and everything was looked at again.
async fn settled(server: &Server, alert: &str, now: &str) -> usize {
    server.advance(now).await;
    notices_now(server, alert).await.len()
}

/// Records calls.
async fn send(server: &Server, id: &str, customer: &str, calls: u64) {
    let event = json!({"id": id, "customer": customer, "meter": "api.calls", "value": calls});
    let sent = server.post("/v1/events", event).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
}

/// Fields of an object, as texts.
fn texts(value: &Value, fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| value[*field].as_str().unwrap_or("-").to_owned()).collect()
}
