//! Without a Reckoner server requests are served and nothing is lost.
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_server_under_load_loses_nothing() {
    let Some(application) = Application::node() else { return };
    let (mut server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    // Restarted servers listen elsewhere; this address stays.
    let stable = Arc::new(crate::gateway::relay::Relay::start(&server.url("")).await);
    let gateway = Gateway::start(&stable.url, &application.url, spill.path(), &[]);
    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (client, url) = (client(), gateway.at("/workspaces/w/bytes"));
            let (over, served) = (Arc::clone(&over), Arc::clone(&served));
            tokio::spawn(async move {
                let mut sent = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    let answer =
                        client.post(&url).body(vec![b'x'; 10 + sender]).send().await.expect("an answer");
                    assert_eq!(answer.status(), 404, "requests are served");
                    answer.bytes().await.expect("a body");
                    served.fetch_add(1, Ordering::Relaxed);
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for round in 1..=3 {
        while served.load(Ordering::Relaxed) < round * 400 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| server.kill());
        while served.load(Ordering::Relaxed) < round * 400 + 150 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| server.restart());
        stable.lead_to(&server.url(""));
    }
    over.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.expect("a sender");
    }
    let counted = application.count().await;
    tokio::task::block_in_place(|| gateway.stop());
    assert_eq!((counted.requests, metered(&server).await), (sent, counted));
    assert_eq!(world::total(&server, "api.calls").await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_gateway_keeps_what_was_not_acknowledged() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let nobody = "http://127.0.0.1:1";
    let gateway = Gateway::start(nobody, &application.url, spill.path(), &[]);
    for _ in 0..30 {
        let answer =
            client().post(gateway.at("/projects/p/x")).body("12345").send().await.expect("an answer");
        answer.bytes().await.expect("a body");
    }
    let on_disk = || {
        let files = std::fs::read_dir(spill.path())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path());
        let texts = files.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        texts.map(|text| text.lines().count()).sum::<usize>()
    };
    while on_disk() < 60 {
        tokio::task::yield_now().await;
    }
    tokio::task::block_in_place(|| gateway.kill());
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &[]);
    tokio::task::block_in_place(|| gateway.stop());
    assert_eq!(metered(&server).await, application.count().await);
    assert_eq!(world::total(&server, "api.calls").await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_may_refuse_rather_than_serve_without_limits() {
    let Some(application) = Application::node() else { return };
    let spill = tempfile::tempdir().expect("a directory");
    let gateway =
        Gateway::start("http://127.0.0.1:1", &application.url, spill.path(), &["--when-away", "refuse"]);
    let answer = client().get(gateway.at("/projects/p/x")).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    let answer = client().get(gateway.at("/bytes/5")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "nobody has no limit");
    assert_eq!(application.count().await.requests, 1);
}
