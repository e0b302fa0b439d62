//! `reckoner audit`: the record of changes, held against itself.
use super::error::CliError;
use super::output::{self, Out};
use super::stored;
use crate::store::audit_check::{self, Checked};
use crate::store::projects::{self, Project};
use clap::{Args, Subcommand};
use reckoner_domain::audit::{Place, hex};
use serde_json::{Value, json};
use std::path::PathBuf;

/// How the chain of what belongs to no project is called.
const INSTALLATION: &str = "installation";

/// `reckoner audit`: the record of changes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Each entry carries the hash of the one before it, and the head of each chain is kept beside it: an
entry that was changed, removed or put elsewhere is found, and so is an end that is missing. Whoever can write
to the database can also make a whole chain anew. Write down the heads that this command prints, somewhere else,
and give them to it later: then that is found too.

Examples:
  reckoner audit verify --data-dir ./data
  reckoner audit verify --data-dir ./data --anchor live:42:9f86d081...")]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What `reckoner audit` does.
#[derive(Subcommand, Clone, Debug)]
pub enum AuditCommand {
    /// Checks every chain and names the first bad entry of each.
    Verify(VerifyArgs),
}

/// `reckoner audit verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The data directory of the store.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The PostgreSQL of the store.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// An entry that was written down before, as `CHAIN:NUMBER:HASH`; repeatable.
    #[arg(long = "anchor", value_name = "ENTRY")]
    pub anchors: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Carries it out.
pub async fn run(args: AuditArgs, out: Out<'_>) -> Result<(), CliError> {
    let AuditCommand::Verify(args) = args.command;
    let anchors: Result<Vec<_>, _> = args.anchors.iter().map(|text| read_anchor(text)).collect();
    let anchors = anchors.map_err(CliError::usage)?;
    let db = stored::open(args.data_dir, args.database_url).await?;
    let failed = |error: crate::store::StoreError| CliError::failed(format!("the store: {error}"));
    let projects = projects::list(&db).await.map_err(failed)?;
    if let Some((name, _)) = anchors.iter().find(|(name, _)| number(name, &projects).is_none()) {
        return Err(CliError::usage(format!("--anchor {name}: there is no chain of this name")));
    }
    let mut checked = Vec::new();
    for chain in audit_check::chains(&db).await.map_err(failed)? {
        let of_chain = |(name, _): &&(String, Place)| number(name, &projects) == Some(chain);
        let anchors: Vec<Place> = anchors.iter().filter(of_chain).map(|(_, place)| *place).collect();
        let one = audit_check::check(&db, chain, &anchors).await.map_err(failed)?;
        checked.push((name(chain, &projects), one));
    }
    db.close().await;
    tell(&checked, args.json, out)
}

fn tell(checked: &[(String, Checked)], json: bool, out: Out<'_>) -> Result<(), CliError> {
    let broken = checked.iter().filter(|(_, one)| one.broken.is_some()).count();
    if json {
        let chains: Vec<Value> = checked.iter().map(|(name, one)| shown(name, one)).collect();
        output::json(out, &json!({"valid": broken == 0, "chains": chains}))?;
    } else {
        for (name, Checked { last, broken, redacted, .. }) in checked {
            match broken {
                None => writeln!(
                    out,
                    "{name}: {} entries{}, head {name}:{}:{}",
                    last.number,
                    told_redactions(*redacted),
                    last.number,
                    hex(&last.hash)
                )?,
                Some(broken) => writeln!(out, "{name}: BROKEN after {} good entries: {broken}", last.number)?,
            }
        }
    }
    match broken {
        0 => Ok(()),
        _ if json => Err(CliError::Reported),
        _ => Err(CliError::failed(format!("{broken} chain(s) of the record of changes are broken"))),
    }
}

fn told_redactions(redacted: u64) -> String {
    if redacted == 0 { String::new() } else { format!(" ({redacted} without details, after erasures)") }
}

fn shown(name: &str, checked: &Checked) -> Value {
    json!({
        "chain": name,
        "entries": checked.last.number,
        "redacted": checked.redacted,
        "head_hash": hex(&checked.last.hash),
        "problem": checked.broken.as_ref().map(ToString::to_string),
    })
}

/// The number of a chain.
fn number(name: &str, projects: &[Project]) -> Option<u32> {
    if name == INSTALLATION {
        return Some(0);
    }
    projects.iter().find(|project| project.name == name).map(|project| project.id.0)
}

fn name(chain: u32, projects: &[Project]) -> String {
    let project = projects.iter().find(|project| project.id.0 == chain);
    match chain {
        0 => INSTALLATION.to_owned(),
        _ => project.map_or_else(|| format!("chain {chain}"), |project| project.name.clone()),
    }
}

fn read_anchor(text: &str) -> Result<(String, Place), String> {
    let wrong = || format!("--anchor {text}: must be CHAIN:NUMBER:HASH, as this command prints heads");
    let mut parts = text.split(':');
    let (Some(name), Some(number), Some(hash), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let number = number.parse().map_err(|_| wrong())?;
    Ok((name.to_owned(), Place { number, hash: read_hash(hash).ok_or_else(wrong)? }))
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let digits = |index: usize| text.get(index * 2..index * 2 + 2);
    let bytes: Option<Vec<u8>> =
        (0..text.len().div_ceil(2)).map(|index| u8::from_str_radix(digits(index)?, 16).ok()).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_as_heads_are_printed() {
        let hash = "0f".repeat(32);
        let place = Place { number: 7, hash: [15; 32] };
        assert_eq!(read_anchor(&format!("live:7:{hash}")), Ok(("live".to_owned(), place)));
        for bad in ["", "live", "live:7", &format!("live:x:{hash}"), "live:7:0f", &format!("live:7:{hash}:1")]
        {
            assert!(read_anchor(bad).is_err(), "{bad}");
        }
    }
}
