//! SIGHUP reads the files again; a bad one is refused whole.
use crate::support::server::{Server, Setup};
use reckoner_server::store::{Db, SqliteSettings};
use serde_json::json;

const ONE: &str = "[[meters]]\nkey = \"one\"\naggregation = \"sum\"\n";
const TWO: &str = "[[meters]]\nkey = \"two\"\naggregation = \"sum\"\n";

fn write(server: &Server, toml: &str) {
    std::fs::write(server.dir().join("reckoner.toml"), toml).expect("written");
}

async fn takes(server: &Server, event_type: &str) -> bool {
    server.post("/v1/events", json!({"customer": "a", "meter": event_type})).await.status == 201
}

#[tokio::test]
async fn a_good_file_is_taken_and_a_bad_one_refused() {
    let server = Setup::default().toml(ONE).start();
    assert!(takes(&server, "one").await && !takes(&server, "two").await);
    write(&server, &format!("{TWO}[[meters]]\nkey = \"broken\"\naggregation = \"median\"\n"));
    server.signal("HUP");
    server.logged("the configuration stays as it was");
    assert!(server.log().contains("meters[1].aggregation"), "{}", server.log());
    assert!(takes(&server, "one").await && !takes(&server, "two").await, "nothing is half-applied");
    write(&server, "periods = [");
    server.signal("HUP");
    server.logged("is no TOML");
    assert!(takes(&server, "one").await);
    write(&server, TWO);
    server.signal("HUP");
    server.logged("the configuration was read again");
    assert!(takes(&server, "two").await && !takes(&server, "one").await, "what left the file is archived");
    assert_eq!(server.get("/v1/meters/two").await.json()["source"], "file");
}

#[tokio::test]
async fn a_meter_of_the_file_keeps_its_version_over_starts() {
    let mut server = Setup::default().toml(ONE).start();
    for reads in 1..=2 {
        server.crash_and_restart();
        // At once: whoever was told that the server is ready may ask it to read its files again.
        server.signal("HUP");
        server.logged_times("the configuration was read again", reads);
    }
    let versions = server.get("/v1/meters/one/versions").await.json();
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(1), "{versions}");
    assert_eq!(
        server.get("/v1/meters/api.calls/versions").await.json()["data"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn endpoints_of_the_file_follow_it() {
    let hook = |secret: &str| {
        format!(
            "[[webhook_endpoints]]\nurl = \"http://127.0.0.1:9/hook\"\nsecret = \"{secret}\"\nproject = \"test\"\n"
        )
    };
    let server = Setup::default().toml(&hook("whsec_0123456789")).start();
    let listed = server.get("/v1/webhook-endpoints").await.json();
    let endpoint = &listed["data"][0];
    assert_eq!((&endpoint["source"], &endpoint["enabled"]), (&json!("file"), &json!(true)), "{listed}");
    let path = format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().expect("an id"));
    for answer in [
        server.patch(&path, json!({"url": "https://example.com"})).await,
        server.delete(&path).await,
        server.post(&format!("{path}/rotate-secret"), json!({})).await,
    ] {
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (409, &json!("endpoint_of_file")),
            "{}",
            answer.text
        );
    }
    write(&server, "");
    server.signal("HUP");
    server.logged("the configuration was read again");
    assert_eq!(server.get(&path).await.json()["enabled"], false);
    let answer = server.patch(&path, json!({"enabled": true})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (409, &json!("endpoint_of_file")));
    let config = server.get("/config").await.json();
    assert_eq!(config["webhooks"], json!([]), "{config}");
}

#[tokio::test]
async fn what_the_store_refuses_in_part_is_refused_whole() {
    let hook = |secret: &str| {
        format!(
            "[[webhook_endpoints]]\nurl = \"http://127.0.0.1:9/\"\nsecret = \"{secret}\"\nproject = \"test\"\n"
        )
    };
    let server = Setup::default().toml(&format!("{ONE}{}", hook("whsec_0123456789"))).start();
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let Db::Sqlite { writer, .. } = &db else { panic!("SQLite") };
    // The last thing that is stored fails.
    let refuse =
        "create trigger refuse before update on webhook_endpoints begin select raise(abort, 'no'); end";
    sqlx::query(refuse).execute(writer).await.expect("made");
    db.close().await;
    write(&server, &format!("{TWO}{}", hook("whsec_9876543210")));
    server.signal("HUP");
    server.logged("the configuration stays as it was");
    assert!(takes(&server, "one").await && !takes(&server, "two").await, "nothing is half-applied");
    assert_eq!(server.get("/v1/meters/two").await.status, 404);
    assert_eq!(server.get("/v1/meters/one").await.status, 200);
}
