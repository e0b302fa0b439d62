//! The database and its transactions.
use super::error::Result;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

/// Which engine the control plane runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, in a file of the data directory.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// The control plane's database; clones share their connections.
#[derive(Clone, Debug)]
pub enum Db {
    /// SQLite: one connection writes, so that writers queue instead of failing.
    Sqlite {
        /// The one connection that writes.
        writer: SqlitePool,
        /// Connections that read, each from a consistent snapshot.
        reader: SqlitePool,
    },
    /// PostgreSQL.
    Postgres(PgPool),
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Open connections.
    pub open: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// The most there may be.
    pub max: u32,
}

/// A transaction; dropping it takes everything back.
#[derive(Debug)]
pub enum Tx {
    /// On SQLite, holding the write lock from the start.
    Sqlite(Transaction<'static, Sqlite>),
    /// On PostgreSQL, at READ COMMITTED.
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            // A deferred transaction that reads before it writes fails at once when another wrote.
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("begin immediate").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// The engine below.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// The connections at this moment.
    pub fn pool_state(&self) -> PoolState {
        fn state<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> PoolState {
            let max = pool.options().get_max_connections();
            PoolState { open: pool.size(), idle: pool.num_idle().try_into().unwrap_or(max), max }
        }
        match self {
            Self::Sqlite { writer, reader } => {
                let (writer, reader) = (state(writer), state(reader));
                PoolState {
                    open: writer.open + reader.open,
                    idle: writer.idle + reader.idle,
                    max: writer.max + reader.max,
                }
            }
            Self::Postgres(pool) => state(pool),
        }
    }

    /// Waits for running statements and closes every connection.
    pub async fn close(&self) {
        match self {
            // The writer last: closing the last connection folds the write-ahead log into the file.
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Makes all of it durable and visible.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// Takes all of it back; dropping does the same without waiting.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await?,
            Self::Postgres(transaction) => transaction.rollback().await?,
        }
        Ok(())
    }
}
