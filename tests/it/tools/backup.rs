//! Copies of the data directory of a server that goes on serving.
use crate::support::command::{Ended, reckoner};
use crate::support::server::{Server, TEST_KEY};
use serde_json::{Value, json};
use std::path::Path;

fn run(command: &str, from: Option<&Path>, data_dir: &Path) -> Ended {
    let data_dir = data_dir.display().to_string();
    let from = from.map(|from| from.display().to_string());
    let words = [command].into_iter().chain(from.as_deref()).chain(["--data-dir", &data_dir, "--json"]);
    reckoner(&words.collect::<Vec<_>>(), &[])
}

async fn total(server: &Server) -> u64 {
    let path = "/v1/meters/api.calls/query?from=2020-01-01T00:00:00Z&to=2096-01-01T00:00:00Z";
    let answer = server.get(path).await.json();
    answer["data"][0]["value"].as_str().and_then(|text| text.parse().ok()).expect("a number")
}

async fn send(server: &Server, batch: usize) {
    let event =
        |index: usize| json!({"id": format!("{batch}-{index}"), "customer": "a", "meter": "api.calls"});
    let events: Vec<Value> = (0..1_000).map(event).collect();
    assert_eq!(server.post("/v1/events", json!(events)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_busy_server_is_whole_and_serves() {
    let mut server = Server::start();
    let other = tempfile::tempdir().expect("a directory");
    let (copy, restored) = (other.path().join("copy"), other.path().join("restored"));
    for batch in 0..5 {
        send(&server, batch).await;
    }
    let made = server.post("/v1/webhook-endpoints", json!({"url": "https://example.com/h"})).await.json();
    let (data_dir, copy_dir) = (server.data_dir(), copy.clone());
    let copying = tokio::task::spawn_blocking(move || run("backup", Some(&copy_dir), &data_dir));
    let mut sent = 5;
    while !copying.is_finished() {
        send(&server, sent).await;
        sent += 1;
    }
    let copied = copying.await.expect("ended");
    assert_eq!(copied.code, 0, "{copied:?}");
    let through = copied.json()["events_through"].as_u64().expect("a number");
    assert!((5_000..=sent as u64 * 1_000).contains(&through) && through % 1_000 == 0, "{through}");

    let verified = run("verify-store", None, &copy);
    assert_eq!((verified.code, &verified.json()["sound"]), (0, &json!(true)), "{verified:?}");
    assert_eq!(verified.json()["events"], through);
    let done = run("restore", Some(&copy), &restored);
    assert_eq!(done.code, 0, "{done:?}");
    server.kill();
    std::fs::remove_dir_all(server.data_dir()).expect("removed");
    std::fs::rename(&restored, server.data_dir()).expect("moved");
    server.restart();
    assert_eq!(total(&server).await, through);
    // What was sent after the copy is new again, what is in it is a duplicate.
    send(&server, 0).await;
    send(&server, sent).await;
    assert_eq!(total(&server).await, through + 1_000);
    let path = format!("/v1/webhook-endpoints/{}", made["id"].as_str().expect("an id"));
    assert_eq!(
        server.post(&format!("{path}/rotate-secret"), json!({})).await.status,
        200,
        "the key came along"
    );
    assert_eq!(server.get(&path).await.json()["url"], "https://example.com/h");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sound_is_told() {
    let server = Server::start();
    send(&server, 0).await;
    send(&server, 1).await;
    let other = tempfile::tempdir().expect("a directory");
    let copy = other.path().join("copy");
    let in_use = run("verify-store", None, &server.data_dir());
    assert_eq!(in_use.code, 1, "{in_use:?}");
    assert!(in_use.err.contains("in use by another process"), "{in_use:?}");
    assert_eq!(run("backup", Some(&copy), &server.data_dir()).code, 0);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o700);
    let again = run("backup", Some(&copy), &server.data_dir());
    assert!(again.code == 1 && again.err.contains("has files in it"), "{again:?}");
    let nothing = run("backup", Some(&other.path().join("b")), other.path());
    assert!(nothing.code == 2 && nothing.err.contains("is no data directory"), "{nothing:?}");

    let segment = copy.join("events/segment-0000000000000001.log");
    let mut bytes = std::fs::read(&segment).expect("there");
    bytes[5_000] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let damaged = run("verify-store", None, &copy);
    assert_eq!(damaged.code, 1, "{damaged:?}");
    assert!(damaged.err.contains("segment-0000000000000001.log is damaged at offset"), "{damaged:?}");
    assert!(!damaged.err.contains(TEST_KEY));
}
