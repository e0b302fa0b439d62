//! Events of files of columns, as they lie: what a query that reads most of them does instead of finding
//! each.
use super::scan::{AskedPart, Scan};
use crate::columns::{Asked, Columns, Fields, Origin, Row};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::intern::Interner;
use crate::part::cells::HOURS;
use crate::read::scan::{ScanError, Slice};

/// Events that are worth it.
const EVENTS_MIN: u64 = if cfg!(test) { 8 } else { 16 * 1024 };
/// It is worth it where of so many rows that are looked at one is asked for.
const ROWS_PER_EVENT: u64 = 8;
/// Amended events that are read together.
const AMENDED_AT_ONCE: usize = if cfg!(test) { 2 } else { 32 * 1024 };

/// Finds the numbers of customers, of which the same one mostly follows.
struct Numbers<'p> {
    part: &'p AskedPart,
    last: Option<(String, Option<u32>)>,
}

impl Scan<'_> {
    /// Takes the files of columns of which much is asked for out of the walk: they are to be swept.
    pub fn take_broad(&mut self) -> Result<Vec<AskedPart>, ReadError> {
        let mut broad = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            let to = if self.is_broad(&part)? { &mut broad } else { &mut self.parts };
            to.push(part);
        }
        Ok(broad)
    }

    fn columns_asked<'s>(&'s self, event_type: &'s str) -> Asked<'s> {
        Asked { project: self.project, event_type, times: self.times.clone() }
    }

    fn is_broad(&self, asked: &AskedPart) -> Result<bool, ReadError> {
        let Some(section) = asked.part.section(self.project, self.cleared_at) else { return Ok(false) };
        if asked.part.columns().is_empty() || !asked.part.in_log().is_empty() || self.times.is_empty() {
            return Ok(false);
        }
        let hours = self.times.start.hour_index()..self.times.end.plus_micros(-1).hour_index() + 1;
        let events = |day: i64, events: u64| {
            let (from, to) = (hours.start.max(day * HOURS), hours.end.min((day + 1) * HOURS));
            events * to.saturating_sub(from).max(0).cast_unsigned() / HOURS.cast_unsigned()
        };
        let blocks = section.blocks_of(asked.event_type, &hours);
        let events: u64 = blocks.iter().map(|block| events(block.day, block.events)).sum();
        let all = section.customers.len().max(1) as u64;
        let events = events * asked.customers.as_ref().map_or(all, |asked| asked.len() as u64) / all;
        if events < EVENTS_MIN {
            return Ok(false);
        }
        let near = self.columns_asked(asked.event_type_name(section));
        let rows = asked.part.columns().iter().map(|columns| columns.rows_near(&near));
        Ok(events.saturating_mul(ROWS_PER_EVENT) >= rows.sum::<Result<u64, _>>()?)
    }

    /// Shows each event of these files that is asked for and is not void, as it stands, with its
    /// customer's number where that is read, in no order; of each these fields.
    pub fn sweep<E: From<ScanError> + From<ReadError>>(
        &self,
        parts: &[AskedPart],
        fields: Fields,
        mut each: impl FnMut(&Origin, &EventRecord<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        for part in parts {
            for columns in part.part.columns() {
                let mut amended = Vec::new();
                self.sweep_file((part, columns), fields, |corrected, origin, event, customer| {
                    if !corrected {
                        return each(origin, event, customer);
                    }
                    amended.push((origin.sequence, customer));
                    if amended.len() >= AMENDED_AT_ONCE {
                        self.read(&Slice::of(std::mem::take(&mut amended)), fields, &mut each)?;
                    }
                    Ok(())
                })?;
                self.read(&Slice::of(amended), fields, &mut each)?;
            }
        }
        self.check_cleared(self.shared.memory.read().projects.get(&self.project))?;
        Ok(())
    }

    /// Shows each event of these files that is asked for as it was first stored, void or not, in no order;
    /// answers the sequences of their amendments, in order.
    pub fn sweep_as_stored<E: From<ScanError> + From<ReadError>>(
        &self,
        parts: &[AskedPart],
        fields: Fields,
        mut each: impl FnMut(&Origin, &EventRecord<'_>) -> Result<(), E>,
    ) -> Result<Vec<u64>, E> {
        let mut corrected = Vec::new();
        for part in parts {
            for columns in part.part.columns() {
                self.sweep_file((part, columns), fields, |is_corrected, origin, event, _| {
                    corrected.extend(is_corrected.then_some(origin.sequence));
                    each(origin, event)
                })?;
            }
        }
        let memory = self.shared.memory.read();
        let project = memory.projects.get(&self.project);
        self.check_cleared(project)?;
        let of = |target: u64| project.into_iter().flat_map(move |known| known.corrections.of(target));
        let amendments = corrected.into_iter().flat_map(of).filter(|correction| !correction.void);
        let mut amendments: Vec<u64> = amendments.map(|correction| correction.sequence).collect();
        amendments.sort_unstable();
        Ok(amendments)
    }

    /// Shows each event of a file that is asked for, and whether it is corrected.
    fn sweep_file<E: From<ScanError> + From<ReadError>>(
        &self,
        (part, columns): (&AskedPart, &Columns),
        fields: Fields,
        mut each: impl FnMut(bool, &Origin, &EventRecord<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(section) = part.part.section(self.project, self.cleared_at) else { return Ok(()) };
        let asked = self.columns_asked(part.event_type_name(section));
        let fields = Fields { customer: fields.customer || self.customers.is_some(), ..fields };
        let mut numbers = Numbers { part, last: None };
        columns.sweep(&asked, fields, |rows| {
            let corrected = self.corrected_among(rows.in_time().map(|number| rows.sequence(number)))?;
            for number in rows.in_time() {
                let sequence = rows.sequence(number);
                // Of what was cleared the rows are still there.
                if sequence <= self.cleared_at {
                    continue;
                }
                let Some(Row { origin, event, .. }) = rows.row(number, columns)? else { continue };
                let named = fields.customer.then(|| numbers.find(self, event.draft.customer));
                let Some(customer) = named.unwrap_or(Some(Interner::NOBODY)) else { continue };
                let is_corrected = corrected.binary_search(&sequence).is_ok();
                each(is_corrected, &Origin { project: self.project, ..origin }, &event, customer)?;
            }
            Ok::<(), E>(())
        })
    }

    /// Those among some sequences whose events are corrected, in order.
    fn corrected_among(&self, sequences: impl Iterator<Item = u64>) -> Result<Vec<u64>, ScanError> {
        let memory = self.shared.memory.read();
        let project = memory.projects.get(&self.project);
        self.check_cleared(project)?;
        let Some(corrections) = project.map(|known| &known.corrections).filter(|known| !known.is_empty())
        else {
            return Ok(Vec::new());
        };
        let mut corrected: Vec<u64> =
            sequences.filter(|sequence| !corrections.of(*sequence).is_empty()).collect();
        corrected.sort_unstable();
        Ok(corrected)
    }
}

impl Numbers<'_> {
    /// The number of a customer in memory; `None` where it is not asked for.
    fn find(&mut self, scan: &Scan<'_>, customer: &str) -> Option<u32> {
        match &self.last {
            Some((last, number)) if last == customer => *number,
            _ => {
                let number = self.part.customer(scan.project, customer);
                let asked = scan.customers.as_ref().is_none_or(|asked| asked.contains(&number));
                let number = asked.then_some(number);
                self.last = Some((customer.to_owned(), number));
                number
            }
        }
    }
}
