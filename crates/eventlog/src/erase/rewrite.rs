//! Writes a file of columns anew, without what is erased.
use super::{Pending, find, left};
use crate::columns::told::Told;
use crate::columns::write::RowWriter;
use crate::columns::{Columns, Digest, Fields, Kind, Known, NAMES, Row};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::format::record::EventRecord;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use std::ops::Range;

/// Rows read together.
const ROWS_AT_ONCE: u32 = if cfg!(test) { 16 } else { 1 << 14 };

/// Rows that follow each other, of one project, kind and customer.
struct Run {
    project: ProjectId,
    kind: Kind,
    /// What the customer is called afterwards.
    customer: String,
    rows: Range<u32>,
}

/// The rows of a file in the order in which they are written anew.
pub struct Order {
    runs: Vec<Range<u32>>,
    /// How many there are.
    rows: u32,
}

/// The new order of a file's rows; `None` where there is nothing to erase in it. Rows of what was
/// cleared, as `told` knows it, go as well.
pub fn order(
    columns: &Columns,
    told: &Told,
    pending: &[Pending],
    rest: &mut impl FnMut() -> bool,
) -> Result<Option<Order>, ReadError> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut changes, mut last_dropped) = (false, false);
    for rows in pieces(0..columns.known().rows) {
        if !rest() {
            return Ok(None);
        }
        columns.read_range(rows, Fields::CUSTOMER, |number, row| {
            let (project, sequence) = (row.origin.project, row.origin.sequence);
            let dropped = sequence <= told.cleared_at(project);
            let customer = row.event.draft.customer;
            let found = find(pending, project, sequence, customer);
            changes |= dropped || found.is_some();
            let follows = !std::mem::replace(&mut last_dropped, dropped);
            if dropped {
                return Ok(());
            }
            let customer = found.map_or(customer, |found| found.erasure.pseudonym.as_str());
            let same = |run: &Run| run.project == project && run.kind == row.kind && run.customer == customer;
            match runs.last_mut().filter(|run| follows && same(run)) {
                Some(run) => run.rows.end = number + 1,
                None => {
                    let rows = number..number + 1;
                    runs.push(Run { project, kind: row.kind, customer: customer.to_owned(), rows });
                }
            }
            Ok::<(), ReadError>(())
        })?;
    }
    // Rows of one customer stay in their order, and no two customers become one.
    runs.sort_by(|a, b| (a.project, a.kind, &a.customer).cmp(&(b.project, b.kind, &b.customer)));
    let rows = runs.iter().map(|run| run.rows.len() as u32).sum();
    let mut joined: Vec<Range<u32>> = Vec::new();
    for Run { rows, .. } in runs {
        match joined.last_mut().filter(|last| last.end == rows.start) {
            Some(last) => last.end = rows.end,
            None => joined.push(rows),
        }
    }
    Ok(changes.then_some(Order { runs: joined, rows }))
}

fn pieces(rows: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let end = rows.end;
    rows.step_by(ROWS_AT_ONCE as usize).map(move |start| start..end.min(start.saturating_add(ROWS_AT_ONCE)))
}

/// Writes the rows of a file in a new order, under a temporary name, and reads them back; `None` where
/// it was told to end.
pub fn rewrite(
    disk: &dyn Disk,
    columns: &Columns,
    (told, order): (&Told, &Order),
    pending: &[Pending],
    rest: &mut impl FnMut() -> bool,
) -> Result<Option<Columns>, ReadError> {
    let Known { first, last, .. } = *columns.known();
    let temporary = NAMES.temporary(first, last);
    let mut writer = RowWriter::new(disk.create(&temporary)?, told)?;
    let mut digest = Digest::default();
    for rows in order.runs.iter().cloned().flat_map(pieces) {
        if !rest() {
            return Ok(None);
        }
        columns.read_range(rows, Fields::ALL, |_, row| {
            digest.add(&row.origin, &row.event);
            let mut properties = None;
            let event = left(pending, (row.origin.project, row.origin.sequence), &row.event, &mut properties);
            writer.push(&Row { event, ..*row })?;
            Ok::<(), ReadError>(())
        })?;
    }
    let known = Known { first, last, rows: order.rows, checked: writer.finish()? };
    let written = Columns::new(known, disk.open(&temporary)?);
    Ok(written.is_as_written(digest, rest)?.then_some(written))
}

/// What a record of the log says once what is erased has gone.
pub fn of_record<'a>(
    pending: &'a [Pending],
    origin: (ProjectId, u64),
    event: EventRecord<'a>,
    properties: &'a mut Option<String>,
) -> EventRecord<'a> {
    if pending.is_empty() { event } else { left(pending, origin, &event, properties) }
}

/// The customer that a record of the log is about then.
pub fn customer_of<'a>(
    pending: &'a [Pending],
    (project, sequence): (ProjectId, u64),
    draft: &EventDraft<'a>,
) -> &'a str {
    find(pending, project, sequence, draft.customer)
        .map_or(draft.customer, |found| found.erasure.pseudonym.as_str())
}
