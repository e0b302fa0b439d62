//! The command line.
//!
//! A command is a variant of [`Command`], an arm of its `run` and a module with its arguments and
//! a `run` of its own. The commands here talk to a running server over HTTP; those that open the
//! store themselves have their arguments in [`host`].
use clap::{Parser, Subcommand};
use error::CliError;
use output::Out;
use std::process::ExitCode;

pub mod audit;
pub mod backup;
pub mod catalog;
pub mod clear;
pub mod client;
pub mod config_check;
pub mod confirm;
pub mod demo;
pub mod error;
pub mod gateway;
pub mod generate;
pub mod host;
pub mod import;
pub mod ingest;
pub mod keys;
pub mod log;
pub mod mail;
pub mod openapi;
pub mod output;
pub mod query;
pub mod random;
pub mod receive;
pub mod serve;
pub mod signals;
pub mod stored;
pub mod table;
pub mod target;
mod unset;
pub mod wall;

/// The whole command line.
#[derive(Parser, Debug)]
#[command(name = "reckoner", version, about = "Usage metering, limits and billing in one binary.")]
#[command(after_help = "\
Try `reckoner demo` first. Commands that talk to a server take --url and --api-key, or RECKONER_URL
and RECKONER_API_KEY (BASE_URL and API_KEY) from the environment.

Exit codes: 0 done, 1 failed (wholly or in part), 2 called wrongly.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Runs the server.
    Serve(host::ServeArgs),
    /// Runs a reverse proxy that meters the application behind it and keeps its customers' limits.
    Gateway(Box<gateway::GatewayArgs>),
    /// Makes, lists, replaces and revokes API keys.
    Keys(host::KeysArgs),
    /// Checks the record of changes.
    Audit(audit::AuditArgs),
    /// Looks after the configuration.
    Config(host::ConfigArgs),
    /// Shows what mails say.
    Mail(mail::MailArgs),
    /// Prints the OpenAPI document.
    Openapi(host::OpenapiArgs),
    /// Shows it all: a server, a month of usage, aggregations, a verified webhook.
    Demo(demo::DemoArgs),
    /// Sends random valid events.
    Generate(generate::GenerateArgs),
    /// Receives webhooks, verifies them and shows what they say.
    Receive(receive::ReceiveArgs),
    /// Lists events or aggregations.
    Query(query::QueryArgs),
    /// Shows the last events and follows new ones.
    Log(log::LogArgs),
    /// Brings in past usage from a CSV, NDJSON or JSON file.
    Import(import::ImportArgs),
    /// Puts plans and coupons in force, or shows what that would change.
    Catalog(catalog::CatalogArgs),
    /// Copies the data directory, also of a running server.
    Backup(backup::BackupArgs),
    /// Makes a data directory from a copy.
    Restore(backup::RestoreArgs),
    /// Holds a data directory, or a copy of one, against itself.
    VerifyStore(backup::VerifyArgs),
    /// Removes the events or aggregations of a project.
    Clear(clear::ClearArgs),
}

impl Command {
    /// Carries the command out.
    pub async fn run(self, out: Out<'_>) -> Result<(), CliError> {
        match self {
            // It holds the whole server.
            Self::Serve(args) => Box::pin(serve::run(args, out)).await,
            Self::Gateway(args) => gateway::run(*args, out).await,
            Self::Keys(args) => keys::run(args, out).await,
            Self::Audit(args) => audit::run(args, out).await,
            Self::Config(args) => config_check::run(args, out),
            Self::Mail(args) => mail::run(args, out),
            Self::Openapi(args) => openapi::run(args, out),
            Self::Demo(args) => demo::run(args, out).await,
            Self::Generate(args) => generate::run(args, out).await,
            Self::Receive(args) => receive::run(args, out).await,
            Self::Query(args) => query::run(args, out).await,
            Self::Log(args) => log::run(args, out).await,
            Self::Import(args) => import::run(args, out).await,
            Self::Catalog(args) => catalog::run(args, out).await,
            Self::Backup(args) => backup::backup(args, out).await,
            Self::Restore(args) => backup::restore(args, out).await,
            Self::VerifyStore(args) => backup::verify(args, out).await,
            Self::Clear(args) => clear::run(args, out).await,
        }
    }
}

/// Reads the arguments, carries the command out and says how it ended.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command.run(&mut std::io::stdout())),
        Err(error) => Err(CliError::failed(format!("cannot start: {error}"))),
    };
    finish(result)
}

fn finish(result: Result<(), CliError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(error::EXIT_OK),
        Err(error) => {
            if error.speaks() {
                // Nobody is left to tell when standard error is gone too.
                let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {error}\n"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
