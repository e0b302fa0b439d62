//! Whose usage a subject's is, at hand for each event: by the event's time.
use crate::store::subjects::Assignment;
use parking_lot::RwLock;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most assignments of a project: all of them are held in memory.
pub const ASSIGNMENTS_MAX: u64 = 100_000;

/// By subject, the customers from their first instants on.
type BySubject = HashMap<Box<str>, BTreeMap<Timestamp, Box<str>>>;

/// The assignments of every project. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Assignments {
    by_project: Arc<RwLock<HashMap<ProjectId, BySubject>>>,
}

/// The assignments of one project.
#[derive(Clone, Copy, Debug)]
pub struct Assigned<'a> {
    /// All there are.
    pub assignments: &'a Assignments,
    /// Whose count.
    pub project: ProjectId,
}

impl Assignments {
    /// Puts an assignment in force.
    pub fn put(&self, project: ProjectId, assignment: Assignment) {
        let mut by_project = self.by_project.write();
        let by_subject = by_project.entry(project).or_default();
        let of_subject = by_subject.entry(assignment.subject.into()).or_default();
        of_subject.insert(assignment.effective_from, assignment.customer.into());
    }

    /// Lets go of a customer's.
    pub fn forget_customer(&self, project: ProjectId, customer: &str) {
        if let Some(by_subject) = self.by_project.write().get_mut(&project) {
            for of_subject in by_subject.values_mut() {
                of_subject.retain(|_, assigned| **assigned != *customer);
            }
            by_subject.retain(|_, of_subject| !of_subject.is_empty());
        }
    }

    /// Whose usage a subject's is at an instant.
    pub fn customer_of(&self, project: ProjectId, subject: &str, at: Timestamp) -> Option<String> {
        let by_project = self.by_project.read();
        let of_subject = by_project.get(&project)?.get(subject)?;
        of_subject.range(..=at).next_back().map(|(_, customer)| customer.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_assignment_at_an_instant_counts() {
        let at = |micros| Timestamp::from_micros_clamped(micros);
        let all = Assignments::default();
        let put = |from, customer: &str| {
            let (subject, customer) = ("w".to_owned(), customer.to_owned());
            let assignment = Assignment { subject, effective_from: at(from), customer, created_at: at(0) };
            all.put(ProjectId(1), assignment);
        };
        put(20, "organisation");
        put(10, "owner");
        let of = |project, time| all.customer_of(ProjectId(project), "w", at(time));
        let shown: Vec<_> = [9, 10, 19, 20, 99].map(|time| of(1, time)).into_iter().collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown, [None, some("owner"), some("owner"), some("organisation"), some("organisation")]);
        assert_eq!((of(2, 20), all.customer_of(ProjectId(1), "x", at(20))), (None, None));
        all.forget_customer(ProjectId(1), "organisation");
        assert_eq!(of(1, 20), some("owner"));
    }
}
