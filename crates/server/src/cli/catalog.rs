//! `reckoner catalog`: plans and coupons from a file, in force all at once.
use super::client::{self, Client, JSON, Request, RetryPolicy};
use super::confirm::confirm;
use super::error::CliError;
use super::output::{self, Out};
use super::table::{Align, Table};
use super::target::Target;
use clap::{Args, Subcommand};
use reckoner_api::plan::{CatalogChange, CatalogChanges, FieldChange};
use reckoner_domain::catalog::SAMPLES;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Most bytes of a catalogue's file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// `reckoner catalog`.
#[derive(Args, Clone, Debug)]
pub struct CatalogArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CatalogCommand,
}

/// What `reckoner catalog` does.
#[derive(Subcommand, Clone, Debug)]
pub enum CatalogCommand {
    /// Shows what a catalogue would change, asks, and puts it in force: all of it or nothing.
    Apply(ApplyArgs),
    /// Shows what a catalogue would change, and changes nothing.
    Diff(SourceArgs),
    /// Prints a sample catalogue, to begin with.
    Sample(SampleArgs),
}

/// Which catalogue, and where.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A catalogue is a file of JSON or TOML with the lists `meters`, `plans` and `coupons`, as POST
/v1/catalog/apply takes them. What differs from what is in force becomes a new version;
subscriptions stay on theirs.

Examples:
  reckoner catalog diff plans.toml
  reckoner catalog apply analytics --make-meters --yes")]
pub struct SourceArgs {
    /// A file, or the name of a sample: `analytics`, `auth_billing` or `workspace`.
    #[arg(value_name = "FILE")]
    pub source: String,
    /// Archive the plans and coupons that the catalogue does not name.
    #[arg(long)]
    pub prune: bool,
    /// Make a meter for each that plans name and that is not there: as `missing_meters` of the catalogue describes it,
    /// or else the sum of its events' values.
    #[arg(long)]
    pub make_meters: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The server; the key's project is changed.
    #[command(flatten)]
    pub target: Target,
}

/// `reckoner catalog apply`.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// Which catalogue, and where.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// `reckoner catalog sample`.
#[derive(Args, Clone, Debug)]
pub struct SampleArgs {
    /// `analytics`, `auth_billing` or `workspace`.
    pub name: String,
}

/// Runs `reckoner catalog`.
pub async fn run(args: CatalogArgs, out: Out<'_>) -> Result<(), CliError> {
    match args.command {
        CatalogCommand::Sample(SampleArgs { name }) => Ok(write!(out, "{}", sample(&name)?)?),
        CatalogCommand::Diff(source) => {
            let client = source.target.client(RetryPolicy::ONCE)?;
            let wanted = wanted(&source)?;
            let changes = send(&client, &wanted, true).await?;
            if source.json { output::json(out, &changes) } else { show(out, &changes) }
        }
        CatalogCommand::Apply(ApplyArgs { source, yes }) => apply(&source, yes, out).await,
    }
}

async fn apply(source: &SourceArgs, yes: bool, out: Out<'_>) -> Result<(), CliError> {
    let client = source.target.client(RetryPolicy::ONCE)?;
    let wanted = wanted(source)?;
    let shown = send(&client, &wanted, true).await?;
    if !source.json || !yes {
        show(out, &shown)?;
    }
    if !yes {
        if shown.changes.is_empty() {
            return Ok(());
        }
        confirm(&format!("Put this in force at {}?", client.base()), "nothing was changed")?;
    }
    let changes = send(&client, &wanted, false).await?;
    if source.json {
        return output::json(out, &changes);
    }
    if changes.changes != shown.changes {
        writeln!(out, "somebody else changed the catalogue meanwhile; what was put in force:")?;
        show(out, &changes)?;
    }
    Ok(writeln!(out, "in force: {} changed, {} as they were", changes.changes.len(), changes.unchanged)?)
}

async fn send(
    client: &Client,
    wanted: &Map<String, Value>,
    dry_run: bool,
) -> Result<CatalogChanges, CliError> {
    let mut body = wanted.clone();
    body.insert("dry_run".to_owned(), json!(dry_run));
    client.json(&Request::post("/v1/catalog/apply", JSON, client::body(&Value::Object(body)))).await
}

/// The catalogue as it is sent.
fn wanted(args: &SourceArgs) -> Result<Map<String, Value>, CliError> {
    let mut catalog = read(&args.source)?;
    catalog.insert("prune".to_owned(), json!(args.prune));
    let described = catalog.remove("missing_meters");
    if args.make_meters {
        let mut missing = described.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let key = |meter: &Value| meter.get("key").and_then(Value::as_str).map(str::to_owned);
        let mut known: Vec<String> = missing.iter().filter_map(key).collect();
        known.extend(catalog.get("meters").and_then(Value::as_array).into_iter().flatten().filter_map(key));
        let named = named_meters(&catalog).into_iter().filter(|key| !known.contains(key));
        missing.extend(named.map(|key| json!({"key": key, "aggregation": "sum"})));
        catalog.insert("missing_meters".to_owned(), Value::Array(missing));
    }
    Ok(catalog)
}

/// Every meter that quotas and prices name, once.
fn named_meters(catalog: &Map<String, Value>) -> Vec<String> {
    let plans = catalog.get("plans").and_then(Value::as_array).into_iter().flatten();
    let parts =
        plans.flat_map(|plan| ["entitlements", "prices"].into_iter().filter_map(|list| plan.get(list)));
    let parts = parts.filter_map(Value::as_array).flatten();
    let mut keys: Vec<String> =
        parts.filter_map(|part| part.get("meter")?.as_str().map(str::to_owned)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn sample(name: &str) -> Result<&'static str, CliError> {
    let found = SAMPLES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let names = SAMPLES.map(|(name, _)| name).join(", ");
    found.ok_or_else(|| CliError::usage(format!("there is no sample `{name}`; there are {names}")))
}

/// Reads a sample or a file; one in TOML ends so.
fn read(source: &str) -> Result<Map<String, Value>, CliError> {
    let path = Path::new(source);
    if !path.exists() && !source.contains(['.', '/']) {
        return parse(source, sample(source)?);
    }
    let failed = |error: std::io::Error| CliError::failed(format!("cannot read {source}: {error}"));
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(CliError::failed(format!("{source} is larger than {FILE_BYTES_MAX} bytes")));
    }
    parse(source, &std::fs::read_to_string(path).map_err(failed)?)
}

fn parse(source: &str, text: &str) -> Result<Map<String, Value>, CliError> {
    let is_toml = Path::new(source).extension().is_some_and(|extension| extension == "toml");
    let read: Result<Value, String> = if is_toml {
        toml::from_str(text).map_err(|error| error.to_string())
    } else {
        serde_json::from_str(text).map_err(|error| error.to_string())
    };
    match read {
        Ok(Value::Object(catalog)) => Ok(catalog),
        Ok(_) => {
            Err(CliError::failed(format!("{source} is no catalogue: it must have `plans`, for instance")))
        }
        Err(error) => Err(CliError::failed(format!("{source} cannot be read: {error}"))),
    }
}

fn show(out: Out<'_>, changes: &CatalogChanges) -> Result<(), CliError> {
    if changes.changes.is_empty() {
        return Ok(writeln!(out, "nothing differs ({} named)", changes.unchanged)?);
    }
    for change in &changes.changes {
        let CatalogChange { kind, key, action, version, subscriptions_staying, fields } = change;
        writeln!(out, "{action} {kind} {} (version {version})", output::printable(key))?;
        let mut table =
            Table::new(&[("field", Align::Left), ("before", Align::Left), ("after", Align::Left)]);
        for FieldChange { field, before, after } in fields {
            let text = |value: &Option<String>| output::printable(value.as_deref().unwrap_or("-"));
            table.row([output::printable(field), text(before), text(after)]);
        }
        if !table.is_empty() {
            table.print(out, "  ")?;
        }
        if *subscriptions_staying > 0 {
            writeln!(out, "  {subscriptions_staying} subscriptions stay on the version they have")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_files_are_read() {
        let analytics = read("analytics").expect("a sample");
        assert_eq!(named_meters(&analytics), ["api.calls"]);
        assert_eq!(
            named_meters(&read("auth_billing").expect("a sample")),
            ["agent_minutes", "llm_tokens", "memory_storage", "messages"]
        );
        let workspace = read("workspace").expect("a sample");
        assert_eq!(named_meters(&workspace), ["compute.units", "storage.level", "traffic.bytes"]);
        assert_eq!(workspace["meters"].as_array().map(Vec::len), Some(3));
        let text = "[[plans]]\nkey = \"a\"\n[[plans.prices]]\nmodel = \"per_unit\"\nmeter = \"m\"\n";
        let from_toml = parse("a.toml", text).expect("TOML");
        assert_eq!(named_meters(&from_toml), ["m"]);
        assert!(read("nothing").is_err() && read("no.json").is_err() && parse("a.json", "[]").is_err());
    }
}
