//! What customers hold, as meters of levels count it.
use crate::events::{Events, EventsError, GroupBy, UsageQuery};
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Catalogue, Meter};
use reckoner_domain::sum::Sum;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// What is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The customer's own id.
    pub customer: String,
    /// The subject that holds it.
    pub subject: Option<String>,
    /// How much; below zero where more was released than was held.
    pub level: Sum,
}

/// The meters of a project that count levels.
pub fn meters(catalogue: &Catalogue) -> Vec<Meter> {
    let levels = catalogue.iter().filter(|meter| meter.aggregation == Aggregation::TimeWeightedAvg);
    levels.cloned().collect()
}

/// What these customers hold, by subject, before what happens at `end`.
pub async fn before(
    events: &Events,
    project: ProjectId,
    meter: &Meter,
    customers: Vec<String>,
    end: Timestamp,
) -> Result<Vec<Level>, EventsError> {
    let window = Window { start: end.plus_micros(-1), end };
    let query = UsageQuery {
        customers,
        group_by: vec![GroupBy::Customer, GroupBy::Subject],
        ..UsageQuery::new(project, meter.clone(), vec![window])
    };
    let rows = events.query(query).await?;
    let level = |row: crate::events::Row| {
        Some(Level { customer: row.customer?, subject: row.subject, level: row.closing? })
    };
    Ok(rows.into_iter().filter_map(level).collect())
}
