//! The time zones that cut a project's periods.
use crate::store::customer_zones::ZoneHistory;
use jiff::tz::TimeZone;
use reckoner_domain::calendar::{Calendars, ZoneChange};
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
    /// The project's zone, and those that customers have or had instead of it, by name; `Err` is a
    /// name that `find` does not know.
    pub fn new(
        project: &str,
        own: Vec<(String, ZoneHistory)>,
        find: impl Fn(&str) -> Option<TimeZone>,
    ) -> Result<Self, String> {
        let find = |name: &str| find(name).ok_or_else(|| name.to_owned());
        let with_own = own.iter().map(|(customer, _)| customer.clone()).collect();
        let mut by_history: BTreeMap<ZoneHistory, BTreeSet<String>> = BTreeMap::new();
        for (customer, history) in own {
            by_history.entry(history).or_default().insert(customer);
        }
        let named = |name: Option<&String>| find(name.map_or(project, String::as_str));
        let own = |(history, customers): (ZoneHistory, BTreeSet<String>)| {
            let change =
                |(at, name): &(_, Option<String>)| Ok(ZoneChange { at: *at, zone: named(name.as_ref())? });
            let changes = history.changes.iter().map(change).collect::<Result<Vec<_>, String>>()?;
            let calendars = Calendars::new(&named(history.first.as_ref())?, &changes);
            Ok(OwnZone { calendars, customers: Arc::new(customers) })
        };
        let own = by_history.into_iter().map(own).collect::<Result<_, String>>()?;
        Ok(Self { project: Calendars::new(&find(project)?, &[]), own, with_own: Arc::new(with_own) })
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
