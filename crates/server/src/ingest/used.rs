//! Customers whose usage moved lately: whoever watches quotas, or alerts, looks at them next.
use parking_lot::Mutex;
use reckoner_domain::id::ProjectId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Notify;

/// Most customers that wait to be looked at; beyond them nobody is added, and whoever is left out is
/// looked at after its next event.
const WAITING_MAX: usize = 100_000;

/// Customers that wait to be looked at, each once. Clones share one state.
#[derive(Clone, Default)]
pub struct Used(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The projects that have quotas, or alerts: usage of others is not noted.
    limited: Mutex<HashSet<ProjectId>>,
    noted: Notify,
}

#[derive(Default)]
struct Waiting {
    by_project: HashMap<ProjectId, HashSet<Box<str>>>,
    count: usize,
}

impl Used {
    /// Says whether a project has quotas, or alerts.
    pub fn set_limited(&self, project: ProjectId, limited: bool) {
        let mut projects = self.0.limited.lock();
        if limited {
            projects.insert(project);
        } else {
            projects.remove(&project);
        }
    }

    /// Notes customers whose usage moved.
    pub fn note<'c>(&self, project: ProjectId, customers: impl Iterator<Item = &'c str>) {
        if !self.0.limited.lock().contains(&project) {
            return;
        }
        let mut waiting = self.0.waiting.lock();
        let Waiting { by_project, count } = &mut *waiting;
        let of = by_project.entry(project).or_default();
        for customer in customers {
            if *count < WAITING_MAX && !of.contains(customer) {
                of.insert(customer.into());
                *count += 1;
            }
        }
        drop(waiting);
        self.0.noted.notify_one();
    }

    /// Waits until there are some, and takes them all.
    pub async fn next(&self) -> Vec<(ProjectId, Box<str>)> {
        loop {
            let noted = self.0.noted.notified();
            let waiting = std::mem::take(&mut *self.0.waiting.lock());
            if waiting.count > 0 {
                let each = waiting.by_project.into_iter();
                return each
                    .flat_map(|(project, of)| of.into_iter().map(move |one| (project, one)))
                    .collect();
            }
            noted.await;
        }
    }
}
