//! A disk that is full: new events are refused, none is lost, and space that comes back is used.
use super::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Two segments of the event log, and a little for the control plane.
const DISK_MIB: u64 = 160;
const SEGMENT_MIB: u64 = 64;
const BATCH_EVENTS: usize = 500;
/// More requests than the disk can have room for.
const SENDS_MAX: usize = 2_000;

/// A file system of its own, as long as it is held.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory");
        let size = format!("size={DISK_MIB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may be about to end.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn batch(round: usize) -> Vec<u8> {
    let text = "x".repeat(16_000);
    let event = |n: usize| {
        let id = format!("{round}-{n}");
        json!({"id": id, "customer": "acme", "meter": "api.calls", "properties": {"text": text}})
    };
    pack("zstd", json!((0..BATCH_EVENTS).map(event).collect::<Vec<_>>()).to_string().as_bytes())
}

async fn send_batch(server: &Server, round: usize) -> Answer {
    send_with(server, "/v1/events", JSON, &[("content-encoding", "zstd")], batch(round)).await
}

async fn health(server: &Server) -> (u16, Value) {
    Answer::of(server.bare(Method::GET, "/health").send().await).await.parts()
}

async fn ready(server: &Server) -> (u16, Value) {
    Answer::of(server.bare(Method::GET, "/health/ready").send().await).await.parts()
}

/// Sends what `make` makes until the disk is full; gives how many were taken, and the refusal.
async fn until_full(server: &Server, make: impl AsyncFn(usize) -> Answer) -> (usize, Answer) {
    for n in 0..SENDS_MAX {
        let answer = make(n).await;
        if !answer.status.is_success() {
            let (status, body) = answer.parts();
            assert_eq!((status, &body["code"]), (507, &json!("disk_full")), "{body}");
            assert!(answer.header("retry-after").is_some() && server.get("/ping").await.status == 200);
            return (n, answer);
        }
    }
    panic!("the disk never got full");
}

/// A server whose disk has no room beyond two segments of the event log, and what makes that so.
async fn on_a_filled_disk() -> Option<(Server, Disk, PathBuf)> {
    let mut server = Server::start();
    assert!(server.terminate().success());
    std::fs::remove_dir_all(server.data_dir()).expect("removed");
    let Some(disk) = Disk::mount(&server.data_dir()) else {
        println!("skipped: this process may not mount a file system");
        return None;
    };
    server.restart();
    assert_eq!(server.post("/v1/events", event("first")).await.status, 201);
    // The second segment is prepared meanwhile; what it leaves of the disk is filled.
    while free_mib(&server) > DISK_MIB - 2 * SEGMENT_MIB {
        assert_eq!(server.get("/ping").await.status, 200);
    }
    let filler = server.data_dir().join("filler");
    fill(&filler);
    Some((server, disk, filler))
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let Some((mut server, disk, filler)) = on_a_filled_disk().await else { return };
    assert_eq!(health(&server).await.1["checks"]["disk"]["error"], "the disk is full");
    let (batches, _) = until_full(&server, async |n| send_batch(&server, n).await).await;
    // A batch needs much room; smaller requests still find some.
    let large = |n: usize| {
        let text = "x".repeat(16_000);
        json!({"id": format!("l{n}"), "customer": "acme", "meter": "api.calls", "properties": {"text": text}})
    };
    let (singles, _) = until_full(&server, async |n| server.post("/v1/events", large(n)).await).await;
    let (small, _) =
        until_full(&server, async |n| server.post("/v1/events", event(&format!("s{n}"))).await).await;
    let stored = batches * BATCH_EVENTS + singles + small + 1;
    let (status, body) = health(&server).await;
    assert_eq!((status, &body["checks"]["events"]["error"]), (503, &json!("the disk is full")), "{body}");
    assert_eq!(ready(&server).await, (503, json!({"status": "not ready", "reason": "the disk is full"})));
    // A stream says so by its status too, and so does another path. Reading goes on.
    assert_eq!(send(&server, NDJSON, event("late").to_string()).await.status, 507);
    let usage = server.post("/usage/api.calls", json!({"customerId": "acme", "value": 1})).await;
    assert_eq!((usage.status.as_u16(), usage.json()["error"].is_string()), (507, true));
    assert_eq!(total(&server).await, stored.to_string());

    std::fs::remove_file(&filler).expect("removed");
    grow(&server);
    // It is ready before an event comes: none would, as long as it is not.
    assert_eq!(ready(&server).await, (200, json!({"status": "ready"})));
    assert_eq!(server.post("/v1/events", event("late")).await.status, 201);
    assert_eq!(server.post("/v1/events", event("s0")).await.status, 200);
    assert_eq!(health(&server).await.0, 200);
    server.crash_and_restart();
    assert_eq!(total(&server).await, (stored + 1).to_string());
    server.kill();
    drop(disk);
}

#[tokio::test]
async fn a_customer_for_whom_there_is_no_room_is_made_later() {
    let Some((mut server, disk, filler)) = on_a_filled_disk().await else { return };
    let body =
        |n: usize| json!({"id": format!("c{n}"), "customer": format!("customer {n}"), "meter": "api.calls"});
    let (made, _) = until_full(&server, async |n| server.post("/v1/events", body(n)).await).await;
    std::fs::remove_file(&filler).expect("removed");
    // The event itself was stored: sending it again, as a client does, finds it and makes the customer.
    let again = server.post("/v1/events", body(made)).await;
    assert_eq!((again.status.as_u16(), &again.json()["duplicate"]), (200, &json!(1)));
    let path = format!("/v1/customers/customer%20{made}");
    assert_eq!(server.get(&path).await.status, 200);
    server.kill();
    drop(disk);
}

fn free_mib(server: &Server) -> u64 {
    let stat = rustix::fs::statvfs(server.data_dir()).expect("a file system");
    stat.f_bavail * stat.f_frsize / (1 << 20)
}

/// Makes the disk larger by two segments.
fn grow(server: &Server) {
    let remount = format!("remount,size={}m", DISK_MIB + 2 * SEGMENT_MIB);
    let grown = Command::new("mount").args(["-o", &remount]).arg(server.data_dir()).status();
    assert!(grown.is_ok_and(|status| status.success()));
}

/// Writes a file until nothing more fits.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("made");
    let piece = vec![0; 4_096];
    while file.write_all(&piece).is_ok() {}
}
