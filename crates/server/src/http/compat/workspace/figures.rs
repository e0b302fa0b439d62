//! What was used in a window, by the project's meters.
use super::Owner;
use super::feed::Asked;
use super::numbers::{gigabytes, value};
use super::resources::{Meters, Resource};
use super::sent::SOURCE;
use crate::config::Workspace;
use crate::events::{Events, EventsError, GroupBy, Row, UsageQuery};
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::json::Path;
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::resource_invoice::PerResource;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::BTreeMap;

/// Where figures are read.
pub struct Reader<'a> {
    /// The event engine.
    pub events: &'a Events,
    /// The project.
    pub project: ProjectId,
    /// Its meters.
    pub meters: &'a Meters,
    /// Whose usage.
    pub owner: &'a Owner,
    /// The project's time: what was held is known until then.
    pub now: Timestamp,
    /// Only what was received until then.
    pub as_of: Option<Timestamp>,
}

/// What was used in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of traffic.
    pub traffic_bytes: Ratio,
    /// Bytes held on average, as far as the window has passed; at no instant fewer than none.
    pub storage_bytes: Ratio,
    /// Weighted units of compute.
    pub compute_units: Ratio,
}

/// What usage costs, unrounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of traffic.
    pub traffic: Ratio,
    /// Of storage.
    pub storage: Ratio,
    /// Of compute.
    pub compute: Ratio,
    /// Of all.
    pub total: Ratio,
}

impl Figures {
    /// GB, GB-months and units, in the order of invoices.
    pub fn billed(&self) -> PerResource<Ratio> {
        [gigabytes(self.traffic_bytes), gigabytes(self.storage_bytes), self.compute_units]
    }

    /// What it costs at these rates. What is below zero costs nothing.
    pub fn cost(&self, rates: &Workspace) -> Result<Cost, Overflow> {
        let of = |quantity: Ratio, rate| quantity.max(Ratio::ZERO).times(Ratio::from(rate));
        let traffic = of(gigabytes(self.traffic_bytes), rates.rate_traffic_gb)?;
        let storage = of(gigabytes(self.storage_bytes), rates.rate_storage_gb_month)?;
        let compute = of(self.compute_units, rates.rate_compute_unit)?;
        Ok(Cost { traffic, storage, compute, total: traffic.plus(storage)?.plus(compute)? })
    }
}

/// How many events there were, by what tells them apart.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// By source.
    pub by_source: BTreeMap<String, u64>,
    /// By resource.
    pub by_resource: BTreeMap<&'static str, u64>,
    /// By workspace; those of none are left out.
    pub by_workspace: BTreeMap<String, u64>,
}

impl Reader<'_> {
    /// The figures of each of these contiguous windows.
    pub async fn of(&self, windows: &[Window]) -> Result<Vec<Figures>, EventsError> {
        let mut figures = vec![Figures::default(); windows.len()];
        let traffic = self.rows(Resource::Traffic, windows).await?;
        let compute = self.rows(Resource::Compute, windows).await?;
        for (figures, (traffic, compute)) in figures.iter_mut().zip(traffic.iter().zip(&compute)) {
            figures.traffic_bytes = value(traffic);
            figures.compute_units = value(compute);
        }
        // What will be held is not known: a mean is of what has passed.
        let passed = windows.iter().filter(|window| window.start < self.now);
        let passed = passed.map(|window| Window { end: window.end.min(self.now), ..*window });
        let passed: Vec<Window> = passed.collect();
        let storage = self.rows(Resource::Storage, &passed).await?;
        for (figures, row) in figures.iter_mut().zip(&storage) {
            figures.storage_bytes = value(row);
        }
        Ok(figures)
    }

    /// A row for each window.
    async fn rows(&self, resource: Resource, windows: &[Window]) -> Result<Vec<Row>, EventsError> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let meter = self.meters.get(resource).clone();
        self.events.query(UsageQuery { fill_zero: true, ..self.query(meter, windows.to_vec()) }).await
    }

    fn query(&self, meter: Meter, windows: Vec<Window>) -> UsageQuery {
        UsageQuery {
            customers: self.owner.organization.iter().cloned().collect(),
            subjects: self.owner.workspace.iter().cloned().collect(),
            as_of: self.as_of,
            ..UsageQuery::new(self.project, meter, windows)
        }
    }

    /// How many events there are of what is asked for.
    pub async fn counts(&self, asked: &Asked) -> Result<Counts, EventsError> {
        let mut counts = Counts::default();
        let window =
            Window { start: asked.from.unwrap_or(Timestamp::MIN), end: asked.to.unwrap_or(Timestamp::MAX) };
        if window.start >= window.end {
            return Ok(counts);
        }
        for resource in &asked.resources {
            for row in self.count_rows(*resource, asked, window).await? {
                counts.add(*resource, &row, asked.source.as_deref());
            }
        }
        Ok(counts)
    }

    async fn count_rows(
        &self,
        resource: Resource,
        asked: &Asked,
        window: Window,
    ) -> Result<Vec<Row>, EventsError> {
        let keyed = (MeterKey::parse(resource.event_type()), Path::parse(&format!("$.{SOURCE}")));
        let (Ok(key), Ok(source)) = keyed else { return Ok(Vec::new()) };
        let mut meter = Meter::plain(MeterId::from_bits(0), key, Aggregation::Count);
        // What was dropped is not counted; what is kept of it is.
        meter.starts_at = self.events.dropped_until(self.project);
        let query = self.query(meter, vec![window]);
        let group_by = vec![GroupBy::Subject, GroupBy::Property(source)];
        self.events.query(UsageQuery { filters: asked.filters(), group_by, ..query }).await
    }
}

impl Counts {
    fn add(&mut self, resource: Resource, row: &Row, only: Option<&str>) {
        let source = row.group.first().cloned().flatten();
        let source = source.unwrap_or_else(|| resource.usual_source().to_owned());
        if only.is_some_and(|only| only != source) {
            return;
        }
        self.total += row.events;
        *self.by_source.entry(source).or_default() += row.events;
        *self.by_resource.entry(resource.as_str()).or_default() += row.events;
        if let Some(workspace) = &row.subject {
            *self.by_workspace.entry(workspace.clone()).or_default() += row.events;
        }
    }
}
