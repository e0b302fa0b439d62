//! Invoices of workspaces and organisations, and what they lock.
use super::{ask, prepare, record};
use crate::support::on_both_servers;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

const GENERATE: &str = "/api/usage/invoices/generate";
const CALCULATE: &str = "/api/usage/aggregations/calculate";

fn traffic(time: &str, bytes: u64) -> Value {
    json!({"workspaceId": "w1", "resourceType": "traffic", "units": bytes, "source": "api", "timestamp": time})
}

fn of_organization(time: &str, units: u64) -> Value {
    json!({"organizationId": "org", "workspaceId": "w2", "resourceType": "compute", "units": units, "source": "job",
        "timestamp": time, "metadata": {"jobType": "export"}})
}

/// The document of an answer without its id, and the id.
fn document(answer: &Answer) -> (u16, Value, String) {
    let mut shown = answer.json()["data"].take();
    let id = shown["$id"].take().as_str().unwrap_or_default().to_owned();
    assert_eq!(shown["invoiceId"].take(), json!(id));
    let fields = shown.as_object_mut().expect("a document");
    fields.retain(|_, value| !value.is_null());
    (answer.status.as_u16(), shown, id)
}

async fn step(server: &Server, id: &str, what: &str) -> Answer {
    server.patch(&format!("/api/usage/invoices/{id}/{what}"), json!({})).await
}

on_both_servers!(a_month_is_generated_finalised_paid_and_locked);
async fn a_month_is_generated_finalised_paid_and_locked(setup: Setup) {
    let server = setup.start();
    prepare(&server, "2026-01-20T00:00:00Z").await;
    let asked = json!({"workspaceId": "w1", "period": "2026-01"});
    let none = json!({"error": "No aggregation found for this period"});
    assert_eq!(server.post(GENERATE, asked.clone()).await.parts(), (404, none));
    record(&server, traffic("2026-01-05T10:00:00Z", 7 << 29)).await;
    let shown = |gigabytes: f64, cost: f64, status: &str| {
        json!({"workspaceId": "w1", "period": "2026-01", "trafficGB": gigabytes, "storageAvgGB": 0, "computeUnits": 0,
            "totalCost": cost, "aggregationSnapshotId": "w1_monthly_202601", "status": status})
    };
    let (status, draft, id) = document(&server.post(GENERATE, asked.clone()).await);
    assert_eq!((status, draft), (201, shown(3.5, 0.35, "draft")));
    let twice = json!({"error": "Invoice already exists for this period"});
    assert_eq!(server.post(GENERATE, asked.clone()).await.parts(), (400, twice));
    // A draft follows its usage, and a month that is not over is not finalised.
    record(&server, traffic("2026-01-06T10:00:00Z", 1 << 29)).await;
    let early = json!({"error": "Only invoices of months that are over can be finalized"});
    assert_eq!(step(&server, &id, "finalize").await.parts(), (400, early));
    assert_eq!(
        step(&server, &id, "pay").await.parts(),
        (400, json!({"error": "Only finalized invoices can be paid"}))
    );
    assert_eq!(ask(&server, "invoices?workspaceId=w1").await["documents"][0]["totalCost"].to_string(), "0.4");
    assert_eq!(server.post(CALCULATE, asked.clone()).await.status, 201);
    server.advance("2026-02-01T00:00:00Z").await;
    let (status, finalized, same) = document(&step(&server, &id, "finalize").await);
    assert_eq!(
        (status, finalized, &same),
        (200, json!({"trafficGB": 4, "totalCost": 0.4}).merged(shown(4.0, 0.4, "finalized")), &id)
    );
    let again = json!({"error": "Only draft invoices can be finalized"});
    assert_eq!(step(&server, &id, "finalize").await.parts(), (400, again));
    // What is billed for ever is not calculated anew, and shows what was billed.
    record(&server, traffic("2026-01-07T10:00:00Z", 9 << 30)).await;
    let refused = server.post(CALCULATE, asked).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!("BILLING_PERIOD_LOCKED")));
    assert!(server.get("/metrics").await.text.contains("billing_lock_errors_total 1"));
    let january = ask(&server, "aggregations?workspaceId=w1&period=2026-01").await["documents"][0].take();
    assert_eq!(
        (&january["isFinalized"], &january["invoiceId"], &january["trafficTotalGB"], &january["finalizedAt"]),
        (&json!(true), &json!(id), &json!(4), &json!("2026-02-01T00:00:00.000Z"))
    );
    let (status, paid, _) = document(&step(&server, &id, "pay").await);
    assert_eq!((status, &paid["status"]), (200, &json!("paid")));
    assert_eq!(step(&server, &id, "pay").await.parts(), (400, json!({"error": "Invoice is already paid"})));
    // What came late is on the next one, once.
    server.advance("2026-02-20T00:00:00Z").await;
    record(&server, traffic("2026-02-05T10:00:00Z", 1 << 30)).await;
    let (_, february, next) =
        document(&server.post(GENERATE, json!({"workspaceId": "w1", "period": "2026-02"})).await);
    assert_eq!((&february["trafficGB"], &february["totalCost"]), (&json!(1), &json!(1)));
    server.advance("2026-03-01T00:00:00Z").await;
    assert_eq!(step(&server, &next, "finalize").await.status, 200);
    record(&server, traffic("2026-03-01T00:00:00Z", 1 << 30)).await;
    let march = document(&server.post(GENERATE, json!({"workspaceId": "w1", "period": "2026-03"})).await).1;
    assert_eq!(march["totalCost"], json!(0.1));
    let audit = server.get("/v1/audit?limit=50").await.text;
    for action in ["workspace_invoice.generated", "workspace_invoice.finalized", "workspace_invoice.paid"] {
        assert!(audit.contains(action), "{action}");
    }
}

on_both_servers!(many_who_generate_and_finalise_at_once_make_one);
async fn many_who_generate_and_finalise_at_once_make_one(setup: Setup) {
    let server = setup.start();
    prepare(&server, "2026-02-20T00:00:00Z").await;
    record(&server, traffic("2026-01-05T10:00:00Z", 1 << 30)).await;
    let asked = json!({"workspaceId": "w1", "period": "2026-01"});
    let many = (0..12).map(|_| server.post(GENERATE, asked.clone()));
    let made = futures_util::future::join_all(many).await;
    let made: Vec<_> = made.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1);
    let id = document(made[0]).2;
    let many = (0..12).map(|_| step(&server, &id, "finalize"));
    let statuses = futures_util::future::join_all(many).await;
    assert_eq!(statuses.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(statuses.iter().all(|answer| answer.status == 200 || answer.status == 400));
}

#[tokio::test]
async fn bad_requests_change_nothing_and_projects_are_apart() {
    let server = Server::start();
    prepare(&server, "2026-02-20T00:00:00Z").await;
    record(&server, traffic("2026-01-05T10:00:00Z", 1 << 30)).await;
    for (body, told) in [
        (json!({"period": "2026-01"}), "workspaceId and period are required"),
        (json!({"workspaceId": "w1"}), "workspaceId and period are required"),
        (json!({"workspaceId": "w1", "period": "2026-1"}), "period must be a month such as 2026-01"),
        (json!([]), "Request body must be a JSON object"),
    ] {
        assert_eq!(server.post(GENERATE, body).await.parts(), (400, json!({"error": told})));
    }
    let future = json!({"workspaceId": "w1", "period": "2026-03"});
    assert_eq!(server.post(GENERATE, future).await.status, 404);
    let listed = server.get("/api/usage/invoices?workspaceId=w1&period=x&limit=0").await.json();
    let told = listed["error"].as_str().expect("an error");
    assert!(told.contains("limit") && told.contains("period"), "{told}");
    let nobody = server.get("/api/usage/invoices").await;
    assert_eq!(nobody.parts(), (400, json!({"error": "Either workspaceId or organizationId is required"})));
    assert_eq!(ask(&server, "invoices?workspaceId=w1").await, json!({"documents": [], "total": 0}));
    let (_, _, id) =
        document(&server.post(GENERATE, json!({"workspaceId": "w1", "period": "2026-01"})).await);
    let not_found = json!({"error": "Invoice not found"});
    assert_eq!(step(&server, "inv_nothing", "pay").await.parts(), (404, not_found));
    for what in ["finalize", "pay"] {
        let path = format!("/api/usage/invoices/{id}/{what}");
        let other = server.request(Method::PATCH, &path, LIVE_KEY).send().await.expect("an answer");
        assert_eq!(other.status(), 404, "{what}");
    }
}

/// Daily and monthly aggregations of an organisation that is billed for ever show what was known then.
#[tokio::test]
async fn aggregations_of_a_locked_month_are_frozen() {
    let periods = json!({"periods": ["daily", "weekly", "monthly"], "events": {}});
    let server = Setup::default().system(periods).start();
    prepare(&server, "2026-02-02T00:00:00Z").await;
    record(&server, of_organization("2026-01-05T10:00:00Z", 2)).await;
    server.advance("2026-02-02T01:00:00Z").await;
    let figures = async |period: &str, from: &str| {
        let found =
            server.get(&format!("/v1/aggregations?customer=org&period={period}&from={from}")).await.json();
        let data = found["data"].as_array().expect("a list").clone();
        data.iter().map(|one| (one["event_count"].clone(), one["revision"].clone())).collect::<Vec<_>>()
    };
    let once = vec![(json!(1), json!(1))];
    for (period, from) in [
        ("daily", "2026-01-05T00:00:00Z"),
        ("weekly", "2026-01-05T00:00:00Z"),
        ("monthly", "2026-01-01T00:00:00Z"),
    ] {
        assert_eq!(figures(period, from).await, once, "{period}");
    }
    let (_, _, id) =
        document(&server.post(GENERATE, json!({"organizationId": "org", "period": "2026-01"})).await);
    // Known before the month is locked, and aggregated after it.
    record(&server, of_organization("2026-01-06T10:00:00Z", 1)).await;
    assert_eq!(step(&server, &id, "finalize").await.status, 200);
    server.advance("2026-02-02T01:30:00Z").await;
    record(&server, of_organization("2026-01-05T11:00:00Z", 40)).await;
    server.advance("2026-02-02T02:00:00Z").await;
    assert_eq!(figures("monthly", "2026-01-01T00:00:00Z").await, [(json!(2), json!(2))]);
    assert_eq!(
        figures("daily", "2026-01-05T00:00:00Z").await.last(),
        once.last(),
        "the day of the late event"
    );
    // A week is no billing period: it tells of everything.
    assert_eq!(figures("weekly", "2026-01-05T00:00:00Z").await, [(json!(3), json!(3))]);
}

trait Merged {
    fn merged(self, with: Value) -> Value;
}

impl Merged for Value {
    /// `with`, whose fields these replace.
    fn merged(self, mut with: Value) -> Value {
        let (Some(fields), Value::Object(own)) = (with.as_object_mut(), self) else { return with };
        fields.extend(own);
        with
    }
}
