//! The time zones that cut the periods of projects and of their customers.
use crate::store::customer_zones::ZoneHistory;
use crate::store::project_zones::ProjectZones;
use jiff::tz::TimeZone;
use reckoner_domain::calendar::{Calendars, ZoneChange};
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The customers that have or had a time zone of their own and whose zones changed alike.
#[derive(Clone, Debug)]
pub struct OwnZone {
    /// Their periods.
    pub calendars: Calendars,
    /// Who they are.
    pub customers: Arc<BTreeSet<String>>,
}

/// The project's periods, and those that customers have instead of them.
#[derive(Clone, Debug)]
pub struct Zones {
    project: Calendars,
    own: Vec<OwnZone>,
    with_own: Arc<BTreeSet<String>>,
}

impl Zones {
    /// The project's zones, and those that customers have or had instead of them, by name; `Err` is a
    /// name that `find` does not know.
    pub fn new(
        project: &ProjectZones,
        own: Vec<(String, ZoneHistory)>,
        find: impl Fn(&str) -> Option<TimeZone>,
    ) -> Result<Self, String> {
        let with_own = own.iter().map(|(customer, _)| customer.clone()).collect();
        let mut by_history: BTreeMap<ZoneHistory, BTreeSet<String>> = BTreeMap::new();
        for (customer, history) in own {
            by_history.entry(history).or_default().insert(customer);
        }
        let own = |(history, customers): (ZoneHistory, BTreeSet<String>)| {
            Ok(OwnZone { calendars: calendars(project, &history, &find)?, customers: Arc::new(customers) })
        };
        let own = by_history.into_iter().map(own).collect::<Result<_, String>>()?;
        let project = calendars(project, &ZoneHistory::default(), &find)?;
        Ok(Self { project, own, with_own: Arc::new(with_own) })
    }

    /// The project's periods.
    pub fn project(&self) -> &Calendars {
        &self.project
    }

    /// The periods of customers that have or had a zone of their own.
    pub fn own(&self) -> &[OwnZone] {
        &self.own
    }

    /// The customers that have or had one of their own.
    pub fn with_own(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.with_own)
    }

    /// The periods of each customer that has or had a zone of its own.
    pub fn by_customer(&self) -> BTreeMap<&str, &Calendars> {
        let each = self
            .own
            .iter()
            .flat_map(|own| own.customers.iter().map(move |customer| (customer.as_str(), &own.calendars)));
        each.collect()
    }

    /// Everyone's periods.
    pub fn all(&self) -> impl Iterator<Item = &Calendars> {
        std::iter::once(&self.project).chain(self.own.iter().map(|own| &own.calendars))
    }
}

/// A customer's periods; `Err` is the name of a zone that `find` does not know.
pub fn calendars(
    project: &ProjectZones,
    own: &ZoneHistory,
    find: impl Fn(&str) -> Option<TimeZone>,
) -> Result<Calendars, String> {
    let find = |name: &str| find(name).ok_or_else(|| name.to_owned());
    let (first, changes) = in_force(project, own);
    let change = |(at, name)| Ok(ZoneChange { at, zone: find(name)? });
    let changes = changes.into_iter().map(change).collect::<Result<Vec<_>, String>>()?;
    Ok(Calendars::new(&find(first)?, &changes))
}

/// The zone that a customer's periods had at first, and each that followed: its own, and the
/// project's while it had none.
fn in_force<'a>(project: &'a ProjectZones, own: &'a ZoneHistory) -> (&'a str, Vec<(Timestamp, &'a str)>) {
    enum Of<'a> {
        Project(&'a str),
        Customer(Option<&'a str>),
    }
    let of_project = project.changes.iter().map(|(at, zone)| (*at, Of::Project(zone)));
    let of_customer = own.changes.iter().map(|(at, zone)| (*at, Of::Customer(zone.as_deref())));
    let mut made: Vec<(Timestamp, Of<'_>)> = of_project.chain(of_customer).collect();
    made.sort_by_key(|(at, _)| *at);
    let (mut projects, mut customers) = (project.first.as_str(), own.first.as_deref());
    let first = customers.unwrap_or(projects);
    let change = |(at, change)| {
        match change {
            Of::Project(zone) => projects = zone,
            Of::Customer(zone) => customers = zone,
        }
        (at, customers.unwrap_or(projects))
    };
    (first, made.into_iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros_clamped(micros)
    }

    #[test]
    fn a_customer_follows_its_project_only_while_it_has_no_zone_of_its_own() {
        let project =
            ProjectZones { first: "A".into(), changes: vec![(at(2), "B".into()), (at(6), "C".into())] };
        let none = ZoneHistory { first: None, changes: Vec::new() };
        assert_eq!(in_force(&project, &none), ("A", vec![(at(2), "B"), (at(6), "C")]));
        let changes = vec![(at(1), Some("X".to_owned())), (at(4), None)];
        let own = ZoneHistory { first: None, changes };
        let expected = vec![(at(1), "X"), (at(2), "X"), (at(4), "B"), (at(6), "C")];
        assert_eq!(in_force(&project, &own), ("A", expected));
        let own = ZoneHistory { first: Some("X".into()), changes: Vec::new() };
        assert_eq!(in_force(&project, &own), ("X", vec![(at(2), "X"), (at(6), "X")]));
    }
}
