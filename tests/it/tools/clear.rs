use super::standin::Standin;
use super::{code, run};
use serde_json::json;

#[tokio::test]
async fn clearing_names_what_and_where() {
    let standin = Standin::start(|_, _| (200, r#"{"cleared":true,"what":"events"}"#.into())).await;
    let (text, result) = run(&standin, &["clear", "events", "--project", "test", "--yes"]).await;
    assert_eq!((text.as_str(), code(&result)), ("removed all events of project `test`\n", 0));
    let asked = standin.asked("/v1/clear");
    assert_eq!((asked.len(), asked[0].method.as_str()), (1, "POST"));
    assert_eq!(asked[0].json(), json!({"what": "events", "project": "test"}));
}

#[tokio::test]
async fn a_refusal_is_told() {
    let problem = r#"{"title":"Conflict","detail":"project live has finalised invoices","code":"X"}"#;
    let standin = Standin::start(move |_, _| (409, problem.into())).await;
    let (_, result) = run(&standin, &["clear", "aggregations", "--project", "live", "--yes"]).await;
    assert!(result.expect_err("refused").to_string().contains("project live has finalised invoices"));
}
