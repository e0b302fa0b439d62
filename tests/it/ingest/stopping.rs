//! SIGTERM under load: it ends in time, and what was acknowledged is there afterwards.
use super::wire::Wire;
use super::*;
use crate::support::server::Setup;
use std::sync::Arc;
use tokio::sync::watch;

/// How long the server may take to stop, in seconds.
const STOP_S_MAX: u64 = 10;
const SENDERS: usize = 6;

/// Sends until the server does not take more; gives the ids it acknowledged.
async fn load(url: String, sender: usize, acknowledged: Arc<watch::Sender<u64>>) -> Vec<String> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut told = Vec::new();
    for round in 0.. {
        let ids: Vec<String> = (0..=sender * 7).map(|n| format!("{sender}-{round}-{n}")).collect();
        let body: Vec<Value> = ids.iter().map(|id| event(id)).collect();
        let request = client.post(&url).header("x-apikey", TEST_KEY).json(&body);
        let Ok(answer) = request.send().await else { break };
        let status = answer.status().as_u16();
        if answer.json::<Value>().await.is_err() || status == 503 {
            break;
        }
        assert_eq!(status, 200);
        acknowledged.send_modify(|count| *count += ids.len() as u64);
        told.extend(ids);
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing_and_ends_in_time() {
    let mut server = Setup::default().start();
    // A stream that waits for its client, and one of each that never sends all of its request.
    let mut stream = Wire::begin_post(&server, NDJSON, "transfer-encoding: chunked").await;
    stream.chunk(format!("{}\n", event("streamed")).as_bytes()).await.expect("written");
    stream.read_until("{\"committed\":1}\n").await;
    let mut half = Wire::begin_post(&server, JSON, "content-length: 100").await;
    half.write(b"{").await.expect("written");
    let idle = Wire::open(&server).await;

    let acknowledged = Arc::new(watch::Sender::new(0));
    let mut counted = acknowledged.subscribe();
    let senders: Vec<_> = (0..SENDERS)
        .map(|n| tokio::spawn(load(server.url("/v1/events"), n, Arc::clone(&acknowledged))))
        .collect();
    counted.wait_for(|count| *count >= 2_000).await.expect("senders");
    let began = std::time::Instant::now();
    let status = server.terminate();
    let took = began.elapsed();
    println!("stopped under load after {took:?}: {status}");
    assert!(status.success() && took.as_secs() < STOP_S_MAX, "{status} after {took:?}");
    let mut expected = vec!["streamed".to_owned()];
    for sender in senders {
        expected.extend(sender.await.expect("a sender"));
    }
    let told = stream.read_to_end().await;
    assert!(told.contains("\"status\":503") && told.contains("\"accepted\":1"), "{told}");
    drop((half, idle));

    server.restart();
    let stored = ids(&server).await;
    let kept: std::collections::BTreeSet<_> = stored.iter().collect();
    assert_eq!(kept.len(), stored.len(), "none twice");
    let lost: Vec<_> = expected.iter().filter(|id| !kept.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), expected.len());
    assert_eq!(total(&server).await, stored.len().to_string());
}
