//! `reckoner serve`: runs the server.
use super::error::CliError;
use super::host::{ConfigFiles, ServeArgs};
use super::output::Out;
use super::signals;
use crate::app::{self, Server};
use crate::clock::Clock;
use crate::config::{self, ConfigError, Files, Loaded};
use crate::http::state::App;
use crate::telemetry;
use std::collections::BTreeMap;
use tokio::signal::unix::Signal;

/// Runs the server until it is told to stop.
pub async fn run(args: ServeArgs, out: Out<'_>) -> Result<(), CliError> {
    let loaded = load(&args).map_err(|error| CliError::usage(error.to_string()))?;
    telemetry::start_log(&loaded.config.log).map_err(CliError::usage)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let failed = |error: app::StartError| CliError::failed(error.to_string());
    // Before anybody is told that the server is ready: an unheard SIGHUP would end it.
    let (stop, hangup) = (signals::stop_server()?, signals::hangup()?);
    let server = Server::start(loaded.config, Clock::system()).await.map_err(failed)?;
    writeln!(out, "listening on http://{}", server.address)?;
    for shown in &server.shown_keys {
        writeln!(out, "API key of project {} (shown once, keep it): {}", shown.project, shown.key)?;
    }
    out.flush()?;
    let reload = tokio::spawn(reload_on_hangup(hangup, server.app().clone(), args));
    let served = server.serve(stop).await.map_err(failed);
    reload.abort();
    served
}

/// Files, environment and flags together, checked.
pub fn load(args: &ServeArgs) -> Result<Loaded, ConfigError> {
    let ServeArgs { data_dir, listen, files, database_url } = args;
    let mut flags: BTreeMap<&'static str, String> = BTreeMap::new();
    flags.extend(data_dir.as_ref().map(|dir| ("data_dir", dir.display().to_string())));
    flags.extend(listen.clone().map(|listen| ("listen", listen)));
    flags.extend(database_url.clone().map(|url| ("database_url", url)));
    config::load(&to_files(files), flags, config::environment(), app::check_definitions)
}

fn to_files(files: &ConfigFiles) -> Files {
    Files { config: files.config.clone(), systemconfig: files.systemconfig.clone() }
}

/// Reads the files again on SIGHUP. A bad one is refused and the old one stays; what only a start
/// can change is left as it is.
async fn reload_on_hangup(mut hangup: Signal, app: App, args: ServeArgs) {
    while hangup.recv().await.is_some() {
        match load(&args) {
            Err(error) => tracing::error!("the configuration stays as it was: {error}"),
            Ok(loaded) => match app::reapply(&app, loaded.config).await {
                Ok(()) => tracing::info!(
                    "the configuration was read again: meters, periods, webhooks and services are in force"
                ),
                Err(error) => tracing::error!("the configuration stays as it was: {error}"),
            },
        }
    }
}
