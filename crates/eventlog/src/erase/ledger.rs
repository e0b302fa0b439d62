//! The ledger: what was, and is being, taken out of the log. One small file, replaced as a whole.
use super::{Erasure, Kept, Pending, Progress};
use crate::disk::Disk;
use crate::format::{bytes_at, u32_at};
use crate::part::coding::{
    put_number, put_signed, put_text, take_count, take_number, take_signed, take_text,
};
use crate::recover::read_whole;
use parking_lot::{Mutex, RwLock};
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::Path;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The ledger's name.
pub const FILE_NAME: &str = "LEDGER";
/// Its name while it is written.
pub const TEMPORARY: &str = "LEDGER.tmp";
/// What it begins with.
const MAGIC: [u8; 8] = *b"RKNRLDG\n";
/// The version of its format.
const VERSION: u32 = 1;
/// Most records of what was dropped that are told apart.
const DROPPED_MAX: usize = 1_000;
/// Bytes before what it says.
const HEADER_BYTES: usize = 32;

/// Files that take their place together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many of the first erasures are done by it.
    pub erasures: usize,
    /// Files that get another name, over whatever has it.
    pub renames: Vec<(String, String)>,
    /// Files that go, afterwards.
    pub removes: Vec<String>,
    /// The parts that tell of the same segments from then on.
    pub parts: Vec<String>,
    /// What is dropped by it.
    pub dropped: Option<Dropped>,
}

/// What was dropped of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DroppedOf {
    /// How many events, void ones included.
    pub events: u64,
    /// The time of the earliest.
    pub first_time: Timestamp,
    /// The time of the latest.
    pub last_time: Timestamp,
}

impl DroppedOf {
    /// Counts more.
    pub fn add(&mut self, more: Self) {
        self.events += more.events;
        self.first_time = self.first_time.min(more.first_time);
        self.last_time = self.last_time.max(more.last_time);
    }
}

/// What was dropped at once: all records up to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The first segment.
    pub first_segment: u64,
    /// The last segment.
    pub last_segment: u64,
    /// The sequence of the first record.
    pub first_sequence: u64,
    /// The sequence of the last record.
    pub last_sequence: u64,
    /// When that was asked for, in real time.
    pub at: Timestamp,
    /// Of each project with events.
    pub projects: BTreeMap<ProjectId, DroppedOf>,
    /// The sequences of projects' last clearings, where they went with it or before: ids are hashed with
    /// them.
    pub cleared: BTreeMap<ProjectId, u64>,
}

/// What was, and is being, taken out of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Erasures that are not done, as they were asked for.
    pub pending: Vec<Pending>,
    /// What was decided to do about the first of them: it is finished whatever happens.
    pub plan: Option<Plan>,
    /// The pseudonyms of erased customers, each with the last sequence it is about.
    pub erased: BTreeMap<(ProjectId, String), u64>,
    /// What was dropped, in order; the first of many stand for several.
    pub dropped: Vec<Dropped>,
}

impl Ledger {
    /// How far an erasure is; `None` where it is not known.
    pub fn progress(&self, project: ProjectId, pseudonym: &str) -> Option<Progress> {
        if self.erased.contains_key(&(project, pseudonym.to_owned())) {
            return Some(Progress::Done);
        }
        self.is_erased(project, pseudonym).then_some(Progress::Pending)
    }

    /// Whether a customer is what is left of an erased one.
    pub fn is_erased(&self, project: ProjectId, customer: &str) -> bool {
        let pending =
            |pending: &Pending| pending.erasure.project == project && pending.erasure.pseudonym == customer;
        (!self.erased.is_empty() && self.erased.contains_key(&(project, customer.to_owned())))
            || self.pending.iter().any(pending)
    }

    /// The last segment and record that were dropped; 0 where none were.
    pub fn dropped_through(&self) -> (u64, u64) {
        self.dropped.last().map_or((0, 0), |last| (last.last_segment, last.last_sequence))
    }

    /// The sequences of projects' last clearings, where those were dropped.
    pub fn dropped_clearings(&self) -> impl Iterator<Item = (ProjectId, u64)> {
        let last = self.dropped.last().into_iter();
        last.flat_map(|dropped| dropped.cleared.iter().map(|(project, at)| (*project, *at)))
    }

    /// The instant behind the latest event of a project that was dropped; `None` where none was.
    pub fn dropped_until(&self, project: ProjectId) -> Option<Timestamp> {
        let times = self.dropped.iter().filter_map(|dropped| dropped.projects.get(&project));
        times.map(|of| of.last_time.plus_micros(1)).max()
    }

    fn note_dropped(&mut self, more: Dropped) {
        self.dropped.push(more);
        if self.dropped.len() > DROPPED_MAX {
            let first = self.dropped.remove(0);
            if let Some(second) = self.dropped.first_mut() {
                (second.first_segment, second.first_sequence) = (first.first_segment, first.first_sequence);
                for (project, of) in first.projects {
                    second.projects.entry(project).and_modify(|known| known.add(of)).or_insert(of);
                }
            }
        }
    }

    /// What its plan was about is done.
    pub fn finish_plan(&mut self) {
        let Some(plan) = self.plan.take() else { return };
        for Pending { erasure, through } in self.pending.drain(..plan.erasures.min(self.pending.len())) {
            self.erased.insert((erasure.project, erasure.pseudonym), through);
        }
        if let Some(dropped) = plan.dropped {
            self.note_dropped(dropped);
        }
    }

    /// Its bytes, of a store.
    pub fn encode(&self, store_id: u128) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.pending.len() as u64);
        self.pending.iter().for_each(|pending| put_pending(&mut out, pending));
        put_number(&mut out, u64::from(self.plan.is_some()));
        if let Some(plan) = &self.plan {
            put_plan(&mut out, plan);
        }
        put_number(&mut out, self.erased.len() as u64);
        for ((project, pseudonym), through) in &self.erased {
            put_number(&mut out, u64::from(project.0));
            put_text(&mut out, pseudonym);
            put_number(&mut out, *through);
        }
        put_number(&mut out, self.dropped.len() as u64);
        self.dropped.iter().for_each(|dropped| put_dropped(&mut out, dropped));
        sealed(&out, store_id)
    }

    /// Reads the ledger of a store; `None` where it was not written so.
    pub fn decode(bytes: &[u8], store_id: u128) -> Option<Self> {
        let (said, crc) = bytes.split_last_chunk::<4>()?;
        let ours = bytes_at(said, 0)? == MAGIC && u32_at(said, 8)? == VERSION;
        if !ours
            || bytes_at(said, 16)? != store_id.to_le_bytes()
            || u32::from_le_bytes(*crc) != crc32c::crc32c(said)
        {
            return None;
        }
        let input = &mut said.get(HEADER_BYTES..)?;
        let pending = (0..take_count(input)?).map(|_| take_pending(input)).collect::<Option<_>>()?;
        let plan = if take_number(input)? == 0 { None } else { Some(take_plan(input)?) };
        let mut erased = BTreeMap::new();
        for _ in 0..take_count(input)? {
            let project = take_project(input)?;
            let pseudonym = take_text(input)?.to_owned();
            erased.insert((project, pseudonym), take_number(input)?);
        }
        let dropped = (0..take_count(input)?).map(|_| take_dropped(input)).collect::<Option<_>>()?;
        input.is_empty().then_some(Self { pending, plan, erased, dropped })
    }
}

/// What a ledger says as it lies on disk, between what it begins with and its checksum.
pub fn sealed(said: &[u8], store_id: u128) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + said.len() + 4);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&store_id.to_le_bytes());
    out.extend_from_slice(said);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn take_project(input: &mut &[u8]) -> Option<ProjectId> {
    Some(ProjectId(u32::try_from(take_number(input)?).ok()?))
}

fn put_texts<'t>(out: &mut Vec<u8>, texts: impl ExactSizeIterator<Item = &'t String>) {
    put_number(out, texts.len() as u64);
    texts.for_each(|text| put_text(out, text));
}

fn take_texts(input: &mut &[u8]) -> Option<Vec<String>> {
    (0..take_count(input)?).map(|_| take_text(input).map(str::to_owned)).collect()
}

fn put_pending(out: &mut Vec<u8>, Pending { erasure, through }: &Pending) {
    put_number(out, u64::from(erasure.project.0));
    put_text(out, &erasure.customer);
    put_text(out, &erasure.pseudonym);
    put_number(out, *through);
    put_number(out, erasure.kept.len() as u64);
    for Kept { event_type, path, texts } in &erasure.kept {
        put_text(out, event_type);
        put_text(out, path.as_str());
        put_number(out, u64::from(texts.is_some()));
        if let Some(texts) = texts {
            put_texts(out, texts.iter());
        }
    }
}

fn take_pending(input: &mut &[u8]) -> Option<Pending> {
    let project = take_project(input)?;
    let (customer, pseudonym) = (take_text(input)?.to_owned(), take_text(input)?.to_owned());
    let through = take_number(input)?;
    let mut kept = Vec::new();
    for _ in 0..take_count(input)? {
        let event_type = take_text(input)?.to_owned();
        let path = Path::parse(take_text(input)?).ok()?;
        let texts = if take_number(input)? == 0 { None } else { Some(take_texts(input)?) };
        kept.push(Kept { event_type, path, texts });
    }
    Some(Pending { erasure: Erasure { project, customer, pseudonym, kept }, through })
}

fn put_plan(out: &mut Vec<u8>, plan: &Plan) {
    put_number(out, plan.erasures as u64);
    put_number(out, plan.renames.len() as u64);
    for (from, to) in &plan.renames {
        put_text(out, from);
        put_text(out, to);
    }
    put_texts(out, plan.removes.iter());
    put_texts(out, plan.parts.iter());
    put_number(out, u64::from(plan.dropped.is_some()));
    plan.dropped.iter().for_each(|dropped| put_dropped(out, dropped));
}

fn put_dropped(out: &mut Vec<u8>, dropped: &Dropped) {
    for number in [dropped.first_segment, dropped.last_segment, dropped.first_sequence, dropped.last_sequence]
    {
        put_number(out, number);
    }
    put_signed(out, dropped.at.as_micros());
    put_number(out, dropped.cleared.len() as u64);
    for (project, at) in &dropped.cleared {
        put_number(out, u64::from(project.0));
        put_number(out, *at);
    }
    put_number(out, dropped.projects.len() as u64);
    for (project, of) in &dropped.projects {
        put_number(out, u64::from(project.0));
        put_number(out, of.events);
        put_signed(out, of.first_time.as_micros());
        put_signed(out, of.last_time.as_micros());
    }
}

fn take_time(input: &mut &[u8]) -> Option<Timestamp> {
    Timestamp::from_micros(take_signed(input)?)
}

fn take_dropped(input: &mut &[u8]) -> Option<Dropped> {
    let mut dropped = Dropped {
        first_segment: take_number(input)?,
        last_segment: take_number(input)?,
        first_sequence: take_number(input)?,
        last_sequence: take_number(input)?,
        at: take_time(input)?,
        projects: BTreeMap::new(),
        cleared: BTreeMap::new(),
    };
    for _ in 0..take_count(input)? {
        dropped.cleared.insert(take_project(input)?, take_number(input)?);
    }
    for _ in 0..take_count(input)? {
        let project = take_project(input)?;
        let events = take_number(input)?;
        let of = DroppedOf { events, first_time: take_time(input)?, last_time: take_time(input)? };
        dropped.projects.insert(project, of);
    }
    Some(dropped)
}

fn take_plan(input: &mut &[u8]) -> Option<Plan> {
    let erasures = usize::try_from(take_number(input)?).ok()?;
    let rename = |input: &mut &[u8]| Some((take_text(input)?.to_owned(), take_text(input)?.to_owned()));
    let renames = (0..take_count(input)?).map(|_| rename(input)).collect::<Option<_>>()?;
    let (removes, parts) = (take_texts(input)?, take_texts(input)?);
    let dropped = if take_number(input)? == 0 { None } else { Some(take_dropped(input)?) };
    Some(Plan { erasures, renames, removes, parts, dropped })
}

/// Writes a ledger in place of the one there is.
pub fn write(disk: &dyn Disk, ledger: &Ledger, store_id: u128) -> io::Result<()> {
    let file = disk.create(TEMPORARY)?;
    file.write_at(&ledger.encode(store_id), 0)?;
    file.sync()?;
    disk.rename(TEMPORARY, FILE_NAME)?;
    disk.sync_names()
}

/// Reads the ledger of a store: empty where there is none, `None` where it is damaged.
pub fn read(disk: &dyn Disk, store_id: u128) -> io::Result<Option<Ledger>> {
    if !disk.names()?.iter().any(|name| name == FILE_NAME) {
        return Ok(Some(Ledger::default()));
    }
    let bytes = read_whole(disk.open(FILE_NAME)?.as_ref())?;
    Ok(Ledger::decode(&bytes, store_id))
}

/// The ledger of an open log.
pub struct Books {
    disk: Arc<dyn Disk>,
    store_id: u128,
    /// As it is on disk.
    now: RwLock<Arc<Ledger>>,
    /// Held by whoever changes it.
    changing: Mutex<()>,
}

impl Books {
    /// The ledger as it was read.
    pub fn new(disk: Arc<dyn Disk>, store_id: u128, ledger: Ledger) -> Self {
        Self { disk, store_id, now: RwLock::new(Arc::new(ledger)), changing: Mutex::new(()) }
    }

    /// The ledger as it is.
    pub fn now(&self) -> Arc<Ledger> {
        Arc::clone(&self.now.read())
    }

    /// Changes it, durably. Where that fails it may be changed on disk or not.
    pub fn change(&self, change: impl FnOnce(&mut Ledger)) -> io::Result<()> {
        let _changing = self.changing.lock();
        let mut ledger = Ledger::clone(&self.now.read());
        change(&mut ledger);
        write(self.disk.as_ref(), &ledger, self.store_id)?;
        *self.now.write() = Arc::new(ledger);
        Ok(())
    }
}
