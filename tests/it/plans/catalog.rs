use super::analytics;
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

fn shown(changes: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let list = changes["changes"].as_array().expect("changes");
    list.iter()
        .map(|one| {
            format!(
                "{} {} {} {}",
                text(&one["action"]),
                text(&one["kind"]),
                text(&one["key"]),
                one["version"]
            )
        })
        .collect()
}

on_both_servers!(a_catalogue_is_applied_whole_and_again_without_change);
async fn a_catalogue_is_applied_whole_and_again_without_change(setup: Setup) {
    let other = json!({"periods": ["daily"], "events": {"other": {"op": "sum"}}});
    let server = setup.system(other).start();
    let mut dry = analytics();
    dry["dry_run"] = json!(true);
    let would = server.post("/v1/catalog/apply", dry).await.json();
    let all =
        ["create meter api.calls 1", "create plan enterprise 1", "create plan free 1", "create plan pro 1"];
    assert_eq!((shown(&would), &would["applied"]), (all.map(str::to_owned).to_vec(), &json!(false)));
    assert_eq!(server.get("/v1/plans").await.json()["data"], json!([]), "a dry run changes nothing");
    assert_eq!(server.get("/v1/meters/api.calls").await.status, 404);
    let did = server.post("/v1/catalog/apply", analytics()).await.json();
    assert_eq!((&did["changes"], &did["applied"]), (&would["changes"], &json!(true)));
    let again = server.post("/v1/catalog/apply", analytics()).await.json();
    assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(4)));
    let pro = server.get("/v1/plans/pro").await.json();
    assert_eq!(
        (&pro["version"], &pro["base_price"], &pro["prices"][0]["unit_price"]),
        (&json!(1), &json!("49.00"), &json!("0.001"))
    );
}

#[tokio::test]
async fn a_change_is_told_by_its_fields_and_makes_a_version() {
    let server = Server::start();
    server.post("/v1/catalog/apply", analytics()).await;
    server.post("/v1/subscriptions", json!({"customer": "a", "plan": "pro"})).await;
    let mut dearer = analytics();
    dearer["plans"][1]["base_price"] = json!("59.00");
    dearer["plans"][1]["prices"][0]["included"] = json!("200000");
    dearer["plans"].as_array_mut().expect("plans").remove(2);
    dearer["prune"] = json!(true);
    let changed = server.post("/v1/catalog/apply", dearer).await.json();
    assert_eq!(shown(&changed), ["archive plan enterprise 1", "update plan pro 2"]);
    let pro = &changed["changes"][1];
    let fields = json!([
        {"field": "base_price", "before": "49.00", "after": "59.00"},
        {"field": "prices[api.calls].included", "before": "100000", "after": "200000"},
    ]);
    assert_eq!((&pro["fields"], &pro["subscriptions_staying"]), (&fields, &json!(1)));
    let versions = server.get("/v1/plans/pro/versions").await.json();
    let prices: Vec<&Value> =
        versions["data"].as_array().expect("two").iter().map(|v| &v["base_price"]).collect();
    assert_eq!(prices, ["59.00", "49.00"]);
    let kept = server.get("/v1/subscriptions").await.json();
    assert_eq!(kept["data"][0]["plan_version"], 1, "a subscription stays on its version");
    let listed = server.get("/v1/plans").await.json();
    let keys: Vec<&Value> =
        listed["data"].as_array().expect("plans").iter().map(|plan| &plan["key"]).collect();
    assert_eq!(keys, ["free", "pro"]);
    let refused = server.post("/v1/subscriptions", json!({"customer": "b", "plan": "enterprise"})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["errors"][0]["reason"]),
        (422, &json!("is archived"))
    );
    let back = server.post("/v1/catalog/apply", analytics()).await.json();
    assert_eq!(shown(&back), ["restore plan enterprise 1", "update plan pro 3"]);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_and_nothing_is_half_applied() {
    let server = Server::start();
    let wrong = json!({
        "meters": [{"key": "m", "aggregation": "total"}],
        "plans": [
            {"key": "a", "currency": "USD", "interval": "fortnight"},
            {"key": "b", "currency": "XXD", "interval": "month", "base_price": "-1"},
        ],
        "coupons": [{"key": "c"}],
    });
    let refused = server.post("/v1/catalog/apply", wrong).await;
    assert_eq!(refused.status, 422);
    let errors = refused.json();
    let fields: Vec<&str> =
        errors["errors"].as_array().expect("errors").iter().filter_map(|one| one["field"].as_str()).collect();
    assert_eq!(
        fields,
        ["meters[0].aggregation", "plans[0].interval", "plans[1].currency", "coupons[0].percent"]
    );
    let unknown = json!({
        "meters": [{"key": "mean", "aggregation": "avg"}],
        "plans": [{"key": "a", "currency": "USD", "interval": "month",
            "entitlements": [{"feature": "f", "type": "metered", "meter": "mean", "behaviour": "block", "limit": "1"}],
            "prices": [{"model": "per_unit", "meter": "nothing", "unit_price": "1"}]}],
    });
    let refused = server.post("/v1/catalog/apply", unknown).await;
    let errors = refused.json();
    let told: Vec<String> = errors["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|one| format!("{}: {}", one["field"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "plans[0].entitlements[0].meter: is a meter of avg, and a quota counts by sum, count, max, unique_count, time_weighted_avg",
            "plans[0].prices[0].meter: names no meter: make nothing first, or name it in `meters` or `missing_meters`",
        ]
    );
    assert_eq!(server.get("/v1/meters/mean").await.status, 404, "the meter is not made either");
    assert_eq!(server.get("/v1/plans").await.json()["data"], json!([]));
    let one = server
        .post(
            "/v1/plans",
            json!({"key": "x", "currency": "USD", "interval": "month",
        "prices": [{"model": "per_unit", "meter": "nothing", "unit_price": "1"}]}),
        )
        .await;
    assert_eq!((one.status.as_u16(), &one.json()["errors"][0]["field"]), (422, &json!("prices[0].meter")));
}

#[tokio::test]
async fn coupons_have_versions_and_can_be_archived() {
    let server = Server::start();
    let coupon = json!({"key": "half", "percent": "50", "periods": 3});
    assert_eq!(server.post("/v1/coupons", coupon.clone()).await.status, 201);
    assert_eq!(server.post("/v1/coupons", coupon).await.status, 200);
    let next = server.post("/v1/coupons", json!({"key": "half", "percent": "50"})).await;
    assert_eq!((next.status.as_u16(), &next.json()["version"]), (201, &json!(2)));
    assert_eq!(server.get("/v1/coupons/half").await.json()["percent"], "50");
    assert_eq!(server.delete("/v1/coupons/half").await.status, 204);
    assert_eq!(server.delete("/v1/coupons/half").await.status, 404);
    assert_eq!(server.get("/v1/coupons").await.json()["data"], json!([]));
    let audit = server.get("/v1/audit?action=coupon.archived").await.json();
    assert_eq!(audit["data"][0]["object"], "half");
}
