//! Dropping what is older than it has to be kept: whole files from the front, none of them rewritten.
use super::ledger::{Dropped, DroppedOf, Plan};
use super::plan::Work;
use crate::columns::{Columns, Group};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::format::segment;
use crate::memory::Memory;
use crate::part::Part;
use crate::part::index::Section;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What need not be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Events of each project before an instant; those of other projects are kept.
    pub before: BTreeMap<ProjectId, Timestamp>,
    /// Event types of which all events are kept.
    pub kept: BTreeSet<(ProjectId, String)>,
    /// When this was asked for, in real time.
    pub at: Timestamp,
}

impl Retention {
    /// Whether no event of a project at or before an instant is to be kept.
    fn drops(&self, project: ProjectId, last: Timestamp) -> bool {
        self.before.get(&project).is_some_and(|before| last < *before)
    }

    /// Whether the segment that is written to has an event that need not be kept.
    pub fn reaches(&self, memory: &Memory) -> bool {
        let Some(delta) = memory.deltas.last() else { return false };
        let look = delta.look();
        let first = |project| look.hours(project).keys().next().copied();
        self.before.iter().any(|(project, before)| {
            first(*project).is_some_and(|hour| Timestamp::from_hour_index(hour) < *before)
        })
    }

    fn drops_section(&self, section: &Section) -> bool {
        let kept = |name: &Arc<str>| self.kept.contains(&(section.project, name.to_string()));
        section.events == 0
            || (self.drops(section.project, section.last_time) && !section.event_types.iter().any(kept))
    }

    /// Whether nothing of a part is to be kept.
    fn drops_part(&self, part: &Part) -> bool {
        part.index().sections.iter().all(|section| self.drops_section(section))
    }

    /// Whether nothing of a file is to be kept, as far as its row groups tell.
    fn drops_file(&self, columns: &Columns, projects: &[ProjectId]) -> Result<bool, ReadError> {
        let stays = |group: &Group| {
            let (Some((first, last)), Some((_, time))) = (group.projects, group.times) else { return true };
            let types = |project: ProjectId| {
                self.kept.iter().any(|(of, name)| {
                    let within = |(least, greatest): &(Vec<u8>, Vec<u8>)| {
                        least.as_slice() <= name.as_bytes() && name.as_bytes() <= greatest.as_slice()
                    };
                    *of == project && group.event_types.as_ref().is_none_or(within)
                })
            };
            let mut inside = projects.iter().filter(|project| (first..=last).contains(&project.0));
            inside.any(|project| !self.drops(*project, time) || types(*project))
        };
        Ok(columns.groups(stays)?.is_empty())
    }
}

/// What goes, from the front.
#[derive(Default)]
struct Front {
    parts: Vec<Arc<Part>>,
    /// A part some of whose files go, and how many.
    split: Option<(Arc<Part>, usize)>,
}

/// Drops what need not be kept; whether there was anything. Called by nobody but the one who merges parts.
pub(super) fn prepare(
    disk: &dyn Disk,
    shared: &Shared,
    retention: &Retention,
    rest: &mut impl FnMut() -> bool,
) -> Result<Option<Plan>, ReadError> {
    let front = front(shared, retention)?;
    let mut work = Work::new(disk, shared, &[]);
    if let Some((part, files)) = &front.split
        && !work.split(part, *files, rest)?
    {
        work.remove_made();
        return Ok(None);
    }
    let mut plan = work.into_plan();
    let Some(dropped) = dropped(shared, retention, &front)? else { return Ok(None) };
    for part in &front.parts {
        let segments = part.in_log().into_iter().map(|(covered, _)| segment::file_name(covered.number));
        plan.removes.extend(segments);
        plan.removes.extend(part.columns().iter().map(|columns| columns.name().to_owned()));
        plan.removes.push(part.name().to_owned());
    }
    if let Some((part, files)) = &front.split {
        plan.removes.extend(part.columns().iter().take(*files).map(|columns| columns.name().to_owned()));
    }
    plan.dropped = Some(dropped);
    Ok(Some(plan))
}

fn front(shared: &Shared, retention: &Retention) -> Result<Front, ReadError> {
    let (parts, projects): (Vec<Arc<Part>>, Vec<ProjectId>) = {
        let memory = shared.memory.read();
        (memory.parts.clone(), memory.projects.keys().copied().collect())
    };
    let mut front = Front::default();
    for part in parts {
        if retention.drops_part(&part) {
            front.parts.push(part);
            continue;
        }
        let mut files = 0;
        for columns in part.columns() {
            if !retention.drops_file(columns, &projects)? {
                break;
            }
            files += 1;
        }
        front.split = (files > 0 && files < part.columns().len()).then_some((part, files));
        break;
    }
    Ok(front)
}

/// The record of what goes; `None` where that is nothing.
fn dropped(shared: &Shared, retention: &Retention, front: &Front) -> Result<Option<Dropped>, ReadError> {
    let mut projects: BTreeMap<ProjectId, DroppedOf> = BTreeMap::new();
    let (mut segment, mut sequence) = (0, 0);
    for part in &front.parts {
        segment = part.index().segments.last().map_or(segment, |last| last.number);
        sequence = part.last_sequence();
        for section in part.index().sections.iter().filter(|section| section.events > 0) {
            let more = DroppedOf {
                events: section.events,
                first_time: section.first_time,
                last_time: section.last_time,
            };
            projects.entry(section.project).and_modify(|known| known.add(more)).or_insert(more);
        }
    }
    if let Some((part, files)) = &front.split {
        for columns in part.columns().iter().take(*files) {
            let told = columns.told()?;
            segment = columns.known().last;
            sequence = told.last_sequence;
            super::plan::each_event(columns, |project, time| {
                let more = DroppedOf { events: 1, first_time: time, last_time: time };
                projects.entry(project).and_modify(|known| known.add(more)).or_insert(more);
            })?;
        }
    }
    let before = shared.books.now().dropped_through();
    let cleared = {
        let memory = shared.memory.read();
        let cleared = memory.projects.iter().map(|(project, known)| (*project, known.cleared_at));
        cleared.filter(|(_, at)| (1..=sequence).contains(at)).collect()
    };
    let dropped = Dropped {
        first_segment: before.0 + 1,
        last_segment: segment,
        first_sequence: before.1 + 1,
        last_sequence: sequence,
        at: retention.at,
        projects,
        cleared,
    };
    Ok((segment > before.0).then_some(dropped))
}
