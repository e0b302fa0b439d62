//! The settings there are: names, meanings, defaults, ranges, and what must hold between them.
use super::reader::{Reader, named};
use super::{
    Config, Definitions, Events, FileWebhook, Http, Ingest, Jobs, KEY_BYTES_MAX, Log, MetricsAccess,
    Networks, SECRET_CHARS_MIN, Secret, Webhooks, auth, billing, mail, rates, services, shown_url, strength,
    stripe, traffic, workspace,
};
use crate::clock;
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

const MINUTE_S: u64 = 60;
const DAY_S: u64 = 86_400;
/// Fewest days for which events are kept: a month that is open, and one that is being billed.
const EVENT_DAYS_MIN: u32 = 62;

pub(super) fn read_settings(reader: &mut Reader<'_>, definitions: Definitions) -> Config {
    let [secret_key, bootstrap_api_key, bootstrap_test_api_key] = read_keys(reader);
    let mut config = Config {
        is_production: read_environment(reader),
        data_dir: PathBuf::from(reader.value(
            named("data_dir", "Directory of the event log and the embedded control plane."),
            "./data".to_owned(),
            "a path",
        )),
        listen: reader.value(
            named("listen", "Address and port HTTP is served on; port 0 picks a free one."),
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            "an address and port such as 127.0.0.1:8080",
        ),
        database_url: reader.optional(
            named(
                "database_url",
                "PostgreSQL for the control plane; SQLite in the data directory when unset.",
            )
            .also(&["DATABASE_URL"])
            .secret(),
            "an address such as postgres://user:password@host/database",
        ),
        database_pool_max: reader.number(
            named("database_pool_max", "Most connections to PostgreSQL.").also(&["DB_POOL_MAX"]),
            10,
            2..=1_000,
        ) as u32,
        secret_key,
        bootstrap_api_key,
        bootstrap_test_api_key,
        auth: auth::read_auth(reader),
        services: services::read_services(reader),
        mail: mail::read_mail(reader),
        time_zone: reader.value(
            named(
                "time_zone",
                "IANA time zone of calendar periods. Another one takes effect as the open periods end.",
            ),
            "UTC".to_owned(),
            "an IANA time zone such as Europe/Berlin",
        ),
        http: read_http(reader),
        rate_limits: rates::read_rate_limits(reader),
        ingest: read_ingest(reader),
        webhooks: read_webhooks(reader),
        billing: billing::read_billing(reader),
        stripe: stripe::read_stripe(reader),
        traffic: traffic::read_traffic(reader),
        workspace: workspace::read_workspace(reader),
        events: read_events(reader),
        jobs: read_jobs(reader),
        metrics: read_metrics(reader),
        log: read_log(reader),
        definitions,
    };
    check(reader, &config);
    stripe::settle(reader, &mut config);
    let page = config.auth.frontend_url.as_deref().and_then(origin);
    config.http.cors_origins.extend(page);
    config
}

/// Whether this is where it counts.
fn read_environment(reader: &mut Reader<'_>) -> bool {
    const NAMES: [&str; 4] = ["production", "staging", "development", "test"];
    let about = named(
        "environment",
        "production, staging, development or test. In production secrets that are missing or weak refuse the start.",
    )
    .also(&["ENVIRONMENT", "NODE_ENV"]);
    let allowed = "production, staging, development or test";
    let name = reader.value(about, "development".to_owned(), allowed);
    if !NAMES.contains(&name.as_str()) {
        reader.problem("environment", format!("must be {allowed}"));
    }
    name == "production"
}

/// The key of secrets at rest and the administrators' keys of `live` and `test`.
fn read_keys(reader: &mut Reader<'_>) -> [Option<Secret>; 3] {
    [
        named("secret_key", "Encrypts secrets at rest; made and kept in the data directory when unset."),
        named("bootstrap_api_key", "An administrator key of project live."),
        named("bootstrap_test_api_key", "An administrator key of project test."),
    ]
    .map(|setting| reader.optional(setting.secret(), "a text"))
}

fn read_jobs(reader: &mut Reader<'_>) -> Jobs {
    let about =
        named("jobs.aggregate_cron", "When completed periods are aggregated: a cron expression, in UTC.");
    Jobs { aggregate_cron: reader.value(about, "*/15 * * * *".to_owned(), "a cron expression") }
}

fn read_webhooks(reader: &mut Reader<'_>) -> Webhooks {
    Webhooks {
        allow_private: reader.flag(
            named("webhooks.allow_private", "Whether endpoints made by API may have private addresses."),
            false,
        ),
        dry_run: reader.flag(
            named("dry_run", "Whether webhooks are logged and recorded, but not sent.").also(&["DRY_RUN"]),
            false,
        ),
        retention_days: reader.number(
            named(
                "webhooks.retention_days",
                "For how long messages, their deliveries and attempts are kept once nothing is pending, in days.",
            ),
            90,
            1..=36_500,
        ) as u32,
    }
}

fn read_events(reader: &mut Reader<'_>) -> Events {
    let name = "events.retention_days";
    let about = "For how many days events are kept, at least 62; 0 keeps all for ever.";
    let days = reader.number(named(name, about), 0, 0..=36_500) as u32;
    if (1..EVENT_DAYS_MIN).contains(&days) {
        let reason =
            "must be 0, which keeps all events, or at least 62: open periods are computed from events";
        reader.problem(name, reason);
    }
    Events { retention_days: Some(days).filter(|days| *days > 0) }
}

fn read_http(reader: &mut Reader<'_>) -> Http {
    Http {
        connections_max: reader.number(
            named("http.connections_max", "Most connections at once; more wait to be accepted."),
            10_000,
            1..=1_000_000,
        ) as u32,
        headers_s_max: reader.number(
            named(
                "http.headers_s_max",
                "How long a request's headers may take to arrive, and a connection may idle, in seconds.",
            ),
            60,
            1..=3_600,
        ),
        pause_s_max: reader.number(
            named(
                "http.pause_s_max",
                "How long a body may pause, and a client may take nothing of its answer, in seconds.",
            ),
            60,
            1..=3_600,
        ),
        cors_origins: read_origins(reader),
        trusted_proxies: read_proxies(reader),
    }
}

fn read_origins(reader: &mut Reader<'_>) -> Vec<String> {
    let about = named(
        "http.cors_origins",
        "Pages elsewhere that may call from browsers: origins with commas between. That of frontend_url may too.",
    )
    .also(&["CORS_ORIGINS"]);
    let text: Option<String> = reader.optional(about, "origins with commas between");
    let mut origins = Vec::new();
    for part in text.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
    {
        match origin(part) {
            Some(origin) if origin == part => origins.push(origin),
            _ => {
                let reason = format!("must name origins such as https://app.example.com, and {part} is none");
                reader.problem("http.cors_origins", reason);
            }
        }
    }
    origins
}

/// The origin of a URL, as browsers write it.
pub(super) fn origin(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.origin().ascii_serialization())
}

fn read_proxies(reader: &mut Reader<'_>) -> Networks {
    let about = named(
        "http.trusted_proxies",
        "Proxies whose X-Forwarded-For tells the client's address: addresses and networks, with commas between.",
    );
    reader
        .optional(about, "addresses and networks such as 10.0.0.0/8, with commas between")
        .unwrap_or_default()
}

fn read_ingest(reader: &mut Reader<'_>) -> Ingest {
    const MIB: u64 = 1 << 20;
    Ingest {
        body_bytes_max: reader.number(
            named("ingest.body_bytes_max", "Most bytes of a request's body as sent."),
            8 * MIB,
            1_024..=1_024 * MIB,
        ) as usize,
        inflated_bytes_max: reader.number(
            named("ingest.inflated_bytes_max", "Most bytes of a request's body once inflated."),
            64 * MIB,
            1_024..=4_096 * MIB,
        ) as usize,
        held_bytes_max: reader.number(
            named("ingest.held_bytes_max", "Most bytes of all large bodies held at once."),
            512 * MIB,
            MIB..=1_024 * 1_024 * MIB,
        ) as usize,
        future_s_max: reader.number(
            named("ingest.future_s_max", "How far in the future an event may lie, in seconds."),
            5 * MINUTE_S,
            0..=365 * DAY_S,
        ),
        past_s_max: reader.number(
            named(
                "ingest.past_s_max",
                "How far in the past an event may lie without the backfill scope, in seconds.",
            ),
            35 * DAY_S,
            0..=36_500 * DAY_S,
        ),
        accept_unmetered: reader.flag(
            named("ingest.accept_unmetered", "Whether event types that no meter reads are stored."),
            false,
        ),
    }
}

fn read_log(reader: &mut Reader<'_>) -> Log {
    let about = named("log.level", "What is logged: error, warn, info, debug, trace, or a filter by module.");
    Log {
        level: reader.value(about, "info".to_owned(), "a filter"),
        json: reader.flag(named("log.json", "Whether log lines are JSON."), false),
    }
}

fn read_metrics(reader: &mut Reader<'_>) -> MetricsAccess {
    let about =
        named("metrics", "Who reads /metrics: open, key (a read key), auto (open from loopback, else key).");
    let name = reader.value(about, "auto".to_owned(), "auto, open or key");
    name.parse().unwrap_or_else(|()| {
        reader.problem("metrics", "must be auto, open or key");
        MetricsAccess::Auto
    })
}

fn check(reader: &mut Reader<'_>, config: &Config) {
    let keys = [
        ("bootstrap_api_key", &config.bootstrap_api_key),
        ("bootstrap_test_api_key", &config.bootstrap_test_api_key),
        ("secret_key", &config.secret_key),
    ];
    for (name, key) in keys {
        let Some(key) = key else { continue };
        let text = key.expose();
        // What a header can carry.
        let printable = text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text == text.trim();
        if text.len() < SECRET_CHARS_MIN || !printable {
            let reason = format!(
                "must have at least {SECRET_CHARS_MIN} printable ASCII characters, no space at an end"
            );
            reader.problem(name, reason);
        }
        // The other one is sent by nobody.
        if name != "secret_key" && text.len() > KEY_BYTES_MAX {
            reader.problem(name, format!("must have at most {KEY_BYTES_MAX} bytes: no request carries more"));
        }
    }
    if let (Some(live), Some(test)) = (&config.bootstrap_api_key, &config.bootstrap_test_api_key)
        && live == test
    {
        reader.problem(
            "bootstrap_test_api_key",
            "must differ from bootstrap_api_key: a key belongs to one project",
        );
    }
    if let Some(url) = &config.database_url
        && !url.expose().starts_with("postgres://")
        && !url.expose().starts_with("postgresql://")
    {
        reader.problem("database_url", "must begin with postgres:// or postgresql://");
    }
    if clock::zone(&config.time_zone).is_none() {
        reader.problem("time_zone", "must be an IANA time zone such as Europe/Berlin");
    }
    if let Err(error) = EnvFilter::try_new(&config.log.level) {
        reader.problem("log.level", format!("must be a level or a filter by module: {error}"));
    }
    if let Err(error) = config.jobs.aggregate_cron.parse::<croner::Cron>() {
        reader.problem("jobs.aggregate_cron", format!("must be a cron expression: {error}"));
    }
    if config.ingest.inflated_bytes_max < config.ingest.body_bytes_max {
        reader.problem("ingest.inflated_bytes_max", "must not be below ingest.body_bytes_max");
    }
    if config.ingest.held_bytes_max < config.ingest.body_bytes_max + config.ingest.inflated_bytes_max {
        reader.problem("ingest.held_bytes_max", "must have room for one body, as sent and inflated");
    }
    if config.is_production {
        reader.problems.extend(strength::missing(config));
        reader.problems.extend(strength::weak(config));
    }
}

fn shown(webhook: &FileWebhook) -> String {
    format!("{} ({})", webhook.place, shown_url(&webhook.url))
}

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let definitions = &config.definitions;
    if definitions.periods.is_empty() {
        warnings
            .push("no periods are configured: aggregation is off and its endpoints answer 503".to_owned());
    }
    if definitions.events.is_empty() && definitions.meters.is_empty() {
        warnings.push("no meters are configured by file: make some with POST /v1/meters".to_owned());
    }
    for webhook in definitions.webhooks.iter().filter(|webhook| webhook.project.is_none()) {
        warnings.push(format!("{} names no project: it gets deliveries of live and test", shown(webhook)));
    }
    warnings.extend(strength::warnings(config));
    warnings.extend(services::warnings(&config.services));
    warnings.extend(stripe::warnings(config));
    warnings.extend(mail::warnings(&config.mail, config.auth.public_url.is_some()));
    if config.webhooks.dry_run {
        warnings.push("dry run: webhooks are logged and recorded, but not sent".to_owned());
    }
    if config.webhooks.allow_private {
        warnings.push("webhooks.allow_private: endpoints made by API may reach private addresses".to_owned());
    }
    warnings
}
