//! The meters of every project, at hand for each request.
use parking_lot::RwLock;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Catalogue};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The current catalogue of each project. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Catalogues {
    by_project: Arc<RwLock<HashMap<ProjectId, Arc<Catalogue>>>>,
}

impl Catalogues {
    /// A project's meters; none for a project that is not known.
    pub fn of(&self, project: ProjectId) -> Arc<Catalogue> {
        self.by_project.read().get(&project).cloned().unwrap_or_default()
    }

    /// The event types that meters of a project read as levels: what changes one changes all later ones.
    pub fn carried_types(&self, project: ProjectId) -> Vec<String> {
        let catalogue = self.of(project);
        let levels = catalogue.iter().filter(|meter| meter.aggregation == Aggregation::TimeWeightedAvg);
        let types: BTreeSet<String> = levels.map(|meter| meter.event_type.clone()).collect();
        types.into_iter().collect()
    }

    /// Puts a project's meters in force.
    pub fn put(&self, project: ProjectId, catalogue: Catalogue) {
        self.by_project.write().insert(project, Arc::new(catalogue));
    }
}
