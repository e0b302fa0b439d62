//! The commands: against a stand-in that says what a test needs, and against a real server.
mod backup;
mod catalog;
mod clear;
mod fitting;
mod follow;
mod generate;
mod import;
mod keys;
mod look;
mod real;
mod receive;
mod standin;

use clap::Parser;
use reckoner_server::cli::Cli;
use reckoner_server::cli::error::CliError;
use standin::Standin;

/// A key as long as real ones are.
const KEY: &str = "rk_test_0123456789abcdef0123456789abcdef";

/// Runs a command against a stand-in; gives what it printed and how it ended.
async fn run(standin: &Standin, line: &[&str]) -> (String, Result<(), CliError>) {
    let target = ["--url", &standin.url, "--api-key", KEY];
    let words = ["reckoner"].iter().chain(line).chain(&target);
    let command = Cli::try_parse_from(words).expect("a command").command;
    let mut out = Vec::new();
    let result = command.run(&mut out).await;
    (String::from_utf8(out).expect("text"), result)
}

/// The exit code of an ending.
fn code(result: &Result<(), CliError>) -> u8 {
    result.as_ref().map_or_else(CliError::exit_code, |()| 0)
}
