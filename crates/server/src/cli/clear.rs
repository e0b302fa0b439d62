//! `reckoner clear`: removes the events or aggregations of a project.
use super::client::{self, JSON, Request, RetryPolicy};
use super::confirm::confirm;
use super::error::CliError;
use super::output::{self, Out};
use super::target::Target;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

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
        confirm(
            &format!("Remove all {what} of project `{}` at {}?", args.project, client.base()),
            "nothing was removed",
        )?;
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
