//! Copies of the embedded control plane.
use super::error::{Result, StoreError};
use super::open::protect;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::time::Duration;

/// How long a copy waits for a writer that holds the file, in seconds.
const BUSY_S: u64 = 30;

/// Copies a SQLite file as it is at one moment, whether a server writes to it or not, into a file
/// that is not there yet.
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(StoreError::File { path: to.display().to_string(), source });
    }
    let mut connection = open(from).await?;
    // SQLite writes into an empty file that is there: nobody else can read it at any time.
    protect(to).map_err(|source| StoreError::File { path: to.display().to_string(), source })?;
    let path = to.display().to_string();
    sqlx::query("vacuum into $1").bind(path).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// What SQLite finds wrong with a file; nothing when it is sound.
pub async fn check_sqlite(path: &Path) -> Result<Vec<String>> {
    let mut connection = open(path).await?;
    let found: Vec<(String,)> = sqlx::query_as("pragma integrity_check").fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(found.into_iter().map(|(line,)| line).filter(|line| line != "ok").collect())
}

/// The value of a setting in a SQLite file.
pub async fn setting_of_sqlite(path: &Path, name: &str) -> Result<Option<String>> {
    let mut connection = open(path).await?;
    let query = sqlx::query_as("select value from settings where name = $1").bind(name);
    let row: Option<(String,)> = query.fetch_optional(&mut connection).await?;
    connection.close().await?;
    Ok(row.map(|(value,)| value))
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(BUSY_S));
    Ok(options.connect().await?)
}
