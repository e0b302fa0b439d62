//! The time zones that customers' billing and quotas follow.
use crate::clock;
use crate::store::customer_zones::{self, ZoneHistory};
use crate::store::{Db, StoreError, Tx, project_zones, projects};
use crate::zones::calendars;
use jiff::tz::TimeZone;
use reckoner_domain::calendar::Calendars;
use reckoner_domain::id::ProjectId;
use std::collections::HashMap;
use std::sync::Arc;

/// The zone that a customer's next billing period follows: its own, or its project's.
pub(super) async fn zone_of(
    tx: &mut Tx,
    project: ProjectId,
    own: Option<&str>,
) -> Result<TimeZone, StoreError> {
    let name = match own {
        Some(name) => name.to_owned(),
        None => projects::get(tx, project).await?.time_zone,
    };
    clock::zone(&name).ok_or_else(|| StoreError::corrupt("time_zone", name))
}

/// Customers whose zones are read by name; where there are more, all are read.
const NAMED_MAX: usize = 1_000;

/// The calendars of each of these customers of a project, by their own ids, over every change of zone.
pub async fn calendars_of<'a>(
    db: &Db,
    project: ProjectId,
    customers: &[&'a str],
) -> Result<HashMap<&'a str, Arc<Calendars>>, StoreError> {
    let zones = project_zones::get(db, project).await?;
    let own = if customers.len() > NAMED_MAX {
        customer_zones::histories(db, project).await?
    } else {
        customer_zones::histories_of(db, project, customers).await?
    };
    let own: HashMap<String, ZoneHistory> = own.into_iter().collect();
    let read = |history: &ZoneHistory| {
        calendars(&zones, history, clock::zone).map_err(|name| StoreError::corrupt("time_zone", name))
    };
    let shared = Arc::new(read(&ZoneHistory::default())?);
    let of = |customer: &&'a str| {
        let calendars = match own.get(*customer) {
            Some(history) => Arc::new(read(history)?),
            None => Arc::clone(&shared),
        };
        Ok((*customer, calendars))
    };
    customers.iter().map(of).collect()
}
