//! The meters of every project, at hand for each request.
use parking_lot::RwLock;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Catalogue;
use std::collections::HashMap;
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

    /// Puts a project's meters in force.
    pub fn put(&self, project: ProjectId, catalogue: Catalogue) {
        self.by_project.write().insert(project, Arc::new(catalogue));
    }
}
