//! Names that are shown for subjects, at hand for lists of events.
use crate::store::{Db, StoreError, subjects};
use parking_lot::Mutex;
use reckoner_domain::id::ProjectId;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Most subjects whose names are at hand; when there are more, all are let go of.
const NAMES_MAX: usize = 10_000;

/// Names that were looked up. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// `None` for a subject without a name.
    names: HashMap<(ProjectId, Box<str>), Option<Arc<str>>>,
    /// Rises when a name changes: what was read before is not kept after.
    changes: u64,
}

impl Names {
    /// The names of those of these subjects that have one.
    pub async fn of(
        &self,
        db: &Db,
        project: ProjectId,
        asked: BTreeSet<&str>,
    ) -> Result<HashMap<String, Arc<str>>, StoreError> {
        let (mut found, unknown, changes) = self.known(project, asked);
        if unknown.is_empty() {
            return Ok(found);
        }
        let read: HashMap<String, Arc<str>> = subjects::names(db, project, &unknown)
            .await?
            .into_iter()
            .map(|(subject, name)| (subject, name.into()))
            .collect();
        let mut known = self.0.lock();
        if known.changes == changes {
            if known.names.len() + unknown.len() > NAMES_MAX {
                known.names.clear();
            }
            let names =
                unknown.iter().map(|subject| ((project, Box::from(*subject)), read.get(*subject).cloned()));
            known.names.extend(names);
        }
        drop(known);
        found.extend(read);
        Ok(found)
    }

    /// The names at hand, the subjects that are not, and how often names have changed.
    fn known<'s>(
        &self,
        project: ProjectId,
        asked: BTreeSet<&'s str>,
    ) -> (HashMap<String, Arc<str>>, Vec<&'s str>, u64) {
        let known = self.0.lock();
        let (mut found, mut unknown) = (HashMap::new(), Vec::new());
        for subject in asked {
            match known.names.get(&(project, Box::from(subject))) {
                Some(name) => found.extend(name.clone().map(|name| (subject.to_owned(), name))),
                None => unknown.push(subject),
            }
        }
        (found, unknown, known.changes)
    }

    /// The name of a subject changed.
    pub fn forget(&self, project: ProjectId, subject: &str) {
        let mut known = self.0.lock();
        known.changes += 1;
        known.names.remove(&(project, Box::from(subject)));
    }

    /// Many names may have changed.
    pub fn forget_all(&self) {
        let mut known = self.0.lock();
        known.changes += 1;
        known.names.clear();
    }
}
