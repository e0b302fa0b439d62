//! What a run looks at: how far the job has come, what changed since, and which hours have events.
use super::plan::{Scene, horizon};
use super::run::JobError;
use super::{AGGREGATE, Jobs};
use crate::clock;
use crate::config::Definitions;
use crate::store::customer_zones::ZoneHistory;
use crate::store::watermarks::{self, Watermark};
use crate::store::{customer_zones, project_zones};
use crate::zones::Zones;
use reckoner_domain::id::ProjectId;
use reckoner_domain::period::Period;
use reckoner_domain::time::{HOUR, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known at one moment.
pub struct View {
    /// How far the job has come; `None` before its first run.
    pub mark: Option<Watermark>,
    /// Every event up to this sequence is seen.
    pub through_sequence: u64,
    definitions: Arc<Definitions>,
    /// Kinds of periods that are aggregated now and were not when the job had come so far.
    new_periods: Vec<Period>,
    zones: Zones,
    active_hours: Vec<i64>,
    changed: BTreeMap<i64, Vec<Arc<str>>>,
}

impl View {
    /// Until when completed periods were dealt with.
    pub fn done_until(&self) -> Timestamp {
        self.mark.as_ref().map_or(Timestamp::MIN, |mark| mark.time)
    }

    /// The kinds of periods that are aggregated.
    pub fn periods(&self) -> &[Period] {
        &self.definitions.periods
    }

    /// What there is to do at `now`; the view must reach that far.
    pub fn scene(&self, now: Timestamp, with_current: bool) -> Scene<'_> {
        Scene {
            periods: &self.definitions.periods,
            zones: &self.zones,
            done_until: self.done_until(),
            new_periods: &self.new_periods,
            now,
            active_hours: &self.active_hours,
            changed: &self.changed,
            with_current,
        }
    }
}

impl Jobs {
    /// Looks at a project's events of all times up to `until`.
    pub(super) async fn view(&self, project: ProjectId, until: Timestamp) -> Result<View, JobError> {
        // Before the zones are read: whoever changes one from now on begins after what is seen here.
        watermarks::reach(&self.db, project, AGGREGATE, until).await?;
        let mark = watermarks::get(&self.db, project, AGGREGATE).await?;
        let (sequence, done_until) =
            mark.as_ref().map_or((0, Timestamp::MIN), |mark| (mark.sequence, mark.time));
        let definitions = self.definitions.read().clone();
        let dealt_with = |period: &Period| mark.as_ref().is_some_and(|mark| mark.periods.contains(period));
        let new_periods: Vec<Period> =
            definitions.periods.iter().filter(|period| !dealt_with(period)).copied().collect();
        let own_zones = customer_zones::histories(&self.db, project).await?;
        let zones = self.zones(project, own_zones).await?;
        // Later hours belong to periods that are still to be dealt with, for everyone.
        let carried = self.catalogues.carried_types(project);
        let changes = self.events.changed(project, sequence, done_until, carried).await?;
        let from = horizon(&definitions.periods, &new_periods, &zones, done_until);
        let active_hours = self.events.active_hours(project, from, until.plus_micros(HOUR)).await?;
        Ok(View {
            mark,
            through_sequence: changes.through_sequence,
            definitions,
            new_periods,
            zones,
            active_hours,
            changed: changes.by_hour,
        })
    }

    /// The periods of these customers, by their own ids.
    pub async fn zones_of(&self, project: ProjectId, customers: &[&str]) -> Result<Zones, JobError> {
        let own_zones = customer_zones::histories_of(&self.db, project, customers).await?;
        self.zones(project, own_zones).await
    }

    pub(super) async fn zones(
        &self,
        project: ProjectId,
        own: Vec<(String, ZoneHistory)>,
    ) -> Result<Zones, JobError> {
        let project_zones = project_zones::get(&self.db, project).await?;
        Zones::new(&project_zones, own, clock::zone).map_err(JobError::UnknownZone)
    }
}
