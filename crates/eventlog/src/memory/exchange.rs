//! Parts that were written anew, without what is erased, take the place of the old ones.
use super::Memory;
use super::corrections::Corrections;
use super::project::Project;
use crate::part::Part;
use reckoner_domain::id::ProjectId;
use reckoner_domain::sum::Overflow;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Memory {
    /// From now on these parts, in order, tell of the segments they are about; answers the bytes of
    /// those that did.
    pub fn exchange(&mut self, parts: Vec<Part>) -> u64 {
        let mut bytes = 0;
        for mut part in parts {
            for project in part.index().sections.iter().map(|section| section.project).collect::<Vec<_>>() {
                let Project { customers, event_types, .. } = self.projects.entry(project).or_default();
                part.number(project, |text| customers.number(text), |text| event_types.number(text));
            }
            let segments = part.index().segments.clone();
            let overlaps = |known: &Arc<Part>| segments.iter().any(|segment| known.covers(segment.number));
            self.parts.retain(|known| {
                bytes += if overlaps(known) { known.bytes() } else { 0 };
                !overlaps(known)
            });
            let part = Arc::new(part);
            self.places.cover(&part);
            let at = self.parts.partition_point(|known| known.last_sequence() < part.last_sequence());
            self.parts.insert(at, part);
        }
        bytes
    }

    /// Begins behind what was dropped: all records up to one, these clearings of projects among them.
    pub fn begin_behind(&mut self, sequence: u64, cleared: impl Iterator<Item = (ProjectId, u64)>) {
        (self.dropped_through, self.sequence) = (sequence, sequence);
        self.projects.extend(cleared.map(|(project, at)| (project, Project::cleared(at))));
    }

    /// Forgets all records up to one, the last of a segment, with the parts that tell of them; answers
    /// their bytes.
    pub fn drop_through(&mut self, segment: u64, sequence: u64) -> u64 {
        let goes = |part: &Arc<Part>| part.last_sequence() <= sequence;
        let bytes = self.parts.iter().filter(|part| goes(part)).map(|part| part.bytes()).sum();
        self.parts.retain(|part| !goes(part));
        self.places.drop_through(segment);
        self.dropped_through = sequence;
        bytes
    }

    /// Forgets names that no event has any more.
    pub fn forget_unused(&mut self) {
        for (project, known) in &mut self.projects {
            let (mut customers, mut event_types) = (BTreeSet::new(), BTreeSet::new());
            for part in &self.parts {
                part.used_numbers(*project, known.cleared_at, (&mut customers, &mut event_types));
            }
            for delta in &self.deltas {
                for hour in delta.look().hours(*project).values() {
                    event_types.extend(hour.types.keys().copied());
                    customers.extend(hour.types.values().flat_map(|cells| cells.keys().copied()));
                }
            }
            known.customers.keep(&customers);
            known.event_types.keep(&event_types);
        }
    }

    /// Tells anew what became of a project's events, after parts of it were exchanged.
    pub fn retell(&mut self, project: ProjectId) -> Result<(), Overflow> {
        let Some(known) = self.projects.get_mut(&project) else { return Ok(()) };
        known.renamings += 1;
        let mut corrections = Corrections::default();
        let mut events = 0;
        for part in &self.parts {
            events += part.section(project, known.cleared_at).map_or(0, |section| section.events);
            for noted in part.corrections(project, known.cleared_at) {
                corrections.note_since(&noted, self.dropped_through)?;
            }
        }
        for delta in &self.deltas {
            let look = delta.look();
            let cells = look.hours(project).values().flat_map(|hour| hour.types.values());
            events +=
                cells.flat_map(|cells| cells.values()).map(|cell| cell.events.len() as u64).sum::<u64>();
            let sections = look.sections().filter(|(of, _)| **of == project);
            for noted in sections.flat_map(|(_, section)| &section.corrections) {
                corrections.note_since(noted, self.dropped_through)?;
            }
        }
        known.events = events.saturating_sub(corrections.voids());
        known.corrections = corrections;
        Ok(())
    }

    /// Forgets a customer that no event is of any more; what was begun with it shows another one.
    pub fn forget(&mut self, project: ProjectId, customer: &str, shown_as: &str) {
        let Some(known) = self.projects.get_mut(&project) else { return };
        let Some(number) = known.customers.find(customer) else { return };
        let in_part = |part: &Arc<Part>| part.names_customer(project, known.cleared_at, customer);
        let in_deltas = || {
            self.deltas.iter().any(|delta| {
                let look = delta.look();
                let hours = look.hours(project).values();
                hours.flat_map(|hour| hour.types.values()).any(|cells| cells.contains_key(&number))
            })
        };
        if !self.parts.iter().any(in_part) && !in_deltas() {
            known.customers.forget(customer, shown_as);
        }
    }
}
