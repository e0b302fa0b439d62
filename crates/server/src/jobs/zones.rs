//! The time zones that cut a project's periods.
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The customers with a time zone of their own, by zone.
#[derive(Clone, Debug)]
pub struct OwnZone {
    /// The zone.
    pub zone: TimeZone,
    /// Whose it is.
    pub customers: Arc<BTreeSet<String>>,
}

/// The project's zone, and those that customers have instead of it.
#[derive(Clone, Debug)]
pub struct Zones {
    project: TimeZone,
    own: Vec<OwnZone>,
    with_own: Arc<BTreeSet<String>>,
}

impl Zones {
    /// The project's zone, and the zones of customers that have one of their own, by name; `Err` is
    /// a name that `find` does not know.
    pub fn new(
        project: &str,
        own: Vec<(String, String)>,
        find: impl Fn(&str) -> Option<TimeZone>,
    ) -> Result<Self, String> {
        let find = |name: &str| find(name).ok_or_else(|| name.to_owned());
        let with_own = own.iter().map(|(customer, _)| customer.clone()).collect();
        let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (customer, name) in own {
            by_name.entry(name).or_default().insert(customer);
        }
        let own = |(name, customers): (String, BTreeSet<String>)| {
            Ok(OwnZone { zone: find(&name)?, customers: Arc::new(customers) })
        };
        let own = by_name.into_iter().map(own).collect::<Result<_, String>>()?;
        Ok(Self { project: find(project)?, own, with_own: Arc::new(with_own) })
    }

    /// The project's zone.
    pub fn project(&self) -> &TimeZone {
        &self.project
    }

    /// The zones of customers that have one of their own.
    pub fn own(&self) -> &[OwnZone] {
        &self.own
    }

    /// The customers that have one of their own.
    pub fn with_own(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.with_own)
    }

    /// Every zone.
    pub fn all(&self) -> impl Iterator<Item = &TimeZone> {
        std::iter::once(&self.project).chain(self.own.iter().map(|own| &own.zone))
    }
}
