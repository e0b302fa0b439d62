//! HTTP as it should be between two sides.
use super::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Writes to a gateway and reads until it closes the connection, or until there is so much.
async fn raw(gateway: &Gateway, text: &str, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connected");
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    while !enough(&answer) && stream.read_buf(&mut answer).await.expect("read") > 0 {}
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_one_connection_stays_there() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &[]);
    let text = "GET /headers HTTP/1.1\r\nHost: shop.example\r\nConnection: close, X-Private\r\nX-Private: 1\r\n\
                Keep-Alive: timeout=9\r\nTE: trailers, gzip\r\nProxy-Authorization: x\r\nX-Forwarded-For: 6.6.6.6\r\n\
                Forwarded: for=6.6.6.6\r\nX-Request-Id: mine\r\nUpgrade: h2c\r\nX-Kept: yes\r\n\r\n";
    let answer = String::from_utf8(raw(&gateway, text, |_| false).await).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("x-request-id: mine") && !head.contains("x-hop"), "{head}");
    let json = &body[body.find('{').expect("JSON")..=body.rfind('}').expect("JSON")];
    let headers: Value = serde_json::from_str(json).expect("JSON");
    let expected = [
        ("host", "shop.example"),
        ("te", "trailers"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-proto", "http"),
        ("x-kept", "yes"),
        ("x-request-id", "mine"),
    ];
    for (name, value) in expected {
        assert_eq!(headers[name], value, "{name}: {headers}");
    }
    for name in ["x-private", "keep-alive", "proxy-authorization", "forwarded", "upgrade"] {
        assert_eq!(headers[name], Value::Null, "{name}: {headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_in_the_gateways_own_version() {
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let old = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", old.local_addr().expect("an address"));
    let application = tokio::spawn(async move {
        let (mut stream, _) = old.accept().await.expect("accepted");
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await.expect("read") > 0 {}
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold").await.expect("written");
    });
    let gateway = Gateway::start(&server.url(""), &address, spill.path(), &[]);
    let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = String::from_utf8(raw(&gateway, text, |_| false).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("old"), "{answer}");
    application.await.expect("it answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_both_ways() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &[]);
    let text = "POST /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sent\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sent: there\r\n\r\n";
    let answer = String::from_utf8(raw(&gateway, text, |_| false).await).expect("text").to_ascii_lowercase();
    assert!(answer.contains("\r\nx-sum: 5\r\n"), "{answer}");
    let counted = application.count().await;
    tokio::task::block_in_place(|| gateway.stop());
    assert_eq!(metered(&server).await, counted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_without_tls_is_spoken() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let inner = Gateway::start(
        &server.url(""),
        &application.url,
        &spill.path().join("inner"),
        &["--customer", "header:inner"],
    );
    let more =
        ["--upstream-protocol", "http2", "--customer", "header:outer", "--traffic-meter", "outer.bytes"];
    let made = serde_json::json!({"key": "outer.bytes", "aggregation": "sum"});
    assert_eq!(server.post("/v1/meters", made).await.status, 201);
    // HTTP/2 on both of its sides: a caller that speaks nothing else, and another gateway behind it.
    let outer = Gateway::start(&server.url(""), &inner.url, &spill.path().join("outer"), &more);
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let answers = (0..20).map(|number| {
        let body = vec![b'x'; 1_000 * number];
        client.post(outer.at("/echo")).header("outer", "o").header("inner", "i").body(body).send()
    });
    for (number, answer) in futures_util::future::join_all(answers).await.into_iter().enumerate() {
        let answer = answer.expect("an answer");
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
        assert_eq!(answer.bytes().await.expect("a body").len(), 1_000 * number);
    }
    let counted = application.count().await;
    tokio::task::block_in_place(|| {
        outer.stop();
        inner.stop();
    });
    assert_eq!(metered(&server).await, counted);
    assert_eq!(world::total(&server, "outer.bytes").await, counted.request_bytes + counted.response_bytes);
}

/// A short masked frame of a WebSocket.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mask = [7, 11, 13, 17];
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let length = u8::try_from(payload.len()).expect("a short one");
    [0x81, 0x80 | length].into_iter().chain(mask).chain(masked).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_are_counted_both_ways() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway =
        Gateway::start(&server.url(""), &application.url, spill.path(), &["--customer", "header:x-customer"]);
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connected");
    let head = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Customer: acme\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.expect("read") > 0, "closed");
    }
    let said = String::from_utf8(answer).expect("text").to_ascii_lowercase();
    assert!(said.starts_with("http/1.1 101") && said.contains("upgrade: websocket"), "{said}");
    assert!(said.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{said}");
    for number in 0..50_u8 {
        let payload = vec![number; usize::from(number)];
        stream.write_all(&frame(&payload)).await.expect("written");
        let mut back = vec![0; 2 + payload.len()];
        stream.read_exact(&mut back).await.expect("read");
        assert_eq!(back[2..], payload);
    }
    stream.shutdown().await.expect("ended");
    assert_eq!(stream.read_buf(&mut Vec::new()).await.expect("read"), 0);
    let counted = application.count().await;
    tokio::task::block_in_place(|| gateway.stop());
    let expected: u64 = (0..50).sum();
    assert_eq!((counted.request_bytes, counted.response_bytes), (expected + 50 * 6, expected + 50 * 2));
    assert_eq!(metered(&server).await, counted);
    let event = &traffic(&server).await[0];
    assert_eq!((&event["properties"]["statusCode"], &event["customer"]), (&101.into(), &"acme".into()));
}
