//! `reckoner gateway`: a reverse proxy that meters the application behind it.
use super::error::CliError;
use super::output::Out;
use super::signals;
use super::target::{ApiKey, DEFAULT_URL};
use crate::config::{Log, Networks};
use crate::gateway::{
    Ended, Forwarding, Gateway, Keys, Metrics, Protocol, Rule, Rules, Settings, Times, TokenKeys, Upstream,
};
use crate::telemetry;
use clap::{Args, ValueEnum};
use reckoner_client::{Client, RateLimits, Rates, WhenAway};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;

const CUSTOMER_HELP: &str = "\
Where the customer is found, repeatable, tried in order [default: key, token:sub, then organization, workspace and
project of the path]";
const SUBJECT_HELP: &str = "\
Where the subject is found, repeatable, tried in order [default: key, then workspace, project and organization of the
path: path:/workspaces/{id} and so on]";

/// `reckoner gateway`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner gateway --upstream http://127.0.0.1:3000 --url http://127.0.0.1:8080 --api-key rk_live_...
  reckoner gateway --upstream http://127.0.0.1:3000 --customer header:x-customer-id --subject query:user
  reckoner gateway --upstream https://app.internal --keys keys.json --customer key --no-enforce
  reckoner gateway --upstream http://127.0.0.1:3000 --rate-key 10/s,300/m,burst=20 --rate-address 50/s

Rules are key, token:CLAIM, header:NAME, path:/workspaces/{id}, query:NAME and json:a.b; the first that finds somebody
decides. Headers, paths, queries and bodies say what callers write into them: use them behind something that checks it.
Each request is an event traffic.bytes and, unless --no-enforce, one unit of --calls-meter; meters that read both have to
exist. Rate limits are COUNT/s, COUNT/m and burst=COUNT, with commas: so many a second and a minute, and so many at once
against the limit of a second; they are of this process. Usage that is not acknowledged is kept in --spill-dir and sent by the next start on it.")]
pub struct GatewayArgs {
    /// The application behind the gateway.
    #[arg(long, value_name = "URL")]
    pub upstream: Upstream,
    /// Address and port to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub listen: String,
    /// The Reckoner server.
    #[arg(long, alias = "server", value_name = "URL", env = "RECKONER_URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// An API key with the scope `ingest`.
    #[arg(long, alias = "key", value_name = "KEY", env = "RECKONER_API_KEY", hide_env_values = true)]
    pub api_key: ApiKey,
    /// Where usage is kept that the server has not acknowledged.
    #[arg(long, value_name = "DIR", default_value = "gateway-spill")]
    pub spill_dir: PathBuf,
    /// Where the customer is found, repeatable, tried in order.
    #[arg(long = "customer", value_name = "RULE", help = CUSTOMER_HELP)]
    pub customer: Vec<Rule>,
    /// Where the subject is found, repeatable, tried in order.
    #[arg(long = "subject", value_name = "RULE", help = SUBJECT_HELP)]
    pub subject: Vec<Rule>,
    /// A JSON list of {"key" or "sha256", "customer", "subject"?}: whose API keys are whose.
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// The secret that callers' tokens are signed with.
    #[arg(
        long,
        value_name = "SECRET",
        env = "RECKONER_GATEWAY_TOKEN_SECRET",
        hide_env_values = true,
        conflicts_with = "token_key"
    )]
    pub token_secret: Option<ApiKey>,
    /// The public key (PEM) that callers' tokens are verified with.
    #[arg(long, value_name = "FILE")]
    pub token_key: Option<PathBuf>,
    /// Whom traffic goes to that no rule attributes.
    #[arg(long, value_name = "CUSTOMER", default_value = "system")]
    pub system_customer: String,
    /// The meter whose limit is kept, one unit a request.
    #[arg(long, value_name = "METER", default_value = "api.calls")]
    pub calls_meter: String,
    /// The event type of traffic.
    #[arg(long, value_name = "TYPE", default_value = "traffic.bytes")]
    pub traffic_meter: String,
    /// Meter traffic only: keep no limits and count no calls.
    #[arg(long)]
    pub no_enforce: bool,
    /// How often one API key may call, or whatever credential comes in its place.
    #[arg(long, value_name = "LIMITS")]
    pub rate_key: Option<Rates>,
    /// How often one customer may call.
    #[arg(long, value_name = "LIMITS")]
    pub rate_customer: Option<Rates>,
    /// How often one client address may call, whoever it is; of IPv6 the first 64 bits are one.
    #[arg(long, value_name = "LIMITS")]
    pub rate_address: Option<Rates>,
    /// How many keys, customers and addresses are remembered that used some of their limits.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub rate_buckets_max: u32,
    /// Most units taken ahead for one customer.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub lease_units: u64,
    /// What to do while the Reckoner server is out of reach and nothing is left that was taken ahead.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "allow")]
    pub when_away: Away,
    /// Seconds to wait for a decision before the Reckoner server counts as out of reach.
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub decision_timeout_s: u64,
    /// Where refused callers are sent to.
    #[arg(long, value_name = "URL", default_value = "/dashboard/billing")]
    pub upgrade_url: String,
    /// Name every request anew: callers' `X-Request-Id` is not taken over, and their retries count.
    #[arg(long)]
    pub new_request_ids: bool,
    /// The HTTP that the application speaks; auto is HTTP/1.1, or with TLS what is agreed on.
    #[arg(long, value_name = "VERSION", value_enum, default_value = "auto")]
    pub upstream_protocol: Protocol,
    /// Ask the application under its own name instead of the one that callers used.
    #[arg(long)]
    pub rewrite_host: bool,
    /// Proxies before the gateway whose `X-Forwarded-*` is believed: addresses or networks, with commas.
    #[arg(long, value_name = "NETWORKS", default_value = "", value_parser = networks)]
    pub trusted_proxies: Networks,
    /// Seconds until the application must have taken a connection.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub connect_timeout_s: u64,
    /// Seconds until its answer must have begun, while the caller sends nothing either.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub first_byte_timeout_s: u64,
    /// Seconds that a body may pause, either way.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub idle_timeout_s: u64,
    /// Seconds at the end for requests under way, and again for usage to be sent.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub drain_s: u64,
    /// Most connections at once.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_max: u32,
    /// Address and port to serve GET /metrics (Prometheus) and GET /health/live on, without a credential; port 0 picks a
    /// free one.
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<String>,
    /// What is logged, to standard error.
    #[arg(long, value_name = "FILTER", env = "RECKONER_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// What to do without a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Away {
    /// Serve; usage counts when the server is back.
    Allow,
    /// Answer 503.
    Refuse,
}

fn networks(text: &str) -> Result<Networks, String> {
    text.parse()
        .map_err(|()| "must be addresses or networks such as 10.0.0.0/8, with commas between".to_owned())
}

/// Runs `reckoner gateway`.
pub async fn run(args: GatewayArgs, out: Out<'_>) -> Result<(), CliError> {
    let log = Log { level: args.log_level.clone(), json: false };
    telemetry::start_log(&log).map_err(CliError::usage)?;
    let (listen, metrics_listen) = (args.listen.clone(), args.metrics_listen.clone());
    let settings = settings(args)?;
    let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
    // Before there is anything to count.
    let metrics = metrics_listen.as_ref().map(|_| Metrics::start()).transpose();
    let metrics = metrics.map_err(|error| failed(&error))?;
    let gateway = Gateway::new(settings).map_err(|error| failed(&error))?;
    let stop = signals::stop()?;
    let (listener, address) = bind(&listen).await?;
    let watched = match &metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    writeln!(out, "listening on http://{address}")?;
    if let (Some(metrics), Some((listener, address))) = (metrics, watched) {
        writeln!(out, "metrics on http://{address}/metrics")?;
        tokio::spawn(metrics.serve(listener, gateway.tracker()));
    }
    out.flush()?;
    let Ended { counters, unsent } = gateway.serve(listener, stop).await;
    tracing::info!(?counters, "ended");
    // What is left is on disk: that is no failure, but somebody may want to know.
    if let Err(unsent) = unsent {
        writeln!(out, "{unsent}; they are sent by the next start on the same --spill-dir")?;
    }
    Ok(())
}

async fn bind(listen: &str) -> Result<(TcpListener, SocketAddr), CliError> {
    let cannot = |error| CliError::failed(format!("cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, address))
}

fn settings(args: GatewayArgs) -> Result<Settings, CliError> {
    let rules = rules(&args)?;
    let client =
        Client::new(&args.url, args.api_key.expose()).map_err(|error| CliError::usage(error.to_string()))?;
    let mut upstream = args.upstream;
    upstream.protocol = args.upstream_protocol;
    upstream.connect_timeout = Duration::from_secs(args.connect_timeout_s);
    Ok(Settings {
        upstream,
        client,
        spill: args.spill_dir,
        rules,
        forwarding: Forwarding { trusted: args.trusted_proxies, keeps_host: !args.rewrite_host },
        system_customer: args.system_customer,
        calls_meter: (!args.no_enforce).then_some(args.calls_meter),
        traffic_meter: args.traffic_meter,
        rate_limits: RateLimits::default()
            .per_key(args.rate_key.unwrap_or_default())
            .per_customer(args.rate_customer.unwrap_or_default())
            .per_address(args.rate_address.unwrap_or_default())
            .buckets_max(usize::try_from(args.rate_buckets_max).unwrap_or(usize::MAX)),
        lease_units: args.lease_units,
        when_away: match args.when_away {
            Away::Allow => WhenAway::Allow,
            Away::Refuse => WhenAway::Refuse,
        },
        decision_timeout: Duration::from_secs(args.decision_timeout_s),
        upgrade_url: args.upgrade_url,
        take_request_ids: !args.new_request_ids,
        times: Times {
            first_byte: Duration::from_secs(args.first_byte_timeout_s),
            idle: Duration::from_secs(args.idle_timeout_s),
            drain: Duration::from_secs(args.drain_s),
        },
        connections_max: usize::try_from(args.connections_max).unwrap_or(usize::MAX),
    })
}

fn rules(args: &GatewayArgs) -> Result<Rules, CliError> {
    let keys = match &args.keys {
        Some(path) => Keys::read(&read(path)?)
            .map_err(|error| CliError::usage(format!("--keys {}: {error}", path.display())))?,
        None => Keys::default(),
    };
    let tokens = match (&args.token_secret, &args.token_key) {
        (Some(secret), _) => Some(TokenKeys::secret(secret.expose())),
        (None, Some(path)) => Some(
            TokenKeys::public_key(read(path)?.as_bytes())
                .map_err(|error| CliError::usage(format!("--token-key {}: {error}", path.display())))?,
        ),
        (None, None) => None,
    };
    let read = |texts: &[&str]| -> Vec<Rule> { texts.iter().filter_map(|text| text.parse().ok()).collect() };
    let paths = ["path:/workspaces/{id}", "path:/projects/{id}", "path:/organizations/{id}"];
    let or = |given: &[Rule], usual: &[&str]| if given.is_empty() { read(usual) } else { given.to_vec() };
    let [workspace, project, organization] = paths;
    Ok(Rules {
        customer: or(&args.customer, &["key", "token:sub", organization, workspace, project]),
        subject: or(&args.subject, &["key", workspace, project, organization]),
        keys,
        tokens,
    })
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))
}
