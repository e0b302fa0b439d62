//! Running queries, on a database or in a transaction.
use super::db::{Db, Engine, Tx};
use super::error::Result;
use super::query::{Query, Statement, Val};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, FromRow, SqlSafeStr};
use std::future::Future;

/// A row of both engines.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// What runs queries: `&Db`, each query by itself, or `&mut Tx`.
pub trait Exec: Sized + Send {
    /// Every row.
    fn all<T: Record>(self, query: Query) -> impl Future<Output = Result<Vec<T>>> + Send;
    /// The row, if there is one.
    fn opt<T: Record>(self, query: Query) -> impl Future<Output = Result<Option<T>>> + Send;
    /// The row; [`super::StoreError::NotFound`] without one.
    fn one<T: Record>(self, query: Query) -> impl Future<Output = Result<T>> + Send;
    /// Changes rows and says how many.
    fn run(self, query: Query) -> impl Future<Output = Result<u64>> + Send;
}

/// Binds arguments, whatever the engine and the kind of query.
macro_rules! bound {
    ($make:path, $engine:expr, $query:expr) => {{
        let (text, args, keep) = $query.into_parts($engine);
        let mut query = $make(text).persistent(keep);
        for arg in args {
            query = match arg {
                Val::Text(value) => query.bind(value),
                Val::Int(value) => query.bind(value),
                Val::Bool(value) => query.bind(value),
                Val::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

/// Runs a query on a connection of a database.
macro_rules! on_db {
    ($db:expr, $query:expr, $make:path, $fetch:ident) => {
        match $db {
            Db::Sqlite { writer, reader } => {
                let pool = if $query.reads() { reader } else { writer };
                bound!($make, Engine::Sqlite, $query).$fetch(pool).await?
            }
            Db::Postgres(pool) => bound!($make, Engine::Postgres, $query).$fetch(pool).await?,
        }
    };
}

/// Runs a query in a transaction.
macro_rules! on_tx {
    ($tx:expr, $query:expr, $make:path, $fetch:ident) => {
        match $tx {
            Tx::Sqlite(tx) => bound!($make, Engine::Sqlite, $query).$fetch(&mut **tx).await?,
            Tx::Postgres(tx) => bound!($make, Engine::Postgres, $query).$fetch(&mut **tx).await?,
        }
    };
}

/// Rows changed, of either engine.
trait Changed {
    fn changed(&self) -> u64;
}
impl Changed for sqlx::sqlite::SqliteQueryResult {
    fn changed(&self) -> u64 {
        self.rows_affected()
    }
}
impl Changed for sqlx::postgres::PgQueryResult {
    fn changed(&self) -> u64 {
        self.rows_affected()
    }
}

macro_rules! executes {
    ($type:ty, $on:ident, $rows:ident) => {
        impl Exec for $type {
            async fn all<T: Record>(self, query: Query) -> Result<Vec<T>> {
                Ok($on!(self, query, sqlx::query_as, fetch_all))
            }
            async fn opt<T: Record>(self, query: Query) -> Result<Option<T>> {
                Ok($on!(self, query, sqlx::query_as, fetch_optional))
            }
            async fn one<T: Record>(self, query: Query) -> Result<T> {
                Ok($on!(self, query, sqlx::query_as, fetch_one))
            }
            async fn run(self, query: Query) -> Result<u64> {
                Ok($rows!(self, query))
            }
        }
    };
}
macro_rules! rows_on_db {
    ($db:expr, $query:expr) => {
        match $db {
            Db::Sqlite { writer, .. } => {
                bound!(sqlx::query, Engine::Sqlite, $query).execute(writer).await?.changed()
            }
            Db::Postgres(pool) => {
                bound!(sqlx::query, Engine::Postgres, $query).execute(pool).await?.changed()
            }
        }
    };
}
macro_rules! rows_on_tx {
    ($tx:expr, $query:expr) => {
        match $tx {
            Tx::Sqlite(tx) => bound!(sqlx::query, Engine::Sqlite, $query).execute(&mut **tx).await?.changed(),
            Tx::Postgres(tx) => {
                bound!(sqlx::query, Engine::Postgres, $query).execute(&mut **tx).await?.changed()
            }
        }
    };
}
executes!(&Db, on_db, rows_on_db);
executes!(&mut Tx, on_tx, rows_on_tx);

impl Db {
    /// Lets the engine parse and plan a statement without running it.
    pub async fn prepare(&self, statement: &'static Statement) -> Result<()> {
        match self {
            Self::Sqlite { writer, .. } => {
                writer.prepare(statement.sqlite.into_sql_str()).await?;
            }
            Self::Postgres(pool) => {
                pool.prepare(statement.postgres.into_sql_str()).await?;
            }
        }
        Ok(())
    }
}
