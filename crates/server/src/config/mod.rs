//! Configuration: file, environment and flags, checked as a whole. The only place that reads the
//! environment.
mod auth;
mod billing;
mod logo;
mod mail;
mod networks;
mod rates;
mod reader;
mod secret;
mod seller;
mod services;
mod settings;
mod strength;
mod stripe;
mod system;
mod traffic;
mod workspace;

use reader::Reader;
use settings::{read_settings, warnings};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use auth::{Auth, AuthLimits, BootstrapAdmin, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use billing::Billing;
pub use logo::{LOGO_BYTES_MAX, LOGO_PIXELS_MAX, Logo, Samples};
pub use mail::{Mail, SmtpSecurity, SmtpServer};
pub use networks::{Network, Networks};
pub use rates::RateLimits;
pub use reader::{Problem, SettingDoc, Sources};
pub use secret::{Secret, shown_url};
pub use seller::Seller;
pub use services::{Service, Services};
pub use stripe::{Pages, Stripe, StripeAccount};
pub use system::{Definitions, FileWebhook};
pub use traffic::Traffic;
pub use workspace::Workspace;

/// Fewest characters of a secret or key given by an operator.
pub const SECRET_CHARS_MIN: usize = 32;
/// Most bytes of a key that a request may carry.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Names `reckoner.toml` where no flag does.
pub const CONFIG_ENV: &str = "RECKONER_CONFIG";
/// Names `systemconfig.json` where no flag does.
pub const SYSTEMCONFIG_ENV: &str = "RECKONER_SYSTEMCONFIG";

/// Everything the server is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether it serves what counts: then nothing weak is accepted.
    pub is_production: bool,
    /// Where the event log and the embedded control plane lie.
    pub data_dir: PathBuf,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// PostgreSQL for the control plane; SQLite in the data directory when absent.
    pub database_url: Option<Secret>,
    /// Most connections to PostgreSQL.
    pub database_pool_max: u32,
    /// Encrypts secrets at rest.
    pub secret_key: Option<Secret>,
    /// An administrator key of project `live`.
    pub bootstrap_api_key: Option<Secret>,
    /// An administrator key of project `test`.
    pub bootstrap_test_api_key: Option<Secret>,
    /// Who logs in, and how.
    pub auth: Auth,
    /// Which services call in their own name.
    pub services: Services,
    /// How mail is sent.
    pub mail: Mail,
    /// The IANA time zone of calendar periods, for customers without one of their own.
    pub time_zone: String,
    /// What connections may ask of the server.
    pub http: Http,
    /// How often one may call.
    pub rate_limits: RateLimits,
    /// What ingest accepts.
    pub ingest: Ingest,
    /// How webhooks are sent.
    pub webhooks: Webhooks,
    /// What customers have where nobody says otherwise.
    pub billing: Billing,
    /// How Stripe is used.
    pub stripe: Stripe,
    /// What is metered of the server itself.
    pub traffic: Traffic,
    /// What system B's usage costs, as it estimates.
    pub workspace: Workspace,
    /// For how long events are kept.
    pub events: Events,
    /// When jobs run.
    pub jobs: Jobs,
    /// Whether `/metrics` is open: always, never, or to this machine only.
    pub metrics: MetricsAccess,
    /// How the log is written.
    pub log: Log,
    /// Meters, periods and the operator's endpoints.
    pub definitions: Definitions,
}

/// What connections may ask of the server.
#[derive(Clone, Debug)]
pub struct Http {
    /// Most connections at once; more wait to be accepted.
    pub connections_max: u32,
    /// How long a request's headers may take to arrive, and a connection may idle, in seconds.
    pub headers_s_max: u64,
    /// How long a body may pause, and a client may take nothing of its answer, in seconds.
    pub pause_s_max: u64,
    /// Pages elsewhere that may call from browsers, by their origins.
    pub cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Networks,
}

/// What ingest accepts.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// Most bytes of a request's body as sent.
    pub body_bytes_max: usize,
    /// Most bytes of a request's body once inflated.
    pub inflated_bytes_max: usize,
    /// Most bytes of all large bodies held at once.
    pub held_bytes_max: usize,
    /// How far in the future an event may lie, in seconds.
    pub future_s_max: u64,
    /// How far in the past an event may lie without the `backfill` scope, in seconds.
    pub past_s_max: u64,
    /// Whether event types that no meter reads are stored.
    pub accept_unmetered: bool,
}

/// How webhooks are sent.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Whether endpoints made by API may have private addresses.
    pub allow_private: bool,
    /// Whether deliveries are only logged.
    pub dry_run: bool,
    /// For how long messages that were dealt with are kept, in days.
    pub retention_days: u32,
}

/// For how long events are kept.
#[derive(Clone, Debug)]
pub struct Events {
    /// In days; all are kept where there is no number.
    pub retention_days: Option<u32>,
}

/// When jobs run.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// When periods are aggregated, as a cron expression in UTC.
    pub aggregate_cron: String,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Anyone who connects from this machine and not for somebody else; otherwise holders of a read
    /// key.
    Auto,
    /// Anyone.
    Open,
    /// Holders of a read key.
    Key,
}

impl FromStr for MetricsAccess {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "open" => Ok(Self::Open),
            "key" => Ok(Self::Key),
            _ => Err(()),
        }
    }
}

/// How the log is written.
#[derive(Clone, Debug)]
pub struct Log {
    /// A filter such as `info` or `reckoner_server=debug`.
    pub level: String,
    /// Whether lines are JSON.
    pub json: bool,
}

/// A configuration that was read, with what an operator should know about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every setting with its value in force.
    pub settings: Vec<SettingDoc>,
    /// What works but should be looked at.
    pub warnings: Vec<String>,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the configuration has {} problem(s):\n{}", .0.len(), lines(.0))]
pub struct ConfigError(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

/// Where configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// `reckoner.toml`.
    pub config: Option<PathBuf>,
    /// `systemconfig.json`.
    pub systemconfig: Option<PathBuf>,
}

impl Files {
    /// The files that no flag names, as the environment names them.
    fn or_of_environment(&self, env: &BTreeMap<String, String>) -> Self {
        let named = |name: &str| env.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            config: self.config.clone().or_else(|| named(CONFIG_ENV)),
            systemconfig: self.systemconfig.clone().or_else(|| named(SYSTEMCONFIG_ENV)),
        }
    }
}

/// The process's environment; variables that are no UTF-8 are left out.
#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Reads and checks everything; nothing is used unless all of it is right. `check` knows what makes
/// the definitions of the files usable.
pub fn load(
    files: &Files,
    flags: BTreeMap<&'static str, String>,
    env: BTreeMap<String, String>,
    check: impl FnOnce(&Definitions) -> Vec<Problem>,
) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let files = files.or_of_environment(&env);
    let file = files.config.as_deref().and_then(|path| read_file(path, &mut problems)).unwrap_or_default();
    let file = file.parse::<toml::Table>().unwrap_or_else(|error| {
        problems.push(Problem { setting: "config".into(), reason: no_toml(&file, &error) });
        toml::Table::new()
    });
    let sources = Sources { flags, env, file };
    let system = files.systemconfig.as_deref().and_then(|path| read_file(path, &mut problems));
    let own = system::read_toml(&sources.file, &mut problems);
    let system = system.map(|text| system::read_system(&text, &mut problems));
    let definitions = system::together(system, own, &mut problems);
    problems.append(&mut check(&definitions));
    let mut reader = Reader::new(&sources);
    let config = read_settings(&mut reader, definitions);
    reader.refuse_unknown(&["periods", "meters", "webhook_endpoints", "services"]);
    problems.append(&mut reader.problems);
    if !problems.is_empty() {
        return Err(ConfigError(problems));
    }
    let mut warnings = warnings(&config);
    warnings.extend(strength::unused(&sources.env));
    Ok(Loaded { config, settings: reader.docs, warnings })
}

/// Why a text is no TOML, and in which line: the line itself may hold a secret.
fn no_toml(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().and_then(|span| text.get(..span.start));
    let line = start.map(|before| format!(" in line {}", before.matches('\n').count().saturating_add(1)));
    format!("is no TOML: {}{}", error.message(), line.unwrap_or_default())
}

fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    std::fs::read_to_string(path)
        .map_err(|error| {
            problems.push(Problem {
                setting: path.display().to_string(),
                reason: format!("cannot be read: {error}"),
            });
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_env(env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&Files::default(), BTreeMap::new(), env, |_| Vec::new())
    }

    #[test]
    fn defaults_are_usable() {
        let loaded = load_env(&[]).expect("usable");
        assert_eq!(loaded.config.ingest.body_bytes_max, 8 << 20);
        assert_eq!(loaded.config.definitions.periods.len(), 4);
        assert!(
            loaded.settings.iter().any(|setting| setting.env_name() == "RECKONER_WEBHOOKS_ALLOW_PRIVATE")
        );
    }

    #[test]
    fn all_problems_are_listed_and_no_secret_is_shown() {
        let error = load_env(&[
            ("RECKONER_BOOTSTRAP_API_KEY", "short-secret"),
            ("RECKONER_LISTEN", "nowhere"),
            ("DATABASE_URL", "mysql://root:hunter2@db"),
            ("DRY_RUN", "perhaps"),
            ("RECKONER_JOBS_AGGREGATE_CRON", "now and then"),
            ("RECKONER_LOG_LEVEL", "info,=="),
            ("RECKONER_CONFIG", "/no/such/file"),
        ])
        .expect_err("seven problems")
        .to_string();
        let names = ["bootstrap_api_key", "listen", "database_url", "dry_run", "jobs.aggregate_cron"];
        for name in names.into_iter().chain(["log.level", "/no/such/file"]) {
            assert!(error.contains(&format!("- {name}: ")), "{name} in {error}");
        }
        assert!(!error.contains("short-secret") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn rates_are_decimals_under_either_name() {
        let error = load_env(&[
            ("USAGE_RATE_TRAFFIC_GB", "-0.1"),
            ("USAGE_RATE_STORAGE_GB_MONTH", "cheap"),
            ("USAGE_RATE_COMPUTE_UNIT", "0.002"),
        ])
        .expect_err("two problems");
        let mut names: Vec<&str> = error.0.iter().map(|problem| problem.setting.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["workspace.rate_storage_gb_month", "workspace.rate_traffic_gb"]);
        let rates =
            load_env(&[("RECKONER_WORKSPACE_RATE_TRAFFIC_GB", "0")]).expect("usable").config.workspace;
        let shown = [rates.rate_traffic_gb, rates.rate_storage_gb_month, rates.rate_compute_unit];
        assert_eq!(shown.map(|rate| rate.to_string()), ["0", "0.05", "0.001"]);
    }

    #[test]
    fn settings_of_people_and_mail_are_checked() {
        let error = load_env(&[
            ("JWT_SECRET", "too short to sign with"),
            ("RECKONER_JWT_PREVIOUS_SECRET", "x"),
            ("GATEWAY_URL", "billing.example.com"),
            ("FRONTEND_URL", "https://app.example.com/?page=1"),
            ("RECKONER_BOOTSTRAP_ADMIN_EMAIL", "root"),
            ("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", "short"),
            ("RECKONER_TRIALS_DAYS", "0"),
            ("SMTP_PORT", "70000"),
            ("SMTP_PASS", "hunter2 of mail"),
            ("RECKONER_MAIL_SMTP_SECURITY", "none"),
            ("RECKONER_MAIL_FROM", "nobody"),
            ("RECKONER_HTTP_TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
            ("RECKONER_RATE_LIMITS_KEY_BURST", "5"),
            ("RECKONER_RATE_LIMITS_ADDRESS_PER_SECOND", "-1"),
            ("RECKONER_BILLING_TRIAL_PLAN", "no key"),
        ])
        .expect_err("all of them")
        .to_string();
        for name in [
            "jwt_secret",
            "jwt_previous_secret",
            "public_url",
            "frontend_url",
            "bootstrap_admin_email",
            "bootstrap_admin_password",
            "trials.days",
            "mail.smtp_port",
            "mail.smtp_user",
            "mail.smtp_security",
            "mail.from",
            "http.trusted_proxies",
            "rate_limits.key_burst",
            "rate_limits.address_per_second",
            "billing.trial_plan",
        ] {
            assert!(error.contains(&format!("- {name}: ")), "{name} in {error}");
        }
        assert!(!error.contains("too short to sign") && !error.contains("hunter2"), "{error}");
        let half =
            load_env(&[("RECKONER_BOOTSTRAP_ADMIN_EMAIL", "root@example.com")]).expect_err("half of it");
        assert!(half.to_string().contains("- bootstrap_admin_password: must be set"), "{half}");
        let loaded = load_env(&[
            ("ADMIN_IDS", "a@example.com, usr_1"),
            ("ADMIN_ECO_IDS", "eco"),
            ("GATEWAY_URL", "https://billing.example.com/"),
            ("SMTP_HOST", "mail.example.com"),
        ])
        .expect("usable");
        assert_eq!(loaded.config.auth.admin_ids, ["a@example.com", "usr_1", "eco"]);
        assert_eq!(loaded.config.auth.public_url.as_deref(), Some("https://billing.example.com"));
        assert!(
            !loaded.warnings.iter().any(|text| text.contains("smtp_host") || text.contains("public_url"))
        );
    }

    #[test]
    fn weak_secrets_are_pointed_out() {
        let warned = |key: &str| {
            let loaded = load_env(&[("RECKONER_BOOTSTRAP_API_KEY", key)]).expect("usable");
            loaded.warnings.iter().any(|text| text.starts_with("bootstrap_api_key looks like"))
        };
        assert!(warned("change-me-change-me-change-me-change-me") && warned(&"x".repeat(40)));
        assert!(!warned("9f86d081884c7d659a2feaa0c55ad015 a3bf4f1b"));
    }

    #[test]
    fn secrets_are_masked_in_the_listing() {
        let key = "k".repeat(SECRET_CHARS_MIN);
        let loaded = load_env(&[("RECKONER_BOOTSTRAP_API_KEY", &key)]).expect("usable");
        assert!(
            !format!("{:?}", loaded.settings).contains(&key)
                && !format!("{:?}", loaded.config).contains(&key)
        );
    }
}
