//! `reckoner clear`: removes the events or aggregations of a project.
use super::client::{self, JSON, Request, RetryPolicy};
use super::error::CliError;
use super::output::{self, Out};
use super::target::Target;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};

/// Longest answer to the question, in bytes.
const REPLY_BYTES_MAX: u64 = 1_024;

/// `reckoner clear`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner clear events --project test
  reckoner clear aggregations --project test --yes

A live project with finalised invoices is never cleared.")]
pub struct ClearArgs {
    /// What to remove.
    pub what: What,
    /// The project: `live`, `test` or one of your own.
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub target: Target,
}

/// What `reckoner clear` removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// All events, and with them every total.
    Events,
    /// All aggregations; they are made anew from the events, but for imported ones.
    Aggregations,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Aggregations => "aggregations",
        }
    }
}

/// Runs `reckoner clear`.
pub async fn run(args: ClearArgs, out: Out<'_>) -> Result<(), CliError> {
    let what = args.what.name();
    let client = args.target.client(RetryPolicy::ONCE)?;
    if !args.yes {
        confirm(&format!("Remove all {what} of project `{}` at {}?", args.project, client.base()))?;
    }
    let asked = json!({"what": what, "project": args.project});
    let answer: Value = client.json(&Request::post("/v1/clear", JSON, client::body(&asked))).await?;
    if args.json {
        return output::json(out, &answer);
    }
    if answer.get("cleared") != Some(&Value::Bool(true)) {
        return Err(CliError::failed(format!("the server did not confirm: {answer}")));
    }
    Ok(writeln!(out, "removed all {what} of project `{}`", args.project)?)
}

fn confirm(question: &str) -> Result<(), CliError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::usage("there is no terminal to ask on: say --yes to go on without asking"));
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut reply = String::new();
    std::io::Read::take(stdin.lock(), REPLY_BYTES_MAX)
        .read_line(&mut reply)
        .map_err(|error| CliError::failed(format!("cannot read the reply: {error}")))?;
    if is_yes(&reply) { Ok(()) } else { Err(CliError::failed("nothing was removed")) }
}

fn is_yes(reply: &str) -> bool {
    matches!(reply.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" YES\r\n"));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yep\n") && !is_yes("n\n"));
    }
}
