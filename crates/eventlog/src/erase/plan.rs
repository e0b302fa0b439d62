//! Which files an erasure changes, and what they become.
use super::ledger::Plan;
use super::{Pending, place, retain, rewrite};
use crate::check::Sealed;
use crate::columns::convert::convert;
use crate::columns::told::Told;
use crate::columns::{self, Columns, Fields, Group, Kind, Known};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::format::segment;
use crate::part::merge::told;
use crate::part::{self, Part, rebuild};
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::sync::Arc;

/// Most segments of the log that become one file of columns.
const SEGMENTS_MAX: usize = 8;
/// Bytes of the log that one file of columns tells of at most.
const LOG_BYTES_MAX: u64 = 1 << 32;

/// How far the erasures that wait were carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// There were none.
    Nothing,
    /// Some are done.
    Done,
    /// They wait for what is known of segments to be written down, or it was told to end.
    NotYet,
}

/// Carries out the erasures that wait; `rest` is called now and then and tells whether to go on. Called
/// by nobody but the one who merges parts.
pub fn carry_out(
    disk: &dyn Disk,
    shared: &Shared,
    mut rest: impl FnMut() -> bool,
) -> Result<Carried, ReadError> {
    let ledger = shared.books.now();
    if ledger.plan.is_none() && !ledger.pending.is_empty() {
        let mut work = Work::new(disk, shared, &ledger.pending);
        let prepared = work.prepare(&mut rest);
        if !matches!(prepared, Ok(true)) {
            work.remove_made();
            return prepared.map(|_| Carried::NotYet);
        }
        decide(disk, shared, work.plan)?;
    } else if ledger.plan.is_none() {
        // What is sealed and not written down yet can go as well, soon.
        if shared.memory.read().deltas.len() > 1 {
            return Ok(Carried::Nothing);
        }
        let retention = shared.retention.lock().take();
        let Some(retention) = retention else { return Ok(Carried::Nothing) };
        match retain::prepare(disk, shared, &retention, &mut rest)? {
            Some(plan) => decide(disk, shared, plan)?,
            None => return Ok(Carried::Nothing),
        }
    }
    if let Some(plan) = &shared.books.now().plan {
        place::put(disk, shared, plan)?;
    }
    Ok(Carried::Done)
}

/// Writes down what is to be done, which is then done whatever happens.
fn decide(disk: &dyn Disk, shared: &Shared, plan: Plan) -> Result<(), ReadError> {
    disk.sync_names()?;
    shared.books.change(|ledger| ledger.plan = Some(plan))?;
    Ok(())
}

/// Shows the project and time of each event of a file.
pub(super) fn each_event(
    columns: &Columns,
    mut each: impl FnMut(ProjectId, Timestamp),
) -> Result<(), ReadError> {
    columns.read_range(0..columns.known().rows, Fields::ORIGIN, |_, row| {
        if row.kind == Kind::Event {
            each(row.origin.project, row.event.time);
        }
        Ok::<(), ReadError>(())
    })
}

/// Writes files anew beside those there are.
pub(super) struct Work<'a> {
    disk: &'a dyn Disk,
    shared: &'a Shared,
    pending: &'a [Pending],
    plan: Plan,
    /// The files written so far.
    made: Vec<String>,
}

impl<'a> Work<'a> {
    /// Nothing written yet.
    pub fn new(disk: &'a dyn Disk, shared: &'a Shared, pending: &'a [Pending]) -> Self {
        Self { disk, shared, pending, plan: Plan::default(), made: Vec::new() }
    }

    /// What is to be done with the files that were written.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// Removes what was written: it is of no use, and takes space.
    pub fn remove_made(&self) {
        for name in &self.made {
            let _ = self.disk.remove(name);
        }
    }

    /// Gives each file of a part but the first ones a part of its own; whether it was not told to end.
    pub fn split(
        &mut self,
        part: &Arc<Part>,
        files: usize,
        rest: &mut impl FnMut() -> bool,
    ) -> Result<bool, ReadError> {
        for columns in part.columns().iter().skip(files) {
            self.tell(&[Arc::clone(part)], columns, &columns.told()?)?;
            if !rest() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes all files; whether it did.
    fn prepare(&mut self, rest: &mut impl FnMut() -> bool) -> Result<bool, ReadError> {
        let through = self.pending.iter().map(|pending| pending.through).max().unwrap_or(0);
        let parts: Vec<Arc<Part>> = {
            let memory = self.shared.memory.read();
            if memory.deltas.iter().any(|delta| delta.first_sequence <= through) {
                return Ok(false);
            }
            memory.parts.iter().filter(|part| part.index().first_sequence() <= through).cloned().collect()
        };
        self.plan.erasures = self.pending.len();
        for part in parts.iter().filter(|part| !part.columns().is_empty()) {
            if !self.columns(part, rest)? {
                return Ok(false);
            }
        }
        // Segments become columns from the first one on.
        let in_log: Vec<Arc<Part>> = parts.into_iter().filter(|part| part.columns().is_empty()).collect();
        let affected = in_log.iter().rposition(|part| self.affects(part)).map_or(0, |last| last + 1);
        for parts in self.groups(in_log.get(..affected).unwrap_or_default()) {
            if !self.log(parts, rest)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether segments in the log have something to erase, or had before their project was cleared.
    fn affects(&self, part: &Part) -> bool {
        let memory = self.shared.memory.read();
        let index = part.index();
        self.pending.iter().any(|Pending { erasure, through }| {
            let names = |section: &part::index::Section| {
                section.project == erasure.project
                    && section.customers.iter().any(|name| **name == *erasure.customer)
            };
            index.first_sequence() <= memory.cleared_at(erasure.project)
                || (index.first_sequence() <= *through && index.sections.iter().any(names))
        })
    }

    /// Parts of the log that become one file each: no more than it can tell of, and of the same erasures.
    fn groups<'p>(&self, parts: &'p [Arc<Part>]) -> Vec<&'p [Arc<Part>]> {
        let bytes = |parts: &[Arc<Part>]| parts.iter().map(|part| part.bytes()).sum::<u64>();
        let segments =
            |parts: &[Arc<Part>]| parts.iter().map(|part| part.index().segments.len()).sum::<usize>();
        let mut groups = Vec::new();
        let mut rest = parts;
        while !rest.is_empty() {
            let ends =
                |part: &Arc<Part>| self.pending.iter().any(|pending| pending.through == part.last_sequence());
            let mut count = rest.iter().position(ends).map_or(rest.len(), |last| last + 1);
            let fits = |count: usize| {
                let group = rest.get(..count).unwrap_or_default();
                segments(group) <= SEGMENTS_MAX && bytes(group) <= LOG_BYTES_MAX
            };
            while count > 1 && !fits(count) {
                count -= 1;
            }
            let (group, after) = rest.split_at(count);
            groups.push(group);
            rest = after;
        }
        groups
    }

    /// Makes columns of segments in the log.
    fn log(&mut self, parts: &[Arc<Part>], rest: &mut impl FnMut() -> bool) -> Result<bool, ReadError> {
        let segments: Vec<Sealed> = parts.iter().flat_map(|part| part.in_log()).collect();
        let told = told(self.shared, parts);
        let Some(converted) = convert(self.disk, &segments, (&told, self.pending), &mut *rest)? else {
            return Ok(false);
        };
        self.made.push(converted.name().to_owned());
        let files = segments.iter().map(|(covered, _)| segment::file_name(covered.number));
        self.plan.removes.extend(files);
        self.tell(parts, &converted.columns, &told)?;
        Ok(rest())
    }

    /// Writes the columns of a part anew that have something to erase. Each file gets a part of its own.
    fn columns(&mut self, part: &Arc<Part>, rest: &mut impl FnMut() -> bool) -> Result<bool, ReadError> {
        let mut orders = Vec::new();
        for columns in part.columns() {
            let told = self.told_now(columns)?;
            let order = if self.may_have(columns, &told)? {
                rewrite::order(columns, &told, self.pending, rest)?
            } else {
                None
            };
            if !rest() {
                return Ok(false);
            }
            orders.push((columns, told, order));
        }
        if orders.iter().all(|(_, _, order)| order.is_none()) {
            return Ok(true);
        }
        for (columns, told, order) in &orders {
            let Some(order) = order else {
                self.tell(&[Arc::clone(part)], columns, &columns.told()?)?;
                continue;
            };
            let Known { first, last, .. } = *columns.known();
            let temporary = columns::NAMES.temporary(first, last);
            self.made.push(temporary.clone());
            let written = rewrite::rewrite(self.disk, columns, (told, order), self.pending, rest)?;
            let Some(written) = written else { return Ok(false) };
            self.plan.renames.push((temporary, columns.name().to_owned()));
            self.tell(&[Arc::clone(part)], &written, told)?;
        }
        Ok(rest())
    }

    /// What a file says of itself, with what was cleared since.
    fn told_now(&self, columns: &Columns) -> Result<Told, ReadError> {
        let memory = self.shared.memory.read();
        let cleared = memory.projects.iter().map(|(project, known)| (*project, known.cleared_at));
        Ok(Told { cleared: cleared.filter(|(_, at)| *at > 0).collect(), ..columns.told()? })
    }

    /// Whether a file may have something to erase, as far as its row groups tell.
    fn may_have(&self, columns: &Columns, now: &Told) -> Result<bool, ReadError> {
        let before = columns.told()?;
        let cleared = |pending: &Pending| {
            let project = pending.erasure.project;
            let at = now.cleared_at(project);
            at > before.cleared_at(project) && at >= before.first_sequence()
        };
        let within = |group: &Group, pending: &Pending| {
            let project = group
                .projects
                .is_none_or(|(least, greatest)| (least..=greatest).contains(&pending.erasure.project.0));
            project
                && group.customers.as_ref().is_none_or(|(least, greatest)| {
                    let customer = pending.erasure.customer.as_bytes();
                    least.as_slice() <= customer && customer <= greatest.as_slice()
                })
        };
        if self.pending.iter().any(cleared) {
            return Ok(true);
        }
        let about = |pending: &&Pending| before.first_sequence() <= pending.through;
        let wanted = |group: &Group| self.pending.iter().filter(about).any(|pending| within(group, pending));
        Ok(!columns.groups(wanted)?.is_empty())
    }

    /// Writes the part of a file, which takes the place of what these parts told of it.
    fn tell(&mut self, parts: &[Arc<Part>], columns: &Columns, told: &Told) -> Result<(), ReadError> {
        let Known { first, last, .. } = *columns.known();
        let (temporary, name) = (part::NAMES.temporary(first, last), part::NAMES.of(first, last));
        self.made.push(temporary.clone());
        rebuild::write(self.disk, self.shared, columns, told)?;
        let gone = parts.iter().map(|part| part.name()).filter(|known| **known != *name);
        let gone: Vec<String> = gone.map(str::to_owned).collect();
        self.plan.removes.extend(gone);
        self.plan.renames.push((temporary, name.clone()));
        self.plan.parts.push(name);
        Ok(())
    }
}
