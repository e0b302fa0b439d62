//! Every byte that the application counts is metered, and no other.
use super::*;
use reqwest::{Body, Client, Method};

/// Requests of one run; `scripts/gateway-bytes` sends more.
const REQUESTS: u64 = 400;
const AT_ONCE: u64 = 16;
/// Pieces of 64 KiB of a large body.
const PIECES: usize = 1_600;

/// A request of a mix that is the same in every run.
async fn one(client: &Client, url: &str, number: u64) {
    // Multiplying spreads the numbers.
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let text = |length: u64| vec![b'x'; usize::try_from(length).expect("a length")];
    let pieces = |length: u64| {
        let parts: Vec<Result<Vec<u8>, std::io::Error>> =
            text(length).chunks(1_000).map(|part| Ok(part.to_vec())).collect();
        Body::wrap_stream(futures_util::stream::iter(parts))
    };
    let (method, path, body) = match number % 9 {
        0 => (Method::GET, format!("/bytes/{}", spread % 50_000), None),
        1 => (Method::POST, "/echo".to_owned(), Some(Body::from(text(spread % 30_000)))),
        2 => (Method::GET, format!("/chunks/{}", spread % 40), None),
        3 => (Method::PUT, "/nothing".to_owned(), Some(pieces(spread % 20_000))),
        4 => (Method::HEAD, format!("/bytes/{}", spread % 50_000), None),
        5 => (Method::GET, format!("/status/{}", 400 + spread % 100), None),
        6 => (Method::POST, "/echo".to_owned(), Some(pieces(spread % 60_000))),
        7 => (Method::DELETE, "/missing".to_owned(), None),
        _ => (Method::PATCH, "/bytes/0".to_owned(), Some(Body::from(text(spread % 100)))),
    };
    let request = client.request(method, format!("{url}{path}"));
    let request = body.into_iter().fold(request, |request, body| request.body(body));
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().as_u16() < 502, "{path}: {}", answer.status());
    answer.bytes().await.expect("a body");
}

async fn is_metered_to_the_byte(application: Option<Application>) {
    let Some(application) = application else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &[]);
    let senders: Vec<_> = (0..AT_ONCE)
        .map(|sender| {
            let (client, url) = (client(), gateway.url.clone());
            tokio::spawn(async move {
                for number in (sender..REQUESTS).step_by(usize::try_from(AT_ONCE).expect("a step")) {
                    one(&client, &url, number).await;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("sent");
    }
    let counted = application.count().await;
    tokio::task::block_in_place(|| gateway.stop());
    assert_eq!((counted.requests, metered(&server).await), (REQUESTS, counted));
    assert!(counted.request_bytes > 100_000 && counted.response_bytes > 1_000_000, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_server_is_metered_to_the_byte() {
    is_metered_to_the_byte(Application::node()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_server_is_metered_to_the_byte() {
    is_metered_to_the_byte(Application::python()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_stream_through_without_being_held() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &[]);
    let parts = (0..PIECES).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]));
    let body = Body::wrap_stream(futures_util::stream::iter(parts));
    let mut answer = client().post(gateway.at("/echo")).body(body).send().await.expect("an answer");
    let mut bytes = 0;
    while let Some(part) = answer.chunk().await.expect("a piece") {
        bytes += part.len();
    }
    assert_eq!(bytes, PIECES * 64 * 1024);
    let resident = gateway.resident_peak_kib();
    assert!(resident < 90 * 1024, "{resident} KiB for {} KiB twice", PIECES * 64);
    let counted = application.count().await;
    tokio::task::block_in_place(|| gateway.stop());
    assert_eq!(metered(&server).await, counted);
}
