//! The server that is measured.
use crate::Result;
use crate::child::Child;
use crate::http::{self, Connection};
use crate::sample;
use jiff::SignedDuration;
use std::path::Path;

/// The administrator's key of the run.
pub const KEY: &str = "bench-key-that-is-long-enough-0123456789";
const SYSTEM_CONFIG: &str = r#"{"periods":["hourly"],"events":{"api.calls":{"op":"sum"}},"webhooks":[]}"#;

/// A running server with one meter.
pub struct Server {
    /// Its process.
    pub child: Child,
}

impl Server {
    /// Starts the binary on a new data directory.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let config = folder.join("systemconfig.json");
        std::fs::write(&config, SYSTEM_CONFIG)?;
        let data = folder.join("data");
        let data = data.to_str().ok_or("a path that is not UTF-8")?;
        let config = config.to_str().ok_or("a path that is not UTF-8")?;
        let args = ["serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--systemconfig", config];
        let env = [("RECKONER_BOOTSTRAP_API_KEY", KEY)];
        Ok(Self { child: Child::start(binary, &args, &env, folder)? })
    }

    /// Makes the meter that the gateway's traffic needs.
    pub async fn count_traffic(&self) -> Result<()> {
        let body = r#"{"key":"traffic.bytes","aggregation":"sum"}"#;
        let request = http::head("POST", "/v1/meters", KEY, body.len()) + body;
        let answer = Connection::open(&self.child.address).await?.send(request.as_bytes()).await?;
        if answer.status == 201 { Ok(()) } else { Err(String::from_utf8_lossy(&answer.body).into()) }
    }

    /// Gives the customer of single events a plan with a limit that blocks and is never reached.
    pub async fn limit(&self) -> Result<()> {
        let catalog = r#"{"plans":[{"key":"bench","currency":"USD","interval":"month","entitlements":[{"feature":"calls",
            "type":"metered","meter":"api.calls","behaviour":"block","limit":"1000000000000"}]}]}"#;
        let subscription = r#"{"customer":"customer_0000","plan":"bench"}"#;
        let mut connection = Connection::open(&self.child.address).await?;
        for (target, body) in [("/v1/catalog/apply", catalog), ("/v1/subscriptions", subscription)] {
            let request = http::head("POST", target, KEY, body.len()) + body;
            let answer = connection.send(request.as_bytes()).await?;
            if !matches!(answer.status, 200 | 201) {
                return Err(format!("{target}: {}", String::from_utf8_lossy(&answer.body)).into());
            }
        }
        Ok(())
    }

    /// Fails unless the meter counts exactly the events that were acknowledged.
    pub async fn check_total(&self, acknowledged: u64) -> Result<()> {
        let now = sample::now();
        let from = now - SignedDuration::from_hours(24);
        let to = now + SignedDuration::from_hours(1);
        let target = format!("/v1/meters/api.calls/query?from={from:.0}&to={to:.0}");
        let mut connection = Connection::open(&self.child.address).await?;
        let answer = connection.send(http::head("GET", &target, KEY, 0).as_bytes()).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let json: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| format!("no JSON: {text}"))?;
        let total = json.pointer("/data/0/value").and_then(|value| value.as_str());
        if total != Some(acknowledged.to_string().as_str()) {
            return Err(format!("{acknowledged} events were acknowledged, the meter says: {text}").into());
        }
        Ok(())
    }
}
