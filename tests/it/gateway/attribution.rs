//! Who usage goes to.
use super::*;
use serde_json::Value;

fn who(event: &Value) -> (Option<&str>, Option<&str>, Option<&str>) {
    let endpoint = event["properties"]["endpoint"].as_str();
    (event["customer"].as_str(), event["subject"].as_str(), endpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_goes_to_whom_the_rules_find_and_retries_count_once() {
    let Some(application) = Application::node() else { return };
    let (server, files) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let keys = files.path().join("keys.json");
    std::fs::write(&keys, r#"[{"key":"k-1","customer":"acme","subject":"robot"}]"#).expect("written");
    let keys = keys.display().to_string();
    let more =
        ["--keys", &keys, "--customer", "key", "--customer", "header:x-customer", "--customer", "query:c"];
    let more = [
        &more[..],
        &[
            "--customer",
            "json:owner.id",
            "--customer",
            "path:/organizations/{id}",
            "--traffic-meter",
            "traffic.bytes",
        ],
    ]
    .concat();
    let gateway = Gateway::start(&server.url(""), &application.url, &files.path().join("spill"), &more);
    let client = client();
    let ask = |path: &str| client.post(gateway.at(path)).header("content-type", "application/json");
    let long = format!(r#"{{"filler":"{}","owner":{{"id":"late"}}}}"#, "x".repeat(20_000));
    let requests = [
        ask("/workspaces/w1/files").header("x-api-key", "k-1"),
        ask("/echo").header("x-customer", "header-customer"),
        ask("/echo?c=query-customer"),
        ask("/echo").body(r#"{"a":[1,2],"owner":{"id":"json-customer"}}"#),
        ask("/organizations/org-name/projects/77"),
        ask("/echo").body(long),
        ask("/echo").header("x-customer", "again").header("x-request-id", "r-1").body("1"),
        ask("/echo").header("x-customer", "again").header("x-request-id", "r-1").body("22"),
    ];
    for request in requests {
        let answer = request.send().await.expect("an answer");
        assert!(answer.headers().contains_key("x-request-id"));
        answer.bytes().await.expect("a body");
    }
    tokio::task::block_in_place(|| gateway.stop());
    let events = traffic(&server).await;
    let found: Vec<_> = events.iter().map(who).collect();
    let expected = [
        (Some("acme"), Some("robot"), Some("/workspaces/{id}/files")),
        (Some("header-customer"), None, Some("/echo")),
        (Some("query-customer"), None, Some("/echo")),
        (Some("json-customer"), None, Some("/echo")),
        (Some("org-name"), Some("77"), Some("/organizations/{id}/projects/{id}")),
        (Some("system"), None, Some("/echo")),
        (Some("again"), None, Some("/echo")),
    ];
    assert_eq!(found, expected);
    let last = events.last().expect("an event");
    assert_eq!((&last["id"], &last["value"]), (&"traffic:again:/echo:POST:r-1".into(), &"2".into()));
    assert_eq!(events[5]["value"], (2 * (20_000 + 35)).to_string());
    assert_eq!(events[0]["source_context"]["type"], "workspace");
    // Each call counts too; nobody limits those of nobody.
    assert_eq!(world::total(&server, "api.calls").await, 6);
}
