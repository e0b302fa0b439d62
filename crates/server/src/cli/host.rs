//! The arguments of the commands that open the store themselves.
//!
//! Settings stay optional here: files, the environment and flags are put together and checked as
//! one by the configuration.
use super::target::Target;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `reckoner serve`: runs the server.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  reckoner serve --data-dir ./data
  reckoner serve --data-dir ./data --listen 127.0.0.1:0 --systemconfig systemconfig.json

The first line on standard output says `listening on http://...` once the server is ready.
SIGTERM and Ctrl-C stop it gracefully, SIGHUP reads the configuration files again.")]
pub struct ServeArgs {
    /// Where events, the control plane and keys are kept.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The address to serve on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// The files.
    #[command(flatten)]
    pub files: ConfigFiles,
    /// PostgreSQL for the control plane instead of SQLite in the data directory.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
}

/// Where the configuration lies.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFiles {
    /// The configuration file, `reckoner.toml`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Event types, periods and webhooks, `systemconfig.json`.
    #[arg(long, value_name = "FILE")]
    pub systemconfig: Option<PathBuf>,
}

/// `reckoner config`: looks after the configuration.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What `reckoner config` does.
#[derive(Subcommand, Clone, Debug)]
pub enum ConfigCommand {
    /// Checks files, environment and flags as a whole and lists every problem.
    Check(ConfigCheckArgs),
}

/// `reckoner config check`.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigCheckArgs {
    /// What `serve` takes.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner keys`: API keys, through a server or in its store.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
With an administrator's key they are those of its project. With --data-dir or --database-url the
store itself is opened, whether a server runs on it or not: for whoever lost the last key. Its schema
must be that of this program, and stays as it is.

Examples:
  reckoner keys create --name ci --scope ingest --scope read
  reckoner keys list --json
  reckoner keys rotate key_0123456789abcdef0123456789abcdef --overlap-hours 48
  reckoner keys revoke key_0123456789abcdef0123456789abcdef
  reckoner keys create --scope admin,read,ingest --data-dir ./data --project test")]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What `reckoner keys` does.
#[derive(Subcommand, Clone, Debug)]
pub enum KeysCommand {
    /// Makes a key and shows it, this once.
    Create(KeysCreateArgs),
    /// Lists the keys by prefix, with scopes and last use.
    List(KeysListArgs),
    /// Makes a key useless from now on.
    Revoke(KeysRevokeArgs),
    /// Makes a key in the place of another, which works beside it for a while, and shows it, this once.
    Rotate(KeysRotateArgs),
}

/// Whose keys: those behind a server, or those of a store.
#[derive(Args, Clone, Debug)]
pub struct KeysPlace {
    /// The server.
    #[command(flatten)]
    pub target: Target,
    /// The data directory of the store to open instead.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The PostgreSQL of the store to open instead.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// The project, where the store is opened [default: live].
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
}

/// `reckoner keys create`.
#[derive(Args, Clone, Debug)]
pub struct KeysCreateArgs {
    /// Whose keys.
    #[command(flatten)]
    pub place: KeysPlace,
    /// What the key is for, to be recognised by.
    #[arg(long)]
    pub name: Option<String>,
    /// What the key may do, repeatable: `ingest`, `read`, `admin`, `backfill`.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', required = true)]
    pub scopes: Vec<String>,
    /// When the key ends, RFC 3339; never when left out.
    #[arg(long, value_name = "TIME")]
    pub expires_at: Option<reckoner_domain::time::Timestamp>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner keys list`.
#[derive(Args, Clone, Debug)]
pub struct KeysListArgs {
    /// Whose keys.
    #[command(flatten)]
    pub place: KeysPlace,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner keys revoke`.
#[derive(Args, Clone, Debug)]
pub struct KeysRevokeArgs {
    /// Whose keys.
    #[command(flatten)]
    pub place: KeysPlace,
    /// The key's id, `key_...`.
    pub id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner keys rotate`.
#[derive(Args, Clone, Debug)]
pub struct KeysRotateArgs {
    /// Whose keys.
    #[command(flatten)]
    pub place: KeysPlace,
    /// The old key's id, `key_...`.
    pub id: String,
    /// For how long the old key works beside the new one, in hours: 0 to 168.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub overlap_hours: u32,
    /// When the new key ends, RFC 3339; when the old one would have, if left out.
    #[arg(long, value_name = "TIME")]
    pub expires_at: Option<reckoner_domain::time::Timestamp>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner openapi`: prints the OpenAPI document.
#[derive(Args, Clone, Debug, Default)]
pub struct OpenapiArgs {
    /// The file to write instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    enum Host {
        Serve(ServeArgs),
        Config(ConfigArgs),
        Keys(KeysArgs),
        Openapi(OpenapiArgs),
    }

    #[test]
    fn the_forms_others_rely_on_parse() {
        for line in [
            "x serve",
            "x serve --data-dir d --listen 127.0.0.1:0",
            "x serve --data-dir d --listen [::1]:8080 --config f --systemconfig g --database-url postgres://h",
            "x config check --config f --systemconfig g --json",
            "x keys create --name n --scope ingest --scope read",
            "x keys create --scope ingest,read --expires-at 2027-01-01T00:00:00Z",
            "x keys list --json",
            "x keys revoke key_1",
            "x keys rotate key_1 --overlap-hours 0",
            "x openapi",
        ] {
            assert!(Host::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in ["x serve --listen", "x keys create", "x keys revoke", "x config"] {
            assert!(Host::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
