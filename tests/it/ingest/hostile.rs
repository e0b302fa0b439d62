//! Input made to hurt: a clear refusal, bounded memory, and the server goes on.
use super::*;
use futures_util::future::join_all;

/// Most resident memory that any of this may lead to.
const PEAK_KIB_MAX: u64 = 640 << 10;
const MIB: usize = 1 << 20;

/// Sends a body and checks that it is refused with this status and that the server goes on.
async fn refused(server: &Server, what: &str, answer: Answer, status: u16) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text.get(..500).unwrap_or(&answer.text));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert!(
        answer.json()["code"].is_string() && answer.text.len() < 20_000,
        "{what}: {} bytes",
        answer.text.len()
    );
    assert_eq!(server.get("/ping").await.status, 200, "{what}");
    println!(
        "{what}: {status}, {} KiB resident, {} at the peak",
        server.resident_kib(),
        server.resident_peak_kib()
    );
}

#[tokio::test]
async fn what_nests_or_goes_on_for_ever_is_refused() {
    let server = Server::start();
    let nested = |open: &str, close: &str| open.repeat(2_000) + "1" + &close.repeat(2_000);
    for deep in [nested("[", "]"), nested("{\"a\":", "}"), "[".repeat(2_000), nested("[{\"a\":", "}]")] {
        refused(&server, "2,000 levels", send(&server, JSON, deep.clone()).await, 400).await;
        let event = format!("{{\"customer\":\"a\",\"meter\":\"api.calls\",\"properties\":{{\"a\":{deep}}}}}");
        refused(&server, "2,000 levels of properties", send(&server, JSON, event.clone()).await, 400).await;
        let said = lines(&send(&server, NDJSON, event).await);
        assert_eq!(said.last(), Some(&json!({"accepted": 0, "duplicate": 0, "rejected": 1})));
        assert_eq!(send_with(&server, "/usage/api.calls", JSON, &[], deep).await.status, 400);
    }
    let id = format!("{{\"id\":\"{}\",\"customer\":\"a\",\"meter\":\"api.calls\"}}", "x".repeat(MIB));
    refused(&server, "an id of 1 MiB", send(&server, JSON, id).await, 422).await;
    let digits = format!("{{\"customer\":\"a\",\"meter\":\"api.calls\",\"value\":{}}}", "9".repeat(10_000));
    refused(&server, "10,000 digits", send(&server, JSON, digits).await, 422).await;
    let exponent =
        format!("{{\"customer\":\"a\",\"meter\":\"api.calls\",\"value\":1e{}}}", "9".repeat(10_000));
    refused(&server, "an exponent of 10,000 digits", send(&server, JSON, exponent).await, 422).await;
    let fields: String = (0..500_000).map(|n| format!("\"f{n}\":1,")).collect();
    let unknown = format!("{{{fields}\"customer\":\"a\"}}");
    refused(&server, "500,000 unknown fields", send(&server, JSON, unknown).await, 422).await;
    let numbers = format!("[{}0]", "0,".repeat(4 * MIB - 10));
    refused(&server, "four million numbers", send(&server, JSON, numbers).await, 413).await;
    let quotes = format!("{{\"a\":\"{}\"}}", "\\\"".repeat(2 * MIB));
    refused(&server, "two million escapes", send(&server, JSON, quotes).await, 422).await;
    assert!(server.resident_peak_kib() < PEAK_KIB_MAX, "{} KiB", server.resident_peak_kib());
}

#[tokio::test]
async fn bodies_of_100_mb_are_refused_with_or_without_a_length() {
    let server = Server::start();
    for kind in [JSON, STRUCTURED] {
        let whole = send(&server, kind, vec![b' '; 100 * MIB]).await;
        refused(&server, "100 MiB with a length", whole, 413).await;
        let pieces = (0..1_600).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
        let streamed = send(&server, kind, Body::wrap_stream(tokio_stream::iter(pieces))).await;
        refused(&server, "100 MiB without a length", streamed, 413).await;
    }
    let usage = send_with(&server, "/usagebatch", JSON, &[], vec![b' '; 100 * MIB]).await;
    assert_eq!((usage.status.as_u16(), usage.json()["error"].is_string()), (413, true));
    let meters = send_with(&server, "/v1/meters", JSON, &[], vec![b' '; 100 * MIB]).await;
    refused(&server, "100 MiB elsewhere", meters, 413).await;
    let unknown = server.bare(Method::POST, "/v1/events").body(vec![b' '; 100 * MIB]);
    refused(&server, "100 MiB without a key", Answer::of(unknown.send().await).await, 401).await;
    let endless = send(&server, NDJSON, vec![b'x'; 100 * MIB]).await;
    refused(&server, "a line of 100 MiB", endless, 413).await;
    assert!(server.resident_peak_kib() < PEAK_KIB_MAX, "{} KiB", server.resident_peak_kib());
}

/// A gibibyte of zeros.
fn bomb(encoding: &str) -> Vec<u8> {
    if encoding == "deflate" {
        // After the first, every block of it is the same.
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut blocks = (0..3).map(|_| {
            encoder.write_all(&vec![0; 16 * MIB]).and_then(|()| encoder.flush()).expect("packed");
            std::mem::take(encoder.get_mut())
        });
        let (first, second) = (blocks.next().expect("a block"), blocks.next().expect("a block"));
        return [first, second.repeat(63)].concat();
    }
    pack(encoding, &vec![0; 64 * MIB]).repeat(16)
}

#[tokio::test]
async fn bombs_of_every_encoding_are_stopped() {
    let server = Server::start();
    for encoding in ["gzip", "deflate", "zstd"] {
        let bomb = bomb(encoding);
        println!("{encoding}: {} bytes for a gibibyte", bomb.len());
        for kind in [JSON, NDJSON, BATCHED] {
            let headers = [("content-encoding", encoding)];
            let one = send_with(&server, "/v1/events", kind, &headers, bomb.clone()).await;
            refused(&server, &format!("a bomb of {encoding} as {kind}"), one, 413).await;
        }
        let usage =
            send_with(&server, "/usagebatch", JSON, &[("content-encoding", encoding)], bomb.clone()).await;
        assert_eq!(usage.status, 413);
        let meters = send_with(&server, "/v1/meters", JSON, &[("content-encoding", encoding)], bomb).await;
        assert_eq!(meters.status, 413);
    }
    assert!(server.resident_peak_kib() < PEAK_KIB_MAX, "{} KiB", server.resident_peak_kib());
}

#[tokio::test]
async fn many_bombs_at_once_share_what_memory_there_is() {
    let server = crate::support::server::Setup::default()
        .env("RECKONER_INGEST_HELD_BYTES_MAX", &(160 * MIB).to_string())
        .start();
    let bomb = bomb("zstd");
    let headers = [("content-encoding", "zstd")];
    let sends = (0..24).map(|_| send_with(&server, "/v1/events", JSON, &headers, bomb.clone()));
    for answer in join_all(sends).await {
        let busy = answer.status == 503 && answer.header("retry-after").is_some();
        assert!(busy || answer.status == 413, "{} {}", answer.status, answer.text);
    }
    println!("24 bombs at once: {} KiB at the peak", server.resident_peak_kib());
    assert!(server.resident_peak_kib() < PEAK_KIB_MAX, "{} KiB", server.resident_peak_kib());
    assert_eq!(server.post("/v1/events", event("after")).await.status, 201);
}
