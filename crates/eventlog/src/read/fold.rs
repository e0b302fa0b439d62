//! Goes over the events of a customer once, for whoever adds up more than a meter can.
use super::query::{Limits, QueryError, Stop, check_dropped};
use super::scan::{Scan, Wanted};
use crate::columns::{Fields, Origin};
use crate::format::record::EventRecord;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::{Extractor, Path};
use reckoner_domain::meter::Readable;
use reckoner_domain::rollup::Rollup;
use reckoner_domain::time::Timestamp;
use std::ops::Range;

/// Which events to go over, and what is looked at.
#[derive(Clone, Debug)]
pub struct Fold<'a> {
    /// Whose events.
    pub project: ProjectId,
    /// Of which customer.
    pub customer: &'a str,
    /// Of which type.
    pub event_type: &'a str,
    /// With instants in this range.
    pub times: Range<Timestamp>,
    /// The properties that are looked at.
    pub paths: &'a [Path],
}

/// Shows each event that is not void, as it stands, in no order, and answers what was made of them with the
/// sequence that they are of. What was begun is begun anew where a clearing or an erasure comes between.
pub fn run<A>(
    shared: &Shared,
    fold: &Fold<'_>,
    new: impl Fn() -> A,
    mut add: impl FnMut(&mut A, &Readable<'_>) -> Result<(), QueryError>,
) -> Result<(A, u64), QueryError> {
    loop {
        check_dropped(shared, fold.project, &fold.times)?;
        let mut made = new();
        match attempt(shared, fold, |readable| add(&mut made, readable)) {
            Ok(sequence) => return Ok((made, sequence)),
            Err(Stop::Cleared | Stop::Moved) => {}
            Err(Stop::Error(error)) => return Err(error),
        }
    }
}

fn attempt(
    shared: &Shared,
    fold: &Fold<'_>,
    mut add: impl FnMut(&Readable<'_>) -> Result<(), QueryError>,
) -> Result<u64, Stop> {
    let customers = [fold.customer.to_owned()];
    let times = fold.times.clone();
    let mut scan = Scan::new(shared, fold.project, fold.event_type, &customers, times, None);
    let mut properties = Extractor::new(fold.paths);
    let mut limits = Limits::default();
    let mut each = |origin: &Origin, event: &EventRecord<'_>, _: u32| -> Result<(), Stop> {
        limits.read(1)?;
        let draft = &event.draft;
        let properties = &properties.read(draft.properties);
        Ok(add(&Readable { time: event.time, sequence: origin.sequence, value: draft.value, properties })?)
    };
    let fields = Fields { properties: !fold.paths.is_empty(), ..Fields::NONE };
    let broad = scan.take_broad()?;
    scan.sweep(&broad, fields, &mut each)?;
    while let Some(slice) = scan.next(|_, _| Wanted::Events, |_, _, _: &Rollup| Ok::<(), Stop>(()))? {
        scan.read(&slice, fields, &mut each)?;
    }
    Ok(scan.sequence())
}
