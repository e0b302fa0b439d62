//! Clients that take their time: hundreds of them cost little, and each of them has an end.
use super::wire::Wire;
use super::*;
use crate::support::server::Setup;

const SLOW_CLIENTS: usize = 400;
/// Most memory that a slow connection may cost.
const CONNECTION_KIB_MAX: u64 = 128;

fn impatient() -> Server {
    Setup::default().env("RECKONER_HTTP_PAUSE_S_MAX", "1").env("RECKONER_HTTP_HEADERS_S_MAX", "2").start()
}

#[tokio::test]
async fn hundreds_of_slow_clients_do_not_keep_others_out() {
    let server = Server::start();
    let before = server.resident_kib();
    let mut held = Vec::new();
    for n in 0..SLOW_CLIENTS {
        let mut wire = match n % 4 {
            0 => Wire::open(&server).await,
            1 => {
                let mut wire = Wire::open(&server).await;
                wire.write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-half").await.expect("written");
                wire
            }
            2 => Wire::begin_post(&server, JSON, "content-length: 1000000").await,
            _ => Wire::begin_post(&server, NDJSON, "transfer-encoding: chunked").await,
        };
        if n % 4 == 2 {
            wire.write(b"[").await.expect("written");
        }
        held.push(wire);
    }
    for n in 0..20 {
        assert_eq!(server.post("/v1/events", event(&format!("e{n}"))).await.status, 201);
    }
    let more = server.resident_kib().saturating_sub(before);
    println!("{SLOW_CLIENTS} slow clients: {more} KiB more are resident");
    assert!(more < SLOW_CLIENTS as u64 * CONNECTION_KIB_MAX, "{more} KiB");
    assert_eq!(total(&server).await, "20");
}

#[tokio::test]
async fn every_kind_of_slow_client_has_an_end() {
    let server = impatient();
    let mut silent = Wire::open(&server).await;
    let mut one_byte = Wire::open(&server).await;
    one_byte.write(b"P").await.expect("written");
    let mut half_head = Wire::open(&server).await;
    half_head.write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-half").await.expect("written");
    let mut idle = Wire::open(&server).await;
    idle.write(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    let mut half_body = Wire::begin_post(&server, JSON, "content-length: 100").await;
    half_body.write(b"{\"id\"").await.expect("written");
    let mut half_stream = Wire::begin_post(&server, NDJSON, "transfer-encoding: chunked").await;
    half_stream.chunk(format!("{}\n{{", event("whole")).as_bytes()).await.expect("written");
    assert_eq!(silent.read_to_end().await, "");
    assert_eq!(one_byte.read_to_end().await, "");
    half_head.read_to_end().await;
    assert!(idle.read_to_end().await.starts_with("HTTP/1.1 200"));
    let told = half_body.read_to_end().await;
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("\"code\":\"too_slow\""), "{told}");
    let told = half_stream.read_to_end().await;
    assert!(told.contains("{\"committed\":1}\n") && told.contains("\"status\":408"), "{told}");
    assert_eq!(ids(&server).await, ["whole"]);
}

#[tokio::test]
async fn a_body_in_the_smallest_pieces_costs_what_it_holds() {
    let server = Server::start();
    let before = server.resident_peak_kib();
    let mut wire = Wire::begin_post(&server, JSON, "transfer-encoding: chunked").await;
    let pieces = b"1\r\n \r\n".repeat(100_000);
    for _ in 0..20 {
        wire.write(&pieces).await.expect("written");
    }
    wire.chunk(event("e").to_string().as_bytes()).await.expect("written");
    wire.write(b"0\r\n\r\n").await.expect("written");
    let said = wire.read_until("\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 201"), "{said}");
    let more = server.resident_peak_kib().saturating_sub(before);
    println!("two million pieces of one byte: {more} KiB more at the peak");
    assert!(more < 32 << 10, "{more} KiB");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Setup::default().env("RECKONER_HTTP_CONNECTIONS_MAX", "2").start();
    let (first, second) = (Wire::open(&server).await, Wire::open(&server).await);
    let mut third = Wire::open(&server).await;
    third.write(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    drop(first);
    assert!(third.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    drop(second);
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = Server::start();
    let mut wire = Wire::open(&server).await;
    let head = format!("GET /ping HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(200_000));
    // The server may have answered and closed before all of it is written.
    let _ = wire.write(head.as_bytes()).await;
    assert!(wire.read_to_end().await.starts_with("HTTP/1.1 431"));
    let mut wire = Wire::open(&server).await;
    let _ =
        wire.write(format!("GET /ping?{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert!(wire.read_to_end().await.starts_with("HTTP/1.1 414"));
    let mut wire = Wire::open(&server).await;
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    wire.write(format!("GET /ping HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await.expect("written");
    assert!(wire.read_to_end().await.starts_with("HTTP/1.1 431"));
}
