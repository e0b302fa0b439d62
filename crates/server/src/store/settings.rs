//! Facts about the installation as a whole, by name.
use super::db::Db;
use super::error::Result;
use super::exec::Exec;
use crate::sql;

/// The value under a name.
pub async fn get(on: impl Exec, name: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = on.opt(sql!("select value from settings where name = $1", name)).await?;
    Ok(row.map(|(value,)| value))
}

/// The value under a name in a database whose schema may be older than this program, or not there
/// at all: `None` then.
pub async fn peek(db: &Db, name: &str) -> Result<Option<String>> {
    let tables = sql!(
        sqlite: "select count(*) from sqlite_master where type = 'table' and name = 'settings'",
        postgres: "select count(*) from (select to_regclass('settings') as found) as t where found is not null"
    );
    let (tables,): (i64,) = db.one(tables).await?;
    if tables == 0 { Ok(None) } else { get(db, name).await }
}

/// Sets the value under a name.
pub async fn set(on: impl Exec, name: &str, value: &str) -> Result<()> {
    let query = sql!(
        "insert into settings (name, value) values ($1, $2)
         on conflict (name) do update set value = excluded.value",
        name,
        value
    );
    on.run(query).await.map(drop)
}

/// The value under a name, which is `value` from now on where there was none. Of several that ask at
/// once, all get the same.
pub async fn get_or_set(db: &Db, name: &str, value: &str) -> Result<String> {
    let query =
        sql!("insert into settings (name, value) values ($1, $2) on conflict (name) do nothing", name, value);
    db.run(query).await?;
    let (value,): (String,) = db.one(sql!("select value from settings where name = $1", name)).await?;
    Ok(value)
}
