//! `reckoner receive`: a webhook receiver to look at deliveries with.
use super::error::CliError;
use super::output::{self, Out, printable};
use super::{signals, unset, wall};
use clap::Args;
use price::{CURRENCY, Rate, Rates};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

mod price;
mod server;

pub use server::{BODY_BYTES_MAX, Delivery, PATH, Received, Receiver, Signatures, WAITING_MAX, router};

/// The port unless said otherwise.
const PORT_DEFAULT: u16 = 3_000;

/// `reckoner receive`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  WEBHOOK_SECRET=whsec_... reckoner receive
  reckoner receive --secret whsec_... --port 0 --json
  reckoner receive --secret whsec_... --rate 'api.*=0.002' --rate storage.bytes=0.03/GB
  reckoner receive --secret whsec_... --fail 2    # see the third attempt come

Deliveries are taken at /webhooks/metering. X-Webhook-Signature and webhook-signature are verified,
whichever of them are there, over the bytes as they came; a time more than five minutes off is
refused. Prices are estimates.")]
pub struct ReceiveArgs {
    /// The port; 0 picks a free one.
    #[arg(long, env = "PORT", default_value_t = PORT_DEFAULT, value_parser = unset::port_or(PORT_DEFAULT))]
    pub port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// The endpoint's secret, repeatable while it is rotated.
    #[arg(long = "secret", value_name = "SECRET", env = "WEBHOOK_SECRET", hide_env_values = true)]
    pub secrets: Vec<String>,
    /// Take whatever comes, without a secret.
    #[arg(long, conflicts_with = "secrets")]
    pub no_verify: bool,
    /// What usage costs, repeatable: TYPE=PRICE, TYPE=PRICE/UNITS or TYPE=PRICE/GB; TYPE may end in *.
    #[arg(long = "rate", value_name = "RATE")]
    pub rates: Vec<Rate>,
    /// Answer so many deliveries with 500 first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fail: u32,
    /// Print one JSON object a delivery.
    #[arg(long)]
    pub json: bool,
}

/// Runs `reckoner receive`.
pub async fn run(args: ReceiveArgs, out: Out<'_>) -> Result<(), CliError> {
    let secrets: Vec<String> = args.secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() && !args.no_verify {
        return Err(CliError::usage(
            "give the endpoint's secret with --secret or WEBHOOK_SECRET, or say --no-verify",
        ));
    }
    let stop = signals::stop()?;
    let address = SocketAddr::new(args.host, args.port);
    let cannot = |error| CliError::failed(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let base = format!("http://{}", listener.local_addr().map_err(cannot)?);
    let (to_shown, mut shown) = mpsc::channel(WAITING_MAX);
    let failures = Arc::new(AtomicU32::new(args.fail));
    let receiver = Receiver { secrets, now_s: wall::unix_seconds, failures, to_shown };
    let serving = axum::serve(listener, router(receiver)).with_graceful_shutdown(stop);
    let serving = tokio::spawn(async move { serving.await });
    writeln!(out, "listening on {base}")?;
    if !args.json {
        writeln!(out, "deliver to {base}{PATH}")?;
    }
    out.flush()?;
    let rates = Rates::new(args.rates);
    while let Some(event) = shown.recv().await {
        show(&event, &rates, args.json, out)?;
    }
    let served = serving.await.map_err(|error| CliError::failed(error.to_string()))?;
    served.map_err(|error| CliError::failed(error.to_string()))
}

fn show(received: &Received, rates: &Rates, json: bool, out: Out<'_>) -> Result<(), CliError> {
    match received {
        Received::Taken(delivery) if json => output::json_line(out, &to_json(delivery, rates)),
        Received::Taken(delivery) => print(delivery, rates, out),
        Received::Refused(reason) if json => output::json_line(out, &json!({"refused": reason})),
        Received::Refused(reason) => {
            writeln!(out, "refused: {reason}")?;
            Ok(out.flush()?)
        }
    }
}

fn to_json(delivery: &Delivery, rates: &Rates) -> Value {
    let estimate = rates.estimate(totals(delivery));
    json!({
        "id": delivery.id,
        "project": delivery.project,
        "verified": delivery.signatures.names(),
        "estimate": {"amount": estimate.total.to_string(), "currency": CURRENCY},
        "body": delivery.body,
    })
}

fn print(delivery: &Delivery, rates: &Rates, out: Out<'_>) -> Result<(), CliError> {
    let verified = match delivery.signatures.names().join(" and ") {
        names if names.is_empty() => "not verified".to_owned(),
        names => format!("{names} verified"),
    };
    writeln!(out, "{}: {verified}", printable(&delivery.headline()))?;
    let estimate = rates.estimate(totals(delivery));
    for line in &estimate.lines {
        let price = line.price.map_or_else(|| "-".to_owned(), |price| format!("{price} {CURRENCY}"));
        let (event_type, value) = (printable(&line.event_type), printable(&line.value));
        writeln!(out, "  {event_type:<24} {value:>20} {price:>20}")?;
    }
    if !estimate.lines.is_empty() {
        let total = format!("{} {CURRENCY}", estimate.total);
        writeln!(out, "  {:<24} {:>20} {total:>20}", "estimate", "")?;
    }
    Ok(out.flush()?)
}

fn totals(delivery: &Delivery) -> Option<&Value> {
    delivery.body.get("data")?.get("events")
}

impl Delivery {
    /// Type, customer, period and its key, as far as they are there.
    pub fn headline(&self) -> String {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        let key = self.body.get("data").and_then(|data| data.get("periodKey")).and_then(Value::as_str);
        let parts = [text("type"), text("customerId"), text("period"), key];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl Signatures {
    /// The names of those that were verified.
    pub fn names(&self) -> Vec<&'static str> {
        let v1 = self.v1.as_ref().map(|_| "X-Webhook-Signature");
        let standard = self.standard.as_ref().map(|_| "webhook-signature");
        [v1, standard].into_iter().flatten().collect()
    }
}
