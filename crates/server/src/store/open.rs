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

/// How often, and how long apart, a file is tried to be changed to write-ahead.
const WAL_TRIES_MAX: u32 = 250;
const WAL_PAUSE: Duration = Duration::from_millis(20);

/// Rows that are read ahead of who takes them: what is read in pages is read without waiting for anybody.
const ROWS_AHEAD: usize = 1_000;

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
}

impl SqliteSettings {
    /// The usual settings for this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers_max: 4,
            acquire_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_secs(5),
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
        }
    }

    fn options(&self) -> Result<PgConnectOptions> {
        Ok(PgConnectOptions::from_str(&self.url)?.application_name("reckoner"))
    }
}

/// Where the control plane is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file.
    Sqlite(SqliteSettings),
    /// On a server.
    Postgres(PostgresSettings),
}

impl Db {
    /// Connects and leaves the schema as it is: whose database it is can be asked before anything in
    /// it changes.
    pub async fn connect(place: &Place) -> Result<Self> {
        match place {
            Place::Sqlite(settings) => Self::connect_sqlite(settings).await,
            Place::Postgres(settings) => Self::connect_postgres(settings).await,
        }
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<()> {
        match self {
            Self::Sqlite { writer, .. } => super::migrate::sqlite(writer).await,
            Self::Postgres(pool) => super::migrate::postgres(&pool.connect_options()).await,
        }
    }

    /// Leaves nothing in the files of SQLite but what is in its tables; fails where a long read keeps it from
    /// that. PostgreSQL does so by itself, later.
    pub async fn wipe(&self) -> Result<()> {
        if let Self::Sqlite { writer, .. } = self {
            let mut writer = writer.acquire().await?;
            sqlx::raw_sql("vacuum").execute(&mut *writer).await?;
            let checkpoint = sqlx::query_as("pragma wal_checkpoint(truncate)");
            let (busy, ..): (i64, i64, i64) = checkpoint.fetch_one(&mut *writer).await?;
            if busy != 0 {
                return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut));
            }
        }
        Ok(())
    }

    /// Refuses a schema that is not exactly this program's.
    pub async fn check_schema(&self) -> Result<()> {
        match self {
            Self::Sqlite { writer, .. } => super::migrate::check(&mut *writer.acquire().await?).await,
            Self::Postgres(pool) => super::migrate::check(&mut *pool.acquire().await?).await,
        }
    }

    /// Opens a SQLite file, made when absent, and brings its schema up to date.
    pub async fn open_sqlite(settings: &SqliteSettings) -> Result<Self> {
        let db = Self::connect_sqlite(settings).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Connects to PostgreSQL and brings its schema up to date.
    pub async fn open_postgres(settings: &PostgresSettings) -> Result<Self> {
        let db = Self::connect_postgres(settings).await?;
        db.migrate().await?;
        Ok(db)
    }

    async fn connect_sqlite(settings: &SqliteSettings) -> Result<Self> {
        protect(&settings.path)
            .map_err(|source| StoreError::File { path: settings.path.display().to_string(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(&settings.path)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .row_buffer_size(ROWS_AHEAD)
            .busy_timeout(settings.busy_timeout);
        // A connection that ends and comes back would drop its caches for nothing.
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(settings.acquire_timeout)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        // What is deleted is overwritten, so that nothing of an erased customer stays in free space.
        let write_ahead = options.clone().journal_mode(SqliteJournalMode::Wal).pragma("secure_delete", "on");
        // The file stays write-ahead, for readers too. A write that strays to one fails instead of
        // fighting for the lock.
        let read_only = options.pragma("query_only", "on");
        let (writers, readers) =
            (pool().max_connections(1), pool().max_connections(settings.readers_max.max(1)));
        let connect = async || {
            let writer = writers.clone().connect_with(write_ahead.clone()).await?;
            let reader = readers.clone().connect_with(read_only.clone()).await?;
            Ok::<_, sqlx::Error>(Self::Sqlite { writer, reader })
        };
        for _ in 1..WAL_TRIES_MAX {
            match connect().await.map_err(StoreError::from) {
                // Of several that change a new file to write-ahead at once SQLite lets one do it, and
                // turns the others away without waiting.
                Err(StoreError::Unavailable(sqlx::Error::Database(_))) => tokio::time::sleep(WAL_PAUSE).await,
                connected => return connected,
            }
        }
        Ok(connect().await?)
    }

    async fn connect_postgres(settings: &PostgresSettings) -> Result<Self> {
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
pub(super) fn protect(path: &Path) -> io::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(FILE_MODE))
}
