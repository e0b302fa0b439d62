//! What Prometheus reads of a gateway.
use super::limits::limited;
use super::*;
use crate::monitoring::{document, selectors};
use crate::support::server::TEST_KEY;
use tokio::net::TcpListener;

async fn scrape(gateway: &Gateway) -> String {
    let url = gateway.metrics.as_deref().expect("metrics");
    let answer = client().get(url).send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.expect("text")
}

/// The number of a series.
fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    let number = line.and_then(|line| line.rsplit_once(' ')).map(|(_, number)| number.parse());
    number.unwrap_or_else(|| panic!("{series}: {text}")).expect("a number")
}

const METRICS: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_requests_is_counted_and_nobody_is_named() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (limited().await, tempfile::tempdir().expect("a directory"));
    let more = ["--customer", "header:x-customer", "--rate-customer", "80/m"];
    let gateway =
        Gateway::start(&server.url(""), &application.url, spill.path(), &[&METRICS[..], &more].concat());
    let before = scrape(&gateway).await;
    for selector in selectors(&document("alerts.yml")).iter().filter(|it| it.starts_with("gateway_")) {
        assert!(before.contains(selector.as_str()), "{selector}: {before}");
    }
    assert_eq!(value(&before, "gateway_reckoner_reachable"), 1);
    let live = gateway.metrics.as_deref().expect("metrics").replace("/metrics", "/health/live");
    assert_eq!(client().get(live).send().await.expect("an answer").status(), 200);

    let client = client();
    let ask = async |customer: Option<&str>, path: &str| {
        let request = client.post(gateway.at(path)).body("12345");
        let request = customer.into_iter().fold(request, |it, customer| it.header("x-customer", customer));
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        answer.bytes().await.expect("a body");
        status
    };
    let mut statuses = Vec::new();
    for _ in 0..90 {
        statuses.push(ask(Some("acme"), "/echo").await);
    }
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count() as u64;
    assert_eq!(count(200), 60);
    assert_eq!(ask(None, "/echo").await, 200);
    assert_eq!(ask(Some("without-a-plan"), "/echo").await, 403);
    drop(application);
    assert_eq!(ask(None, "/echo").await, 502);
    // A request is over when its last byte has gone, which its caller may know before the gateway.
    let mut text = scrape(&gateway).await;
    while value(&text, "gateway_request_seconds_count") < 93 {
        text = scrape(&gateway).await;
    }
    let of = |series: &str| value(&text, series);
    assert_eq!(of("gateway_requests_total{status=\"2xx\"}"), 61);
    assert_eq!(of("gateway_requests_total{status=\"4xx\"}"), count(429) + 1);
    assert_eq!(of("gateway_requests_total{status=\"5xx\"}"), 1);
    let [quota, rate] =
        ["quota", "rate_limit"].map(|reason| of(&format!("gateway_refusals_total{{reason=\"{reason}\"}}")));
    assert!(quota >= 20 && quota + rate == 30, "{quota} {rate}");
    assert_eq!(of("rate_limited_total{dimension=\"customer\"}"), rate);
    assert_eq!(of("gateway_refusals_total{reason=\"not_entitled\"}"), 1);
    let decisions = ["lease", "server"].map(|by| of(&format!("gateway_decisions_total{{by=\"{by}\"}}")));
    assert!(
        decisions[0] >= 10 && decisions[1] >= quota && decisions.iter().sum::<u64>() == 61 + quota,
        "{decisions:?}"
    );
    // What is refused is not read.
    assert_eq!(of("gateway_bytes_total{direction=\"request\"}"), 61 * 5);
    assert!(of("gateway_bytes_total{direction=\"response\"}") > 61 * 5);
    assert!(of("gateway_unattributed_bytes_total") > 10);
    let errors = ["unreachable", "broken"]
        .map(|reason| of(&format!("gateway_upstream_errors_total{{reason=\"{reason}\"}}")));
    assert_eq!(errors.iter().sum::<u64>(), 1, "{errors:?}");
    assert!(of("gateway_connections") >= 1);
    assert!(of("gateway_usage_recorded_total") >= 93);
    for secret in ["acme", "without-a-plan", TEST_KEY, "127.0.0.1", "/echo"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    tokio::task::block_in_place(|| gateway.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_out_of_reach_is_told_of_with_what_waits_for_it() {
    let Some(application) = Application::node() else { return };
    let spill = tempfile::tempdir().expect("a directory");
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let more = ["--customer", "header:x-customer", "--drain-s", "0"];
    let gateway = Gateway::start(&address, &application.url, spill.path(), &[&METRICS[..], &more].concat());
    let request = client().get(gateway.at("/bytes/10")).header("x-customer", "acme");
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let mut text = scrape(&gateway).await;
    while value(&text, "gateway_reckoner_reachable") != 0 {
        text = scrape(&gateway).await;
    }
    assert_eq!(value(&text, "gateway_decisions_total{by=\"away\"}"), 1);
    assert_eq!(value(&text, "gateway_usage_waiting"), 2, "the call and its traffic");
    assert!(value(&text, "gateway_spill_bytes") > 200 && value(&text, "gateway_usage_retried_total") >= 2);
    tokio::task::block_in_place(|| gateway.stop());
}
