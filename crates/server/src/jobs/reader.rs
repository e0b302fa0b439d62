//! Reads meters for many customers at once; where that fails, for fewer and fewer, until those are
//! found that fail by themselves.
use super::plan::{Task, Who};
use crate::events::{Events, EventsError, GroupBy, Row, UsageQuery};
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Meter;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::BTreeMap;

/// Names customers in a query up to this many; beyond, all are read and the rest left out.
const NAMED_CUSTOMERS_MAX: usize = 500;
/// Customers of a query after one of all of them failed.
const PART_CUSTOMERS: usize = 10_000;
/// Customers found to fail by themselves before the rest of a failing part is no longer told apart.
const FAILED_ALONE_MAX: usize = 100;

/// Customers that failed, each with the reason.
pub type Failed = BTreeMap<String, String>;

/// Reads one period of some customers, meter by meter.
pub struct Reader<'a> {
    events: &'a Events,
    project: ProjectId,
    window: Window,
    who: &'a Who,
    as_of: Option<Timestamp>,
    failed: Failed,
}

impl<'a> Reader<'a> {
    /// Nothing has been read; only what was received until `as_of` is to be.
    pub fn new(events: &'a Events, project: ProjectId, task: &'a Task, as_of: Option<Timestamp>) -> Self {
        let window = Window { start: task.span.start, end: task.span.end };
        Self { events, project, window, who: &task.who, as_of, failed: Failed::new() }
    }

    /// The customers that failed for any meter.
    pub fn failed(self) -> Failed {
        self.failed
    }

    /// A meter's value for each customer with events. An error is the engine's end; whatever else
    /// goes wrong is noted as the customers' failure.
    pub async fn read(&mut self, meter: &Meter) -> Result<Vec<Row>, EventsError> {
        let named = match self.who {
            Who::Only(customers) if customers.len() <= NAMED_CUSTOMERS_MAX => {
                customers.iter().cloned().collect()
            }
            Who::Only(_) | Who::AllBut(_) => Vec::new(),
        };
        match self.query(meter, named).await {
            Err(EventsError::Stopping) => Err(EventsError::Stopping),
            Err(error) => {
                tracing::warn!(%error, meter = %meter.key, "a meter is read in parts");
                self.read_in_parts(meter).await
            }
            rows => rows,
        }
    }

    async fn query(&self, meter: &Meter, customers: Vec<String>) -> Result<Vec<Row>, EventsError> {
        let mut query = UsageQuery::new(self.project, meter.clone(), vec![self.window]);
        query.group_by = vec![GroupBy::Customer];
        query.customers = customers;
        query.as_of = self.as_of;
        let mut rows = self.events.query(query).await?;
        let concerns = |row: &Row| row.customer.as_deref().is_some_and(|customer| self.who.has(customer));
        rows.retain(|row| row.events > 0 && concerns(row));
        Ok(rows)
    }

    async fn read_in_parts(&mut self, meter: &Meter) -> Result<Vec<Row>, EventsError> {
        let customers = match self.who {
            Who::Only(customers) => customers.iter().cloned().collect(),
            Who::AllBut(_) => {
                self.events.customers(self.project).await?.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
        };
        let customers: Vec<String> =
            customers.into_iter().filter(|customer| self.who.has(customer)).collect();
        let mut parts: Vec<Vec<String>> = customers.chunks(PART_CUSTOMERS).map(<[_]>::to_vec).collect();
        let mut rows = Vec::new();
        while let Some(mut part) = parts.pop() {
            match self.query(meter, part.clone()).await {
                Ok(found) => rows.extend(found),
                Err(EventsError::Stopping) => return Err(EventsError::Stopping),
                Err(_) if part.len() > 1 && self.failed.len() < FAILED_ALONE_MAX => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([part, rest]);
                }
                Err(error) => {
                    let reason = format!("meter {}: {error}", meter.key);
                    self.failed.extend(part.into_iter().map(|customer| (customer, reason.clone())));
                }
            }
        }
        Ok(rows)
    }
}
