//! `reckoner openapi`: prints the OpenAPI document.
use super::error::CliError;
use super::host::OpenapiArgs;
use super::output::Out;
use crate::http::openapi;

/// Prints the document, or writes it to a file.
pub fn run(args: OpenapiArgs, out: Out<'_>) -> Result<(), CliError> {
    let text = openapi::text();
    match args.output {
        None => Ok(writeln!(out, "{text}")?),
        Some(path) => std::fs::write(&path, text + "\n")
            .map_err(|error| CliError::failed(format!("{}: {error}", path.display()))),
    }
}
