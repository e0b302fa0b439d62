//! `reckoner mail`: shows what mails say.
use super::error::CliError;
use super::output::Out;
use crate::mail::Template;
use clap::{Args, Subcommand};

/// `reckoner mail`.
#[derive(Args, Clone, Debug)]
pub struct MailArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MailCommand,
}

/// What `reckoner mail` does.
#[derive(Subcommand, Clone, Debug)]
pub enum MailCommand {
    /// Prints a mail, filled with examples.
    Preview(PreviewArgs),
}

/// `reckoner mail preview`.
#[derive(Args, Clone, Debug)]
pub struct PreviewArgs {
    /// Which mail, such as invoice-ready; a name that is none lists them all.
    pub name: String,
    /// Print the HTML instead of the text.
    #[arg(long)]
    pub html: bool,
}

/// Runs `reckoner mail`.
pub fn run(args: MailArgs, out: Out<'_>) -> Result<(), CliError> {
    let MailCommand::Preview(PreviewArgs { name, html }) = args.command;
    let template = Template::example(&name).map_err(|error| CliError::usage(error.to_string()))?;
    let words = template.render().map_err(|error| CliError::failed(error.to_string()))?;
    Ok(writeln!(out, "{}", if html { words.html } else { words.text })?)
}
