//! Stored values back into the domain's types.
use super::error::{Result, StoreError};
use reckoner_domain::id::{IdError, ProjectId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A stored instant.
pub fn time(column: &'static str, micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).ok_or_else(|| StoreError::corrupt(column, "not in the years 0001 to 9999"))
}

/// A stored instant that may be absent.
pub(super) fn opt_time(column: &'static str, micros: Option<i64>) -> Result<Option<Timestamp>> {
    micros.map(|micros| time(column, micros)).transpose()
}

/// A stored count or version that fits 32 bits.
pub fn count(column: &'static str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|error| StoreError::corrupt(column, error))
}

/// A stored number that is never negative.
pub fn sequence(column: &'static str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| StoreError::corrupt(column, error))
}

/// A stored number of things that are held in memory.
pub fn place(column: &'static str, number: i64) -> Result<usize> {
    usize::try_from(number).map_err(|error| StoreError::corrupt(column, error))
}

/// A stored project number.
pub(super) fn project(number: i64) -> Result<ProjectId> {
    count("project_id", number).map(ProjectId)
}

/// A stored amount.
pub(super) fn money(column: &'static str, currency: &str, amount: &str) -> Result<Money> {
    let currency = currency.parse().map_err(|error| StoreError::corrupt("currency", error))?;
    Money::parse(amount, currency).map_err(|error| StoreError::corrupt(column, error))
}

/// A stored identifier.
pub(super) fn id<T: TryFrom<String, Error = IdError>>(text: String) -> Result<T> {
    T::try_from(text).map_err(|error| StoreError::corrupt("id", error))
}

/// A stored JSON text.
pub fn json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(column, error))
}

/// Rows into what they stand for.
pub(super) fn each<R, T>(rows: Vec<R>, convert: impl Fn(R) -> Result<T>) -> Result<Vec<T>> {
    rows.into_iter().map(convert).collect()
}

/// What belongs to each key, in the order in which it came.
pub(super) fn grouped<K: Ord, T>(rows: Vec<(K, T)>) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, value) in rows {
        groups.entry(key).or_default().push(value);
    }
    groups
}
