//! The committer's work without its thread: judge, write, sync, apply, answer.
use super::builder::Builder;
use super::corrections::{Ahead, Corrected, Corrections, OnCorrected};
use super::outcome::{OnAppended, OnCleared, OnErased, OnRetained, Outcome, compare, count, read_event};
use super::segments::{RollError, Segments};
use crate::batch::SealedBatch;
use crate::disk::is_out_of_space;
use crate::erase::{self, ERASURES_MAX, Erasure, Progress, Retention};
use crate::error::{AppendError, ReadError};
use crate::format::frame::{self, FrameHeader, HEADER_BYTES, pad};
use crate::format::record::{self, Record};
use crate::format::segment;
use crate::hash::IdHash;
use crate::memory::ids::SEQUENCE_MAX;
use crate::part::build::SealedSegment;
use crate::shared::Shared;
use crate::status::{Health, add};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Most records of a frame.
const RECORDS_MAX: u64 = 1 << 20;

/// What the committer is asked to do.
pub(crate) enum Work {
    /// Store a batch.
    Append(SealedBatch, OnAppended),
    /// Void and amend events, all or none; of some it is known what they say.
    Correct(Corrections, Ahead, OnCorrected),
    /// Forget a project's events.
    Clear(ProjectId, Timestamp, OnCleared),
    /// Erase a customer.
    Erase(Erasure, OnErased),
    /// Drop what need not be kept.
    Retain(Retention, OnRetained),
}

/// Commits groups.
pub(crate) struct Core {
    shared: Arc<Shared>,
    segments: Segments,
    builder: Builder,
    /// The number of the next group.
    group: u64,
    /// The sequence of the next record.
    sequence: u64,
    /// The frames of the group so far.
    buffer: Vec<u8>,
    /// The ids of the group so far.
    pending: HashMap<IdHash, Pending, RandomState>,
    answers: Vec<(OnAppended, Vec<Outcome>)>,
    stopped: Option<Arc<str>>,
}

/// An event of the group so far.
struct Pending {
    sequence: u64,
    record: Range<usize>,
    project: ProjectId,
    received_at: Timestamp,
}

impl Core {
    /// Goes on behind the last group and record.
    pub fn new(
        shared: Arc<Shared>,
        (segments, builder): (Segments, Builder),
        last_group: u64,
        last_sequence: u64,
    ) -> Self {
        Self {
            shared,
            segments,
            builder,
            group: last_group + 1,
            sequence: last_sequence + 1,
            buffer: Vec::new(),
            pending: HashMap::default(),
            answers: Vec::new(),
            stopped: None,
        }
    }

    /// Most bytes of a batch.
    pub fn batch_bytes_max(&self) -> u64 {
        self.segments.group_bytes_max()
    }

    /// Commits a group and answers.
    pub fn run(&mut self, works: impl IntoIterator<Item = Work>) {
        for work in works {
            match work {
                Work::Append(batch, on_done) => self.append(&batch, on_done),
                Work::Correct(corrections, ahead, on_done) => {
                    self.flush();
                    on_done(self.correct(&corrections, &ahead));
                }
                Work::Clear(project, at, on_done) => {
                    self.flush();
                    on_done(self.clear(project, at));
                }
                Work::Retain(retention, on_done) => {
                    self.flush();
                    on_done(self.retain(retention));
                }
                Work::Erase(erasure, on_done) => {
                    self.flush();
                    on_done(self.erase(erasure));
                }
            }
        }
        self.flush();
    }

    fn append(&mut self, batch: &SealedBatch, on_done: OnAppended) {
        if let Err(error) = self.make_room(batch.bytes.len()) {
            return on_done(Err(error));
        }
        match self.judge_all(batch) {
            Ok(outcomes) => self.answers.push((on_done, outcomes)),
            Err(error) => {
                let reason = self.stop(&format!("cannot compare with a stored event: {error}"));
                on_done(Err(AppendError::Stopped { reason }));
            }
        }
    }

    /// Makes sure that a frame of this many bytes fits behind the group so far.
    fn make_room(&mut self, bytes: usize) -> Result<(), AppendError> {
        if bytes as u64 > self.segments.group_bytes_max() {
            return Err(AppendError::TooLarge);
        }
        if self.stopped.is_none() && !self.segments.fits(self.buffer.len() + bytes) {
            self.flush();
            if self.stopped.is_none() && !self.segments.fits(bytes) {
                self.roll()?;
            }
        }
        if self.sequence > SEQUENCE_MAX - RECORDS_MAX {
            self.stop("it has as many records as a log can have");
        }
        match &self.stopped {
            Some(reason) => Err(AppendError::Stopped { reason: Arc::clone(reason) }),
            None => Ok(()),
        }
    }

    fn roll(&mut self) -> Result<(), AppendError> {
        let frames_bytes = self.segments.position().0.saturating_sub(segment::HEADER_BYTES);
        match self.segments.roll(self.sequence) {
            Ok((number, file)) => {
                if let Some(sealed) = SealedSegment::last_of(&self.shared, self.group - 1, frames_bytes) {
                    self.builder.write_down(sealed);
                }
                self.shared.memory.write().begin_segment(number, file);
                let mut health = self.shared.health.lock();
                if *health == Health::Full {
                    *health = Health::Healthy;
                }
                Ok(())
            }
            Err(RollError::Full) => {
                *self.shared.health.lock() = Health::Full;
                Err(AppendError::Full)
            }
            Err(RollError::Failed(error)) => {
                let reason = self.stop(&format!("cannot begin a segment: {error}"));
                Err(AppendError::Stopped { reason })
            }
        }
    }

    /// Judges a batch's events and puts a frame of those that are new behind the group so far.
    fn judge_all(&mut self, batch: &SealedBatch) -> Result<Vec<Outcome>, ReadError> {
        let cleared_at = self.shared.memory.read().cleared_at(batch.project);
        let start = self.buffer.len();
        let first_sequence = self.sequence;
        self.buffer.resize(start + HEADER_BYTES, 0);
        let mut outcomes = Vec::with_capacity(batch.items.len());
        for (hash, range) in &batch.items {
            let id = hash.after_clear(cleared_at);
            outcomes.push(self.judge(batch, id, batch.record(range))?);
        }
        let records = (self.sequence - first_sequence) as u32;
        if records == 0 {
            self.buffer.truncate(start);
            return Ok(outcomes);
        }
        pad(&mut self.buffer);
        let whole = records as usize == batch.items.len();
        self.finish_frame(start, |payload| FrameHeader {
            length: (HEADER_BYTES + payload.len()) as u32,
            group: 0,
            first_sequence,
            received_at: batch.received_at,
            project: batch.project,
            records,
            payload_crc: if whole { batch.payload_crc } else { crc32c::crc32c(payload) },
            group_start: 0,
        });
        Ok(outcomes)
    }

    /// Writes the header of the frame at `start`, of this group.
    fn finish_frame(&mut self, start: usize, header: impl FnOnce(&[u8]) -> FrameHeader) {
        let (offset, salt) = self.segments.position();
        let header = header(self.buffer.get(start + HEADER_BYTES..).unwrap_or_default());
        let header = FrameHeader { group: self.group, group_start: offset as u32, ..header };
        if let Some(head) = self.buffer.get_mut(start..start + HEADER_BYTES) {
            head.copy_from_slice(&header.encode(salt));
        }
    }

    fn judge(&mut self, batch: &SealedBatch, id: IdHash, record: &[u8]) -> Result<Outcome, ReadError> {
        if let Some(pending) = self.pending.get(&id) {
            let known = self.buffer.get(pending.record.clone()).unwrap_or_default();
            let sequence = pending.sequence;
            if known == record && pending.received_at == batch.received_at {
                return Ok(Outcome::Duplicate { sequence });
            }
            let known = read_event(known, pending.received_at)
                .map(|known| known.to_event(pending.project, sequence, pending.received_at));
            return Ok(compare((known.as_ref(), false), sequence, record, batch.received_at));
        }
        if let Some(sent) =
            self.shared.ids.may_have(id).then(|| read_event(record, batch.received_at)).flatten()
            && let Some(known) = self.shared.find_among(&batch.known, batch.project, sent.draft.id, id)?
        {
            let erased = self.shared.books.now().is_erased(batch.project, &known.customer);
            return Ok(compare((Some(&known), erased), known.sequence, record, batch.received_at));
        }
        let start = self.buffer.len();
        self.buffer.extend_from_slice(record);
        let sequence = self.sequence;
        self.sequence += 1;
        let pending = Pending {
            sequence,
            record: start..self.buffer.len(),
            project: batch.project,
            received_at: batch.received_at,
        };
        self.pending.insert(id, pending);
        Ok(Outcome::Accepted { sequence })
    }

    fn clear(&mut self, project: ProjectId, received_at: Timestamp) -> Result<u64, AppendError> {
        let mut payload = Vec::new();
        record::put_cleared(&mut payload);
        let cleared = self.commit_alone(project, received_at, 1, payload);
        self.shared.note_columns();
        cleared
    }

    /// Begins to drop what need not be kept. The segment that is written to takes no more where it has
    /// something of that, so that it can go in its turn.
    fn retain(&mut self, retention: Retention) -> Result<(), AppendError> {
        if let Some(reason) = &self.stopped {
            return Err(AppendError::Stopped { reason: Arc::clone(reason) });
        }
        let reaches = retention.reaches(&self.shared.memory.read());
        if reaches {
            self.roll()?;
        }
        *self.shared.retention.lock() = Some(retention);
        self.builder.wake();
        Ok(())
    }

    /// Writes an erasure down, which is about all records so far; their segment takes no more.
    fn erase(&mut self, erasure: Erasure) -> Result<Progress, AppendError> {
        let project = erasure.project;
        let pseudonym = erasure.pseudonym.clone();
        let known = self.shared.books.now();
        if let Some(progress) = known.progress(project, &pseudonym) {
            return Ok(progress);
        }
        if known.pending.len() >= ERASURES_MAX {
            return Err(AppendError::Busy);
        }
        if let Some(reason) = &self.stopped {
            return Err(AppendError::Stopped { reason: Arc::clone(reason) });
        }
        if self.segments.position().0 > segment::HEADER_BYTES {
            self.roll()?;
        }
        let pending = erase::Pending { erasure, through: self.sequence - 1 };
        self.shared.books.change(|ledger| ledger.pending.push(pending)).map_err(|error| {
            if is_out_of_space(&error) {
                return AppendError::Full;
            }
            let reason = self.stop(&format!("cannot write an erasure down: {error}"));
            AppendError::Stopped { reason }
        })?;
        self.builder.wake();
        Ok(self.shared.books.now().progress(project, &pseudonym).unwrap_or(Progress::Pending))
    }

    fn correct(&mut self, corrections: &Corrections, ahead: &Ahead) -> Result<Vec<Corrected>, AppendError> {
        let judged = corrections.judge(&self.shared, ahead).map_err(|error| {
            let reason = self.stop(&format!("cannot read the events to correct: {error}"));
            AppendError::Stopped { reason }
        })?;
        // What a correction repeats of its event would come back.
        if judged.erasing {
            return Err(AppendError::Busy);
        }
        if judged.records > 0 {
            let Corrections { project, received_at, .. } = *corrections;
            self.commit_alone(project, received_at, judged.records, judged.payload)?;
        }
        Ok(judged.outcomes)
    }

    /// Commits these records as a frame and group of their own; answers the first one's sequence.
    fn commit_alone(
        &mut self,
        project: ProjectId,
        received_at: Timestamp,
        records: u32,
        mut payload: Vec<u8>,
    ) -> Result<u64, AppendError> {
        pad(&mut payload);
        self.make_room(HEADER_BYTES + payload.len())?;
        let first_sequence = self.sequence;
        self.sequence += u64::from(records);
        self.buffer.resize(HEADER_BYTES, 0);
        self.buffer.extend_from_slice(&payload);
        self.finish_frame(0, |payload| FrameHeader {
            length: (HEADER_BYTES + payload.len()) as u32,
            group: 0,
            first_sequence,
            received_at,
            project,
            records,
            payload_crc: crc32c::crc32c(payload),
            group_start: 0,
        });
        self.flush();
        match &self.stopped {
            Some(reason) => Err(AppendError::Stopped { reason: Arc::clone(reason) }),
            None => Ok(first_sequence),
        }
    }

    /// Writes the group so far, makes it durable, shows it to readers and answers.
    fn flush(&mut self) {
        if !self.buffer.is_empty() && self.stopped.is_none() {
            self.commit();
        }
        self.buffer.clear();
        for (on_done, outcomes) in self.answers.drain(..) {
            on_done(match &self.stopped {
                Some(reason) => Err(AppendError::Stopped { reason: Arc::clone(reason) }),
                None => {
                    count(&self.shared, &outcomes);
                    Ok(outcomes)
                }
            });
        }
    }

    fn commit(&mut self) {
        let (offset, salt) = self.segments.position();
        let started = Instant::now();
        if let Err(error) = self.segments.commit(&self.buffer) {
            self.stop(&format!("cannot write and sync: {error}"));
            return;
        }
        self.shared.counters.committed(started.elapsed());
        add(&self.shared.counters.bytes, self.buffer.len() as u64);
        self.group += 1;
        if let Err(reason) = self.apply(offset, salt) {
            self.stop(&reason);
            return;
        }
        self.shared.ids.insert_all(self.pending.drain().map(|(id, pending)| (id, pending.sequence)));
    }

    fn apply(&mut self, offset: u64, salt: u32) -> Result<(), String> {
        let mut at = 0;
        while let Some(rest) = self.buffer.get(at..).filter(|rest| !rest.is_empty()) {
            let frame = frame::read(rest, salt).ok_or("a frame just written cannot be read")?;
            // Locked frame by frame, so that readers never wait for a whole group.
            let mut memory = self.shared.memory.write();
            let (watches, project) = (&self.shared.watches, frame.header.project);
            let told = memory.apply(&frame, offset + at as u64, |record, _, sequence| match record {
                Record::Event(event) => watches.event(project, sequence, event),
                Record::Correction(made) => watches.corrected(project, sequence, made.customer),
                Record::Cleared => watches.cleared(project, sequence),
            });
            told.map_err(|error| error.to_string())?;
            at += frame.header.length as usize;
        }
        Ok(())
    }

    fn stop(&mut self, reason: &str) -> Arc<str> {
        let reason = Arc::clone(self.stopped.get_or_insert_with(|| reason.into()));
        *self.shared.health.lock() = Health::Stopped { reason: Arc::clone(&reason) };
        reason
    }
}
