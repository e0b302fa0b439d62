//! Customers are made on first use, before their first event is acknowledged.
use parking_lot::RwLock;
use reckoner_domain::id::ProjectId;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The customers known to exist. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct KnownCustomers {
    by_project: Arc<RwLock<HashMap<ProjectId, HashSet<Box<str>>>>>,
}

impl KnownCustomers {
    /// Those of `customers` that are not known yet, each once.
    pub fn unknown<'c>(&self, project: ProjectId, customers: impl Iterator<Item = &'c str>) -> Vec<String> {
        let known = self.by_project.read();
        let known = known.get(&project);
        let new: BTreeSet<&str> =
            customers.filter(|customer| known.is_none_or(|known| !known.contains(*customer))).collect();
        new.into_iter().map(str::to_owned).collect()
    }

    /// Forgets a customer, whose id is free again.
    pub fn forget(&self, project: ProjectId, customer: &str) {
        if let Some(known) = self.by_project.write().get_mut(&project) {
            known.remove(customer);
        }
    }

    /// Remembers customers that exist.
    pub fn remember(&self, project: ProjectId, customers: impl IntoIterator<Item = String>) {
        let mut known = self.by_project.write();
        known.entry(project).or_default().extend(customers.into_iter().map(String::into_boxed_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_customer_is_told_once_per_project() {
        let known = KnownCustomers::default();
        let new = |project| known.unknown(ProjectId(project), ["b", "a", "b"].into_iter());
        assert_eq!(new(1), ["a", "b"]);
        known.remember(ProjectId(1), ["a".to_owned()]);
        assert_eq!(new(1), ["b"]);
        assert_eq!(new(2), ["a", "b"]);
        known.forget(ProjectId(1), "a");
        assert_eq!(new(1), ["a", "b"]);
    }
}
