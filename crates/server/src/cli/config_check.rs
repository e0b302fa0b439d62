//! `reckoner config check`: everything that `serve` would be told, and what is wrong with it.
use super::error::CliError;
use super::host::{ConfigArgs, ConfigCheckArgs, ConfigCommand};
use super::output::{self, Out};
use super::serve;
use super::table::{Align, Table};
use serde_json::json;

/// Checks and lists.
pub fn run(args: ConfigArgs, out: Out<'_>) -> Result<(), CliError> {
    let ConfigCommand::Check(ConfigCheckArgs { serve, json }) = args.command;
    match serve::load(&serve) {
        Err(error) if json => {
            let problem = |problem: &crate::config::Problem| json!({"setting": problem.setting, "reason": problem.reason});
            output::json(
                out,
                &json!({"valid": false, "problems": error.0.iter().map(problem).collect::<Vec<_>>()}),
            )?;
            Err(CliError::Reported)
        }
        Err(error) => Err(CliError::failed(error.to_string())),
        Ok(loaded) if json => {
            let setting = |doc: &crate::config::SettingDoc| {
                json!({"setting": doc.name, "environment": doc.env_name(), "value": doc.value,
                       "default": doc.default, "source": doc.source, "about": doc.about})
            };
            let settings: Vec<_> = loaded.settings.iter().map(setting).collect();
            output::json(out, &json!({"valid": true, "settings": settings, "warnings": loaded.warnings}))
        }
        Ok(loaded) => {
            let mut table =
                Table::new(&["SETTING", "VALUE", "SOURCE", "ENVIRONMENT"].map(|name| (name, Align::Left)));
            for doc in &loaded.settings {
                table.row([doc.name.to_owned(), doc.value.clone(), doc.source.to_owned(), doc.env_name()]);
            }
            table.print(out, "")?;
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            Ok(writeln!(out, "the configuration is valid")?)
        }
    }
}
