//! `reckoner keys`: API keys, through a server or in its store.
use super::client::{self, Client, JSON, Request, RetryPolicy};
use super::error::CliError;
use super::host::{
    KeysArgs, KeysCommand, KeysCreateArgs, KeysListArgs, KeysPlace, KeysRevokeArgs, KeysRotateArgs,
};
use super::output::{self, Out};
use super::stored;
use super::table::{Align, Table};
use crate::auth::key_changes::{self, Rotation};
use crate::auth::keys::{make_key, to_row};
use crate::clock::Clock;
use crate::http::v1::api_keys::{check, check_rotation, to_api, to_api_rotated};
use crate::store::audit::OPERATOR;
use crate::store::projects::{self, Project};
use crate::store::{Cursor, Db, LIMIT_MAX, Limit, Scopes, api_keys};
use reckoner_api::api_key::{ApiKey, CreatedApiKey, RotatedApiKey};
use reckoner_api::error::FieldError;
use reckoner_api::list::List;
use reckoner_domain::id::ApiKeyId;
use reckoner_domain::time::Timestamp;
use serde_json::json;

/// Runs `reckoner keys`.
pub async fn run(args: KeysArgs, out: Out<'_>) -> Result<(), CliError> {
    match args.command {
        KeysCommand::Create(args) => create(args, out).await,
        KeysCommand::List(args) => list(args, out).await,
        KeysCommand::Revoke(args) => revoke(args, out).await,
        KeysCommand::Rotate(args) => rotate(args, out).await,
    }
}

/// Where keys are kept.
enum Keeper {
    Server(Client),
    Store { db: Db, project: Project, clock: Clock },
}

async fn keeper(place: KeysPlace) -> Result<Keeper, CliError> {
    let KeysPlace { target, data_dir, database_url, project } = place;
    if data_dir.is_none() && database_url.is_none() {
        if project.is_some() {
            return Err(CliError::usage(
                "--project goes with --data-dir or --database-url only: through a server, the keys are those \
                 of the project that --api-key belongs to",
            ));
        }
        return Ok(Keeper::Server(target.client(RetryPolicy::ONCE)?));
    }
    let db = stored::open(data_dir, database_url).await?;
    let failed = |error: crate::store::StoreError| CliError::failed(format!("the store: {error}"));
    let clock = Clock::system();
    projects::ensure(&db, clock.real()).await.map_err(failed)?;
    let project = projects::get_by_name(&db, project.as_deref().unwrap_or("live")).await;
    let project = project.map_err(|_| CliError::usage("--project must be live or test"))?;
    Ok(Keeper::Store { db, project, clock })
}

async fn create(args: KeysCreateArgs, out: Out<'_>) -> Result<(), CliError> {
    let name = args.name.unwrap_or_else(|| "key".to_owned());
    let made: CreatedApiKey = match keeper(args.place).await? {
        Keeper::Server(client) => {
            let expires_at = args.expires_at.map(|time| time.to_string());
            let body = json!({"name": name, "scopes": args.scopes, "expires_at": expires_at});
            client.json(&Request::post("/v1/api-keys", JSON, client::body(&body))).await?
        }
        Keeper::Store { db, project, clock } => {
            let scopes = checked_scopes(&name, &args.scopes, args.expires_at, clock.real())?;
            let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
            let key = make_key(&project.name).map_err(|error| failed(&error))?;
            let row =
                to_row(&key, project.id, &name, scopes, clock.real()).map_err(|error| failed(&error))?;
            let row = api_keys::ApiKey { expires_at: args.expires_at, ..row };
            let stored =
                key_changes::create(&db, &clock, &OPERATOR, &row).await.map_err(|error| failed(&error))?;
            db.close().await;
            CreatedApiKey { api_key: to_api(stored), key }
        }
    };
    if args.json {
        return output::json(out, &made);
    }
    writeln!(out, "{}", made.key)?;
    Ok(writeln!(
        out,
        "{} ({}): keep it, it is not shown again",
        made.api_key.id,
        made.api_key.scopes.join(", ")
    )?)
}

/// What the API would check, told in the words of the command line.
fn checked_scopes(
    name: &str,
    scopes: &[String],
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Scopes, CliError> {
    let mut errors = Vec::new();
    let scopes = check(name, scopes, expires_at, now, &mut errors);
    told_as_options(&errors)?;
    scopes.ok_or_else(|| CliError::usage("--scope must name at least one"))
}

/// Fields that are wrong, as the options that give them.
fn told_as_options(errors: &[FieldError]) -> Result<(), CliError> {
    let option = |field: &str| if field == "scopes" { "scope".to_owned() } else { field.replace('_', "-") };
    let told: Vec<String> =
        errors.iter().map(|error| format!("--{} {}", option(&error.field), error.reason)).collect();
    if told.is_empty() { Ok(()) } else { Err(CliError::usage(told.join("; "))) }
}

async fn rotate(args: KeysRotateArgs, out: Out<'_>) -> Result<(), CliError> {
    let rotated: RotatedApiKey = match keeper(args.place).await? {
        Keeper::Server(client) => {
            let expires_at = args.expires_at.map(|time| time.to_string());
            let body = json!({"overlap_hours": args.overlap_hours, "expires_at": expires_at});
            let path = format!("/v1/api-keys/{}/rotate", client::segment(&args.id));
            client.json(&Request::post(path, JSON, client::body(&body))).await?
        }
        Keeper::Store { db, project, clock } => {
            let rotation = Rotation { overlap_hours: args.overlap_hours, expires_at: args.expires_at };
            let mut errors = Vec::new();
            check_rotation(rotation, clock.real(), &mut errors);
            told_as_options(&errors)?;
            let id = ApiKeyId::parse(&args.id).map_err(|error| CliError::usage(error.to_string()))?;
            let rotated = key_changes::rotate(&db, &clock, &OPERATOR, (&project, &id), rotation).await;
            let rotated = rotated.map_err(|error| CliError::failed(format!("{}: {error}", args.id)))?;
            db.close().await;
            to_api_rotated(rotated)
        }
    };
    if args.json {
        return output::json(out, &rotated);
    }
    let RotatedApiKey { created, replaced } = rotated;
    writeln!(out, "{}", created.key)?;
    let end = replaced.expires_at.unwrap_or_default();
    Ok(writeln!(
        out,
        "{}: keep it, it is not shown again. {} works until {end}",
        created.api_key.id, replaced.id
    )?)
}

async fn list(args: KeysListArgs, out: Out<'_>) -> Result<(), CliError> {
    let keys = match keeper(args.place).await? {
        Keeper::Server(client) => listed_by_server(&client).await?,
        Keeper::Store { db, project, .. } => listed_in_store(&db, &project).await?,
    };
    if args.json {
        return output::json(out, &keys);
    }
    let mut table =
        Table::new(&["ID", "NAME", "PREFIX", "SCOPES", "LAST USED", "STATE"].map(|name| (name, Align::Left)));
    let now = Clock::system().real();
    for key in &keys {
        let state = state(key, now);
        let used = key.last_used_at.clone().unwrap_or_default();
        table.row([key.id.clone(), key.name.clone(), key.prefix.clone(), key.scopes.join(","), used, state]);
    }
    table.print(out, "")
}

fn state(key: &ApiKey, now: Timestamp) -> String {
    let ended = |at: &String| Timestamp::parse(at).is_ok_and(|end| end <= now);
    match (&key.revoked_at, &key.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) if ended(at) => format!("expired {at}"),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "active".to_owned(),
    }
}

async fn listed_by_server(client: &Client) -> Result<Vec<ApiKey>, CliError> {
    let mut keys = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let request =
            Request::get("/v1/api-keys").with("limit", LIMIT_MAX.to_string()).with_some("cursor", cursor);
        let page: List<ApiKey> = client.json(&request).await?;
        keys.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(keys);
        }
    }
}

async fn listed_in_store(db: &Db, project: &Project) -> Result<Vec<ApiKey>, CliError> {
    let mut keys = Vec::new();
    let mut after: Option<Cursor> = None;
    let limit = Limit::new(LIMIT_MAX).unwrap_or_default();
    loop {
        let page = api_keys::list(db, project.id, after.as_ref(), limit).await;
        let page = page.map_err(|error| CliError::failed(error.to_string()))?;
        keys.extend(page.items.into_iter().map(to_api));
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}

async fn revoke(args: KeysRevokeArgs, out: Out<'_>) -> Result<(), CliError> {
    let revoked: ApiKey = match keeper(args.place).await? {
        Keeper::Server(client) => {
            let path = format!("/v1/api-keys/{}", client::segment(&args.id));
            client.json(&Request::delete(path)).await?
        }
        Keeper::Store { db, project, clock } => {
            let id = ApiKeyId::parse(&args.id).map_err(|error| CliError::usage(error.to_string()))?;
            let revoked = key_changes::revoke(&db, &clock, &OPERATOR, (project.id, &id)).await;
            let revoked = revoked.map_err(|error| CliError::failed(format!("{}: {error}", args.id)))?;
            db.close().await;
            to_api(revoked)
        }
    };
    if args.json {
        return output::json(out, &revoked);
    }
    Ok(writeln!(out, "revoked {}", revoked.id)?)
}
