//! Files that were written anew take the place of the old ones.
use super::ledger::{self, Ledger, Plan};
use crate::disk::Disk;
use crate::error::{OpenError, ReadError};
use crate::part::Part;
use crate::recover::{corrupt, while_doing};
use crate::shared::Shared;
use crate::status::add;
use reckoner_domain::id::ProjectId;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;

/// Moves the files of a plan; what was moved before is passed over.
fn move_files(disk: &dyn Disk, plan: &Plan) -> io::Result<()> {
    let names: BTreeSet<String> = disk.names()?.into_iter().collect();
    for (from, to) in plan.renames.iter().filter(|(from, _)| names.contains(from)) {
        disk.rename(from, to)?;
    }
    disk.sync_names()?;
    for name in plan.removes.iter().filter(|name| names.contains(*name)) {
        disk.remove(name)?;
    }
    disk.sync_names()
}

/// Reads the ledger of a store that is being opened, and finishes what it says was decided.
pub fn recover(disk: &dyn Disk, store_id: u128) -> Result<Ledger, OpenError> {
    let read = ledger::read(disk, store_id).map_err(while_doing("read the ledger"))?;
    let mut found = read.ok_or_else(|| corrupt(ledger::FILE_NAME, 0, "its checksum does not agree"))?;
    if let Some(plan) = &found.plan {
        let finishing = while_doing("put files in place that were written anew");
        move_files(disk, plan).map_err(&finishing)?;
        found.finish_plan();
        ledger::write(disk, &found, store_id).map_err(finishing)?;
    }
    Ok(found)
}

/// Does what the ledger says was decided, and goes on with the new files.
pub fn put(disk: &dyn Disk, shared: &Shared, plan: &Plan) -> Result<(), ReadError> {
    move_files(disk, plan)?;
    let open = |name: &String| Part::open(disk, name, shared.store_id);
    let parts: Vec<Part> = plan.parts.iter().map(open).collect::<Result<_, _>>()?;
    let ledger = shared.books.now();
    let erasures: Vec<_> =
        ledger.pending.iter().take(plan.erasures).map(|pending| &pending.erasure).collect();
    let after = parts.iter().map(Part::bytes).sum();
    {
        let mut memory = shared.memory.write();
        let mut before = memory.exchange(parts);
        let mut projects: BTreeSet<ProjectId> = erasures.iter().map(|erasure| erasure.project).collect();
        if let Some(dropped) = &plan.dropped {
            before += memory.drop_through(dropped.last_segment, dropped.last_sequence);
            projects.extend(memory.projects.keys());
        }
        for project in projects {
            memory.retell(project).map_err(io::Error::other)?;
        }
        if plan.dropped.is_some() {
            memory.forget_unused();
        }
        for erasure in erasures {
            memory.forget(erasure.project, &erasure.customer, &erasure.pseudonym);
            shared.watches.corrected(erasure.project, memory.sequence, &erasure.customer);
        }
        shared.counters.bytes.fetch_sub(before, Ordering::Relaxed);
    }
    if let Some(dropped) = &plan.dropped {
        shared.ids.forget_through(dropped.last_sequence);
    }
    add(&shared.counters.bytes, after);
    shared.note_columns();
    shared.books.change(Ledger::finish_plan)?;
    Ok(())
}
