//! Applications and callers that do not do their part.
use super::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn problem(gateway: &Gateway, path: &str) -> (u16, String, String) {
    let answer =
        client().get(gateway.at(path)).header("x-request-id", "r-9").send().await.expect("an answer");
    let (status, kind) =
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().expect("text").to_owned());
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(
        (kind.as_str(), &body["request_id"], &body["status"]),
        ("application/problem+json", &"r-9".into(), &status.into())
    );
    (
        status,
        body["code"].as_str().expect("a code").to_owned(),
        body["detail"].as_str().expect("a detail").to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_that_fail_are_told_of_as_problems() {
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let gateway = Gateway::start(&server.url(""), &address, spill.path(), &["--first-byte-timeout-s", "1"]);
    let (status, code, _) = problem(&gateway, "/a").await;
    assert_eq!((status, code.as_str()), (502, "upstream_unreachable"));
    tokio::task::block_in_place(|| gateway.stop());

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", silent.local_addr().expect("an address"));
    let gateway = Gateway::start(&server.url(""), &address, spill.path(), &["--first-byte-timeout-s", "1"]);
    let (status, code, _) = problem(&gateway, "/b").await;
    assert_eq!((status, code.as_str()), (504, "upstream_timeout"));
    // One that answers with something else than HTTP.
    let odd = tokio::spawn(async move {
        // The first connection is of the request before.
        let _first = silent.accept().await.expect("accepted");
        let (mut stream, _) = silent.accept().await.expect("accepted");
        stream.write_all(b"SSH-2.0-x\r\n").await.expect("written");
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let (status, code, _) = problem(&gateway, "/c").await;
    assert_eq!((status, code.as_str()), (502, "upstream_broken"));
    tokio::task::block_in_place(|| gateway.stop());
    odd.abort();
    let statuses: Vec<Value> =
        traffic(&server).await.iter().map(|event| event["properties"]["statusCode"].clone()).collect();
    assert_eq!(statuses, [502, 504, 502]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_break_off_count_as_far_as_they_came() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &[]);
    // The application breaks its answer off.
    let broken = client().get(gateway.at("/break")).send().await.expect("an answer").bytes().await;
    assert!(broken.is_err(), "{broken:?}");
    // The caller breaks its request off, after the application has sent back what it got.
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connected");
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nhalfway\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    while !answer.windows(7).any(|part| part == b"halfway") {
        assert!(stream.read_buf(&mut answer).await.expect("read") > 0, "closed");
    }
    drop(stream);
    tokio::task::block_in_place(|| gateway.stop());
    let events = traffic(&server).await;
    let shown: Vec<_> = events.iter().map(|event| &event["properties"]).collect();
    let of = |path: &str| {
        shown.iter().find(|event| event["endpoint"] == path).unwrap_or_else(|| panic!("{shown:?}"))
    };
    assert_eq!((&of("/break")["responseBytes"], &of("/break")["statusCode"]), (&10.into(), &200.into()));
    assert_eq!((&of("/echo")["requestBytes"], &of("/echo")["responseBytes"]), (&7.into(), &7.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_end_are_recorded_when_the_gateway_ends() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (reckoner().await, tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &["--drain-s", "1"]);
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let hanging = [client(), http2].map(|client| {
        let request = client.post(gateway.at("/hang")).body("hanging");
        tokio::spawn(async move { request.send().await.map(|answer| answer.status()) })
    });
    while application.count().await.request_bytes < 14 {
        tokio::task::yield_now().await;
    }
    tokio::task::block_in_place(|| gateway.stop());
    for request in hanging {
        assert!(request.await.expect("asked").is_err());
    }
    let events = traffic(&server).await;
    let shown: Vec<_> =
        events.iter().map(|event| (&event["value"], &event["properties"]["statusCode"])).collect();
    assert_eq!(shown, [(&"7".into(), &499.into()), (&"7".into(), &499.into())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_make_no_sense_are_refused() {
    for (line, told) in [
        (&["--upstream", "a:1"][..], "no address"),
        (&["--upstream", "http://a", "--customer", "cookie:x"], "none of key"),
        (&["--upstream", "http://a", "--trusted-proxies", "x"], "addresses or networks"),
        (&["--upstream", "http://a", "--keys", "/no/such/file"], "cannot read"),
        (&["--upstream", "http://a", "--rate-key", "10/h"], "is no limit such as 10/s,600/m,burst=20"),
        (&["--upstream", "http://a", "--rate-address", "burst=5"], "burst needs a limit of a second"),
        (&["--upstream", "http://a", "--url", "nowhere"], "no address of a server"),
    ] {
        let ended = crate::support::command::reckoner(&[&["gateway", "--api-key", "k"], line].concat(), &[]);
        assert!(ended.code == 2 && ended.err.contains(told), "{line:?}: {ended:?}");
    }
    // The names that the two flags had before.
    let line = ["gateway", "--key", "k", "--upstream", "http://a", "--server", "nowhere"];
    let ended = crate::support::command::reckoner(&line, &[]);
    assert!(ended.code == 2 && ended.err.contains("no address of a server"), "{ended:?}");
    let help = crate::support::command::reckoner(&["gateway", "--help"], &[]).out;
    assert!(help.contains("--rate-customer <LIMITS>") && help.contains("--metrics-listen"), "{help}");
    assert!(!help.contains("--server ") && !help.contains("--key <"), "{help}");
}
