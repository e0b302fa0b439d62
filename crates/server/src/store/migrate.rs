//! Bringing the schema up to date, with several processes starting at once.
use super::error::{Result, StoreError};
use super::immutable;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor, SqlitePool};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// The type of texts that are ordered by bytes whatever collation the database was made with. The
/// race of two starts ends as either error.
const BYTEWISE_TEXT: &str = "do $$ begin
    create domain bytewise_text as text collate \"C\";
exception when duplicate_object or unique_violation then null; end $$";

/// Lets one process after the other make triggers.
const HOLD_TRIGGERS: &str = "select pg_advisory_xact_lock(hashtext('reckoner triggers'))";

/// A migration may take its time, unlike what the pool's connections do.
const NO_TIMEOUTS: &str =
    "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0";

/// Migrates SQLite, all or nothing, under its write lock.
pub(super) async fn sqlite(writer: &SqlitePool) -> Result<()> {
    let mut transaction = writer.begin_with("begin immediate").await?;
    MIGRATOR.run_direct(None, &mut *transaction, false).await?;
    transaction.execute(sqlx::raw_sql(immutable::SQLITE)).await?;
    transaction.commit().await?;
    Ok(())
}

/// Migrates PostgreSQL under an advisory lock, on a connection without timeouts.
pub(super) async fn postgres(options: &PgConnectOptions) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    connection.execute(NO_TIMEOUTS).await?;
    connection.execute(BYTEWISE_TEXT).await?;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    let mut transaction = connection.begin().await?;
    // Two that make one function again at once would fail.
    transaction.execute(HOLD_TRIGGERS).await?;
    transaction.execute(sqlx::raw_sql(immutable::POSTGRES)).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Refuses a schema that is not exactly this program's.
pub(super) async fn check(connection: &mut impl Migrate) -> Result<()> {
    let found: Vec<_> = match connection.list_applied_migrations(&MIGRATOR.table_name).await {
        Ok(applied) => applied.into_iter().map(|one| (one.version, one.checksum)).collect(),
        Err(error) if is_missing_table(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let ours: Vec<_> = MIGRATOR.iter().map(|one| (one.version, one.checksum.clone())).collect();
    if found == ours {
        return Ok(());
    }
    let last = |list: &[(i64, _)]| list.last().map_or(0, |(version, _)| *version);
    Err(StoreError::OtherSchema { found: last(&found), ours: last(&ours) })
}

/// Whether an error says that no schema was ever made.
fn is_missing_table(error: &MigrateError) -> bool {
    const UNDEFINED_TABLE: &str = "42P01";
    let (MigrateError::Execute(sqlx::Error::Database(error))
    | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _)) = error
    else {
        return false;
    };
    error.code().as_deref() == Some(UNDEFINED_TABLE) || error.message().starts_with("no such table")
}
