//! What a start puts right, and what it refuses.
use super::*;
use std::os::unix::fs::FileExt;

async fn sql(server: &Server, statement: &'static str) -> u64 {
    let url = format!("sqlite://{}", server.data_dir().join("control.sqlite").display());
    let mut connection =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("a database");
    sqlx::query(statement).execute(&mut connection).await.expect("a statement").rows_affected()
}

#[tokio::test]
async fn customers_that_a_crash_lost_come_back() {
    let mut server = Server::start();
    for (id, customer) in [("1", "acme"), ("2", "globex/é"), ("3", "initech")] {
        let body = json!({"id": id, "customer": customer, "meter": "api.calls"});
        assert_eq!(server.post("/v1/events", body).await.status, 201);
    }
    server.kill();
    let lost = sql(&server, "delete from customers where external_id <> 'initech'").await;
    assert_eq!(lost, 2);
    server.restart();
    let customers = server.get("/v1/customers").await.json();
    let mut names: Vec<_> =
        customers["data"].as_array().expect("a list").iter().map(|c| c["external_id"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["acme", "globex/é", "initech"], "{customers}");
    assert_eq!(server.get("/v1/customers/globex%2F%C3%A9").await.status, 200);
}

#[tokio::test]
async fn a_second_start_on_the_same_data_is_refused() {
    let server = Server::start();
    let (code, said) = server.refused_start();
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by another process") && said.contains("data/events"), "{said}");
    assert_eq!(server.post("/v1/events", event("e")).await.status, 201);
}

#[tokio::test]
async fn a_damaged_log_does_not_start_and_says_where() {
    let mut server = Server::start();
    for n in 0..3 {
        assert_eq!(server.post("/v1/events", event(&format!("e{n}"))).await.status, 201);
    }
    assert!(server.terminate().success());
    let dir = server.data_dir().join("events");
    let names = std::fs::read_dir(&dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> =
        names.filter(|path| std::fs::metadata(path).is_ok_and(|m| m.len() > 1 << 20)).collect();
    segments.sort_by_key(|path| path.to_string_lossy().contains("prepared"));
    let path = segments.first().expect("a segment");
    let file = std::fs::File::options().read(true).write(true).open(path).expect("opened");
    // Within the first frame behind the header of the segment.
    let at = 4_096 + 50;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x40], at).expect("written");
    let (code, said) = server.refused_start();
    let name = path.file_name().expect("a name").to_string_lossy();
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("{name} is damaged at offset 4096")), "{said}");
    file.write_all_at(&byte, at).expect("written");
    server.restart();
    assert_eq!(total(&server).await, "3");
}
