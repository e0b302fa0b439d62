//! Opening the database of either engine.
use super::db::Db;
use super::error::{Result, StoreError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The mode of the SQLite file: nobody but its owner reads hashes and secrets.
const FILE_MODE: u32 = 0o600;

/// How to open SQLite.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The database file; made when absent.
    pub path: PathBuf,
    /// Connections that read.
    pub readers_max: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long to wait for another process's write lock.
    pub busy_timeout: Duration,
    /// Whether the schema is brought up to date; otherwise one that is not this program's is
    /// refused.
    pub migrate: bool,
}

impl SqliteSettings {
    /// The usual settings for this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers_max: 4,
            acquire_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_secs(5),
            migrate: true,
        }
    }
}

/// How to open PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Most connections at once.
    pub connections_max: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// How long a transaction may stand idle.
    pub idle_in_transaction_timeout: Duration,
    /// Whether the schema is brought up to date; otherwise one that is not this program's is
    /// refused.
    pub migrate: bool,
}

impl PostgresSettings {
    /// The usual settings for this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections_max: 16,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(30),
            migrate: true,
        }
    }

    /// The settings of a connection that migrates, which may take its time.
    pub(super) fn options(&self) -> Result<PgConnectOptions> {
        Ok(PgConnectOptions::from_str(&self.url)?.application_name("reckoner"))
    }
}

impl Db {
    /// Opens a SQLite file, made when absent, and brings its schema up to date unless told
    /// otherwise.
    pub async fn open_sqlite(settings: &SqliteSettings) -> Result<Self> {
        protect(&settings.path)
            .map_err(|source| StoreError::File { path: settings.path.display().to_string(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(&settings.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(settings.busy_timeout);
        // A connection that ends and comes back would drop its caches for nothing.
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(settings.acquire_timeout)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        super::migrate::sqlite(&writer, settings.migrate).await?;
        // A write that strays to a reader fails instead of fighting for the lock.
        let reader = pool()
            .max_connections(settings.readers_max.max(1))
            .connect_with(options.pragma("query_only", "on"))
            .await?;
        Ok(Self::Sqlite { writer, reader })
    }

    /// Connects to PostgreSQL and brings its schema up to date unless told otherwise.
    pub async fn open_postgres(settings: &PostgresSettings) -> Result<Self> {
        super::migrate::postgres(&settings.options()?, settings.migrate).await?;
        let millis = |timeout: Duration| timeout.as_millis().to_string();
        let options = settings.options()?.options([
            ("statement_timeout", millis(settings.statement_timeout)),
            ("lock_timeout", millis(settings.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(settings.idle_in_transaction_timeout)),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max.max(1))
            .acquire_timeout(settings.acquire_timeout)
            .connect_with(options)
            .await?;
        Ok(Self::Postgres(pool))
    }
}

/// Makes the file before SQLite does, so that it is never readable by others; SQLite gives the
/// files beside it the same mode.
fn protect(path: &Path) -> io::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(FILE_MODE))
}
