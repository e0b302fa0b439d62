//! What can go wrong in the store, as callers tell it apart.
use crate::random::NoRandomness;

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store did not do what was asked; nothing of the transaction stays.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such object in this project.
    #[error("not found")]
    NotFound,
    /// A key that must be unique is taken.
    #[error("already exists")]
    Conflict,
    /// The object has another version than the one that was to be changed.
    #[error("changed since it was read")]
    Stale,
    /// The database cannot be reached, is overloaded, full or shutting down: try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement, which is a defect of this program.
    #[error("database error: {0}")]
    Internal(#[source] sqlx::Error),
    /// A stored value does not read back.
    #[error("a stored value of {column} is unreadable: {reason}")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// Why it is unreadable.
        reason: String,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The schema could not be brought up to date.
    #[error("the schema could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The schema is not this program's, and was not to be changed.
    #[error(
        "its schema has number {found}, this program's has {ours}: take the program of the server that runs \
         on it, or start the server with this one first"
    )]
    OtherSchema {
        /// The number of the schema; 0 when there is none.
        found: i64,
        /// The number that this program works with.
        ours: i64,
    },
    /// The database file could not be made or protected.
    #[error("the database file {path} cannot be used: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether the database has no space left.
    pub fn is_out_of_space(&self) -> bool {
        let Self::Unavailable(sqlx::Error::Database(error)) = self else { return false };
        says_full(error.code().as_deref().unwrap_or_default())
    }

    /// A stored value that does not read back.
    pub fn corrupt(column: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt { column, reason: reason.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::RowNotFound => Self::NotFound,
            E::Database(database) if database.is_unique_violation() => Self::Conflict,
            E::Database(database) if passes(database.code().as_deref().unwrap_or_default()) => {
                Self::Unavailable(error)
            }
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unavailable(error)
            }
            _ => Self::Internal(error),
        }
    }
}

/// Whether an engine's error code says that the disk is full.
fn says_full(code: &str) -> bool {
    const SQLITE_FULL: u32 = 13;
    const POSTGRES_DISK_FULL: &str = "53100";
    code == POSTGRES_DISK_FULL || (code.len() < 5 && code.parse() == Ok(SQLITE_FULL))
}

/// Whether an engine's error code means trouble that passes: five characters are a SQLSTATE of
/// PostgreSQL, the rest SQLite's extended result codes.
fn passes(code: &str) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_FULL: u32 = 13;
    const SQLITE_CANTOPEN: u32 = 14;
    if code.len() == 5 {
        // Connection, resources, operator, system and rolled-back-by-the-engine classes; 55P03 is
        // a lock that was not to be had in time, 25P03 an idle transaction that was ended.
        let class = code.get(..2).unwrap_or_default();
        return matches!(class, "08" | "53" | "57" | "58" | "40") || matches!(code, "55P03" | "25P03");
    }
    let primary = code.parse::<u32>().unwrap_or_default() & 0xff;
    matches!(primary, SQLITE_BUSY | SQLITE_LOCKED | SQLITE_IOERR | SQLITE_FULL | SQLITE_CANTOPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_trouble_is_told_from_defects() {
        for code in ["5", "261", "517", "6", "13", "08006", "53300", "57014", "57P01", "40P01", "55P03"] {
            assert!(passes(code), "{code}");
        }
        for code in ["", "1", "19", "2067", "23505", "42601", "22P02", "55000"] {
            assert!(!passes(code), "{code}");
        }
        assert!(says_full("13") && says_full("53100") && !says_full("10") && !says_full("53300"));
        assert!(matches!(StoreError::from(sqlx::Error::RowNotFound), StoreError::NotFound));
        assert!(matches!(StoreError::from(sqlx::Error::PoolTimedOut), StoreError::Unavailable(_)));
    }
}
