//! NDJSON as a stream: answered while it comes, in step with its reader, and ended clearly.
use super::wire::Wire;
use super::*;
use crate::support::server::Setup;

const CHUNKED: &str = "transfer-encoding: chunked";

#[tokio::test]
async fn each_part_is_answered_before_the_next_is_sent() {
    let server = Server::start();
    let mut wire = Wire::begin_post(&server, NDJSON, CHUNKED).await;
    for n in 0..3 {
        // A line in two parts, and the beginning of the next.
        let line = format!("{}\n", event(&format!("e{n}")));
        let (first, second) = line.split_at(9);
        wire.chunk(first.as_bytes()).await.expect("written");
        wire.chunk(second.as_bytes()).await.expect("written");
        let said = wire.read_until_times("{\"committed\":1}\n", n + 1).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        // Stored by then: another request sees it.
        assert_eq!(server.get(&format!("/v1/events/e{n}")).await.status, 200);
    }
    wire.write(b"0\r\n\r\n").await.expect("written");
    wire.read_until("{\"accepted\":3,\"duplicate\":0,\"rejected\":0}\n").await;
}

#[tokio::test]
async fn what_a_compressed_stream_flushed_is_answered() {
    let server = Server::start();
    let framing = format!("content-encoding: gzip\r\n{CHUNKED}");
    let mut wire = Wire::begin_post(&server, NDJSON, &framing).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for n in 0..2 {
        writeln!(encoder, "{}", event(&format!("e{n}"))).and_then(|()| encoder.flush()).expect("packed");
        wire.chunk(&std::mem::take(encoder.get_mut())).await.expect("written");
        wire.read_until_times("{\"committed\":1}\n", n + 1).await;
    }
}

#[tokio::test]
async fn an_error_in_the_middle_ends_the_stream_with_the_counts_so_far() {
    let server = Server::start();
    let framing = format!("content-encoding: zstd\r\n{CHUNKED}");
    let mut wire = Wire::begin_post(&server, NDJSON, &framing).await;
    wire.chunk(&pack("zstd", format!("{}\n", event("e")).as_bytes())).await.expect("written");
    wire.read_until("{\"committed\":1}\n").await;
    wire.chunk(b"this is no zstd frame").await.expect("written");
    let said = wire.read_until("\"rejected\":0}\n").await;
    assert!(said.contains("{\"error\":{\"status\":400,\"code\":\"malformed\","), "{said}");
    assert!(said.contains("\"accepted\":1,\"duplicate\":0"), "{said}");
    assert_eq!(total(&server).await, "1");
}

#[tokio::test]
async fn an_error_at_the_beginning_is_a_status() {
    let server = Server::start();
    let answer = send_with(&server, "/v1/events", NDJSON, &[("content-encoding", "gzip")], "no gzip").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("malformed")));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_what_was_committed() {
    let server = Server::start();
    let mut wire = Wire::begin_post(&server, NDJSON, CHUNKED).await;
    wire.chunk(format!("{}\n{{\"id\":\"half", event("whole")).as_bytes()).await.expect("written");
    wire.read_until("{\"committed\":1}\n").await;
    drop(wire);
    assert_eq!(ids(&server).await, ["whole"]);
    assert_eq!(server.post("/v1/events", event("whole")).await.status, 200);
}

#[tokio::test]
async fn long_lines_are_rejected_one_by_one_and_endless_ones_end_the_stream() {
    let server = Setup::default().env("RECKONER_INGEST_INFLATED_BYTES_MAX", "8388608").start();
    let long = format!("{{\"id\":\"{}\"}}\n{}\n", "x".repeat(1 << 20), event("ok"));
    let said = lines(&send(&server, NDJSON, long).await);
    assert_eq!(said.last(), Some(&json!({"accepted": 1, "duplicate": 0, "rejected": 1})));
    assert!(
        said[0]["errors"][0]["reason"].as_str().is_some_and(|reason| reason.contains("131072")),
        "{}",
        said[0]
    );
    let endless = send(&server, NDJSON, vec![b'x'; 16 << 20]).await;
    assert_eq!((endless.status.as_u16(), &endless.json()["code"]), (413, &json!("too_large")));
}

#[tokio::test]
async fn a_sender_waits_for_a_reader_that_does_not_read() {
    let server = Setup::default().env("RECKONER_HTTP_PAUSE_S_MAX", "3").start();
    let before = server.resident_kib();
    let mut wire = Wire::begin_post(&server, NDJSON, CHUNKED).await;
    let rejected = "{}\n".repeat(10_000);
    let mut sent = 0_u64;
    // Each line is answered with hundreds of bytes: the answer backs up, then the request does, and
    // in the end the connection is given up.
    while wire.chunk(rejected.as_bytes()).await.is_ok() {
        sent += rejected.len() as u64;
        assert!(sent < 1 << 30, "the server reads on without being read");
    }
    let more = server.resident_kib().saturating_sub(before);
    println!("an unread answer: {sent} bytes were sent, {more} KiB more are resident");
    assert!(more < 128 << 10, "{more} KiB");
    assert_eq!(server.post("/v1/events", event("after")).await.status, 201);
}
