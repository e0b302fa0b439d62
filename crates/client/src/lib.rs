//! Records usage with Reckoner and keeps its limits.
//!
//! | to | use |
//! | --- | --- |
//! | record, decide, query, and set up customers, plans and subscriptions, with an answer to each | [`Client`] |
//! | record in the background, without waiting and without loss | [`Tracker`] |
//! | decide whether a customer may go on, without a round trip | [`Limiter`] |
//! | meter and limit every request of a web service | [`MeterLayer`] |
//! | limit how often somebody calls, without a server | [`RateLimits`], [`rates`] |
//!
//! Everything that is recorded carries an id ([`Record`]), so that sending it again, after a timeout or a restart of
//! either side, counts once.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use reckoner_client::{Attribution, Client, Limiter, MeterLayer, Tracker};
//! use std::time::Duration;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::new("http://127.0.0.1:8080", "rk_live_...")?;
//!     let tracker = Tracker::builder(client.clone()).spill("usage").start()?;
//!     let limiter = Limiter::builder(client, tracker.clone()).start();
//!     let layer = MeterLayer::new(tracker.clone()).enforce(limiter.clone()).attribute(|request| {
//!         let customer = request.headers.get("x-customer-id").and_then(|value| value.to_str().ok());
//!         customer.map_or_else(Attribution::none, Attribution::customer)
//!     });
//!     let app = Router::new().route("/files/{id}", get(|| async { "a file" })).layer(layer);
//!
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     limiter.shutdown().await;
//!     tracker.shutdown(Duration::from_secs(10)).await?;
//!     Ok(())
//! }
//! ```
//!
//! Applications in other languages put the gateway in front of them: `reckoner gateway --upstream URL`.
mod client;
mod clock;
mod id;
mod layer;
mod limits;
pub mod rates;
mod record;
mod tracker;

pub use client::{Client, ClientBuilder, Error, LeaseAnswer, Recorded, RetryPolicy};
pub use id::{request_event_id, unique as unique_id};
pub use layer::{
    Attribution, DecidedBy, Finished, MeterLayer, MeterService, MeteredBody, Refusal, TrafficMeter, template,
};
pub use limits::{Decision, Limiter, LimiterBuilder, WhenAway};
pub use rates::{Rate, RateLimits, Rates};
pub use reckoner_api as wire;
pub use record::Record;
pub use tracker::{Counters, Rejected, StartError, Tracker, TrackerBuilder, Unsent};
