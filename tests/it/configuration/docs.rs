//! docs/OPERATIONS.md lists the settings of the code, no more and no less.
use clap::CommandFactory;
use reckoner_server::cli::Cli;
use reckoner_server::config::{self, CONFIG_ENV, Files, SYSTEMCONFIG_ENV, SettingDoc};
use std::collections::BTreeMap;

const BEGIN: &str = "<!-- settings:begin (kept in step with crates/server/src/config) -->\n";
const END: &str = "<!-- settings:end -->";

#[test]
fn the_operations_guide_lists_the_settings_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).expect("the guide");
    let (_, rest) = text.split_once(BEGIN).expect("a beginning");
    let (table, _) = rest.split_once(END).expect("an end");
    let expected = expected();
    assert!(table == expected, "the table in docs/OPERATIONS.md is to be:\n{expected}");
}

fn expected() -> String {
    let loaded = config::load(&Files::default(), BTreeMap::new(), BTreeMap::new(), |_| Vec::new());
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").expect("a command");
    let flags: Vec<&str> = serve.get_arguments().filter_map(|argument| argument.get_long()).collect();
    let mut rows = vec![
        "| setting | flag | environment | default | meaning |".to_owned(),
        "| --- | --- | --- | --- | --- |".to_owned(),
        format!("| | `--config` | `{CONFIG_ENV}` | | The TOML file. |"),
        format!(
            "| | `--systemconfig` | `{SYSTEMCONFIG_ENV}` | | Event types, periods and webhooks as JSON. |"
        ),
    ];
    for setting in loaded.expect("usable").settings {
        rows.push(row(&setting, &flags));
    }
    for flag in flags.iter().filter(|flag| !["help", "config", "systemconfig"].contains(flag)) {
        assert!(rows.iter().any(|row| row.contains(&format!("`--{flag}`"))), "--{flag} is no setting");
    }
    rows.join("\n") + "\n"
}

fn row(setting: &SettingDoc, flags: &[&str]) -> String {
    let flag = setting.name.replace('_', "-");
    let flag = if flags.contains(&flag.as_str()) { format!(" `--{flag}`") } else { String::new() };
    let names = std::iter::once(setting.env_name()).chain(setting.aliases.iter().map(ToString::to_string));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let default = if setting.default.is_empty() { String::new() } else { format!(" `{}`", setting.default) };
    format!("| `{}` |{flag} | {} |{default} | {} |", setting.name, names.join(", "), setting.about)
}
