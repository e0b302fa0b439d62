//! A web service whose requests are metered and limited.
//!
//! Start Reckoner (`reckoner serve`), make the meters `traffic.bytes` and `api.calls`, then run
//! `cargo run -p reckoner-client --example axum -- http://127.0.0.1:8080 KEY` and ask it:
//! `curl -i http://127.0.0.1:3000/files/42 -H 'x-customer-id: acme'`. Ctrl-C ends it without losing usage.
use axum::extract::Path;
use axum::routing::get;
use axum::{Router, body::Body};
use reckoner_client::{Attribution, Client, Limiter, MeterLayer, Tracker};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let key = args.next().ok_or("the second argument is an API key with the scope ingest")?;
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let client = Client::new(&url, &key)?;
    let spill = std::env::temp_dir().join("reckoner-example-usage");
    let tracker = Tracker::builder(client.clone()).spill(spill).start()?;
    let limiter = Limiter::builder(client, tracker.clone()).start();
    let layer = MeterLayer::new(tracker.clone()).enforce(limiter.clone()).attribute(|request| {
        let customer = request.headers.get("x-customer-id").and_then(|value| value.to_str().ok());
        customer.map_or_else(Attribution::none, Attribution::customer)
    });

    let files = get(|Path(id): Path<String>| async move { format!("file {id}\n") }).post(store);
    let app = Router::new().route("/files/{id}", files).layer(layer);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let stop = async {
        // Without signals it runs until it is killed; what waits is in the spill directory.
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;

    limiter.shutdown().await;
    tracker.shutdown(Duration::from_secs(10)).await?;
    eprintln!("{:?}", tracker.counters());
    Ok(())
}

/// Some of the work of a service costs more than the bytes it moves.
async fn store(Path(id): Path<String>, body: Body) -> Result<String, String> {
    let bytes = axum::body::to_bytes(body, 64 * 1024 * 1024).await.map_err(|error| error.to_string())?;
    Ok(format!("stored {} bytes as {id}\n", bytes.len()))
}
