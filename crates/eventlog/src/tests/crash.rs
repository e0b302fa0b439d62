//! The engine against the model: random operations, with crashes and faults at random moments.
use super::model::{Model, Sent, content};
use super::random::{self, PROJECTS, Question};
use super::{at, commit, open};
use crate::backup;
use crate::batch::Batch;
use crate::disk::sim::{Faults, Rng, SimDisk};
use crate::erase::{Erasure, Kept, Pending, Progress, Retention};
use crate::error::AppendError;
use crate::log::Opened;
use crate::read::changes::{self, Since};
use crate::read::export::Export;
use crate::read::list::{Cursor, ListFilter, Order};
use crate::read::query::{Query, QueryError, Row};
use crate::read::{history, list, query, verify};
use crate::write::core::Work;
use crate::write::corrections::{Change, Corrections};
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::Path;
use reckoner_domain::meter::Meter;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Crash schedules of a run, unless `RECKONER_CRASH_SCHEDULES` says otherwise.
const SCHEDULES: u64 = 150;
/// Different ids of a schedule.
const IDS: usize = 150;

struct Run {
    rng: Rng,
    /// Meters that are asked again and again.
    meters: Vec<Meter>,
    disk: SimDisk,
    log: Option<Opened>,
    model: Model,
    /// Erasures that are written down, and not done as far as the model knows.
    erasing: Vec<Pending>,
    /// What was asked to be dropped.
    may_drop: Vec<Retention>,
    now: Timestamp,
}

#[test]
fn any_schedule_of_crashes_equals_one_send_each() {
    let number = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "only the size of this test is set by it")]
        let text = std::env::var(name).ok()?;
        text.parse::<u64>().ok()
    };
    let first = number("RECKONER_CRASH_SEED").unwrap_or(1);
    let count = number("RECKONER_CRASH_SCHEDULES").unwrap_or(SCHEDULES);
    for seed in first..first + count {
        let caught = std::panic::catch_unwind(|| Run::new(seed).run());
        assert!(caught.is_ok(), "schedule RECKONER_CRASH_SEED={seed} fails");
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new(seed);
        let mut rng = Rng(seed ^ 0xabcd);
        let meters = (0..2).map(|_| random::meter(&mut rng)).collect();
        Self {
            rng,
            log: None,
            disk,
            model: Model::default(),
            erasing: Vec::new(),
            may_drop: Vec::new(),
            now: at(1_772_900_000),
            meters,
        }
    }

    fn run(&mut self) {
        for _ in 0..3 + self.rng.below(5) {
            self.reopen();
            self.follow_all_erasures();
            self.check();
            for _ in 0..self.rng.below(8) {
                if !self.step() {
                    break;
                }
            }
            self.log = None;
            self.end_process();
        }
        self.reopen();
        self.follow_all_erasures();
        self.check();
    }

    /// Opens the log, sometimes only after crashing while it opens.
    fn reopen(&mut self) {
        while self.rng.one_in(4) {
            self.disk.set_faults(Faults { crash: Some(self.rng.below(8) as u64), ..Faults::default() });
            drop(open(&self.disk));
            self.end_process();
        }
        self.log = Some(open(&self.disk).expect("opens"));
    }

    /// The process ends, alone or with the machine.
    fn end_process(&mut self) {
        if self.rng.one_in(2) {
            self.disk.lose_power();
        } else {
            self.disk.kill();
        }
    }

    fn log(&mut self) -> &mut Opened {
        self.log.as_mut().expect("is open")
    }

    /// Commits something; whether the log goes on.
    fn step(&mut self) -> bool {
        // What is known of a day goes on with what is committed later.
        if self.rng.one_in(3) {
            self.check_query();
        }
        if self.rng.one_in(5) {
            let mut random = |chance| self.rng.one_in(chance).then(|| self.rng.below(9) as u64);
            let (crash, fail_sync, fail_write) = (random(2), random(3), random(3));
            self.disk.set_faults(Faults { crash, fail_sync, fail_write });
        }
        self.now = self.now.plus_micros(self.rng.below(3) as i64 * 700_001);
        let going = match self.rng.below(27) {
            25 => self.erase(),
            26 => self.retain(),
            0 => self.clear(),
            1..6 => self.correct(),
            _ => self.append(),
        };
        if going {
            self.follow_erasures();
        }
        going
    }

    /// Drops what is before some instant, as far as whole files are.
    fn retain(&mut self) -> bool {
        let before = PROJECTS.map(|project| (project, random::time(&mut self.rng))).into();
        let retention = Retention { before, kept: BTreeSet::new(), at: self.now };
        self.may_drop.push(retention.clone());
        let answer = Arc::new(parking_lot::Mutex::new(None));
        let told = Arc::clone(&answer);
        let work = Work::Retain(retention, Box::new(move |result| *told.lock() = Some(result)));
        self.log().core.run([work]);
        let answer = answer.lock().take().expect("an answer");
        match answer {
            Ok(()) if !self.disk.has_stopped() => true,
            Ok(()) | Err(AppendError::Stopped { .. }) => {
                self.find_out(Vec::new());
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// What the log dropped need not have been kept, and is gone from the model.
    fn follow_drops(&mut self) {
        let books = self.log().shared.books.now();
        let (_, through) = books.dropped_through();
        let gone = |event: &&Event| event.sequence <= through;
        for event in self.model.events.iter().filter(gone) {
            let old = |asked: &Retention| event.time < asked.before[&event.project];
            assert!(self.may_drop.iter().any(old), "{event:?}");
        }
        self.model.events.retain(|event| event.sequence > through);
    }

    /// Erases a customer, perhaps one that is not there.
    fn erase(&mut self) -> bool {
        let project = *self.rng.pick(&PROJECTS);
        let pseudonym = format!("erased-{}", self.rng.next());
        let customer = (*self.rng.pick(&random::CUSTOMERS)).to_owned();
        let kept = self.meters.iter().flat_map(kept_by).collect();
        let erasure = Erasure { project, customer, pseudonym, kept };
        let pending = Pending { erasure: erasure.clone(), through: self.model.sequence };
        let answer = Arc::new(parking_lot::Mutex::new(None));
        let told = Arc::clone(&answer);
        let work = Work::Erase(erasure, Box::new(move |result| *told.lock() = Some(result)));
        self.log().core.run([work]);
        let answer = answer.lock().take().expect("an answer");
        self.erasing.push(pending);
        match answer {
            // It is written down; the machine may have stopped while it was carried out.
            Ok(_) if !self.disk.has_stopped() => true,
            Ok(_) | Err(AppendError::Stopped { .. }) => {
                self.find_out(Vec::new());
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn follow_all_erasures(&mut self) {
        self.follow_erasures();
        assert_eq!(self.erasing, [], "what was written down is done once the log is open");
    }

    /// What is erased by now is erased from the model; of what was asked for before a crash the log knows
    /// whether it will be.
    fn follow_erasures(&mut self) {
        self.follow_drops();
        let books = self.log().shared.books.now();
        for pending in std::mem::take(&mut self.erasing) {
            let Erasure { project, pseudonym, .. } = &pending.erasure;
            match books.progress(*project, pseudonym) {
                Some(Progress::Done) => self.model.erase(&pending),
                Some(Progress::Pending) => self.erasing.push(pending),
                None => {}
            }
        }
    }

    /// Voids and amends some events, some that are not there, some twice.
    fn correct(&mut self) -> bool {
        let project = *self.rng.pick(&PROJECTS);
        let changes = (0..self.rng.below(6)).map(|_| self.change(project)).collect();
        let (received_at, by) = (self.now, "key".to_owned());
        let corrections = Corrections { project, received_at, by, changes };
        let answer = Arc::new(parking_lot::Mutex::new(None));
        let told = Arc::clone(&answer);
        let ahead = corrections.look_ahead(&self.log().shared).unwrap_or_default();
        let work =
            Work::Correct(corrections.clone(), ahead, Box::new(move |result| *told.lock() = Some(result)));
        self.log().core.run([work]);
        let mut after = self.model.clone();
        let expected = after.correct(&corrections);
        let answer = answer.lock().take().expect("an answer");
        match answer {
            Ok(outcomes) => {
                assert_eq!(outcomes, expected);
                self.model = after;
                true
            }
            // A customer is being erased, which failed before and is tried again.
            Err(AppendError::Busy) => {
                assert!(!self.erasing.is_empty());
                true
            }
            Err(error) => {
                assert!(matches!(error, AppendError::Stopped { .. }));
                self.find_out(vec![after]);
                false
            }
        }
    }

    fn change(&mut self, project: ProjectId) -> Change {
        let target = 1 + self.rng.below(self.model.sequence as usize + 2) as u64;
        let known = self.model.events.iter().find(|event| event.sequence == target);
        let content = known.map(content).filter(|_| self.rng.one_in(4));
        let other = random::sent(&mut self.rng, project, self.now, IDS).event;
        let after = self.rng.one_in(2).then(|| content.unwrap_or_else(|| super::model::content(&other)));
        Change { target, after }
    }

    fn clear(&mut self) -> bool {
        let project = *self.rng.pick(&PROJECTS);
        let answer = Arc::new(parking_lot::Mutex::new(None));
        let told = Arc::clone(&answer);
        let now = self.now;
        let work = Work::Clear(project, now, Box::new(move |result| *told.lock() = Some(result)));
        self.log().core.run([work]);
        let mut after = self.model.clone();
        after.clear(project);
        let answer = answer.lock().take().expect("an answer");
        match answer {
            Ok(sequence) => {
                assert_eq!(sequence, after.sequence);
                self.model = after;
                true
            }
            Err(error) => {
                assert!(matches!(error, AppendError::Stopped { .. }));
                self.find_out(vec![after]);
                false
            }
        }
    }

    fn append(&mut self) -> bool {
        let mut batches = Vec::new();
        let largest = if self.rng.one_in(10) { 60 } else { 6 };
        for _ in 0..=self.rng.below(4) {
            let project = *self.rng.pick(&PROJECTS);
            let size = self.rng.below(largest);
            let batch: Vec<Sent> =
                (0..size).map(|_| random::sent(&mut self.rng, project, self.now, IDS)).collect();
            batches.push((project, batch));
        }
        let encode = |(project, sent): &(ProjectId, Vec<Sent>)| {
            let mut batch = Batch::new(*project, self.now);
            for sent in sent {
                batch.push(&sent.draft()).expect("fits");
            }
            batch
        };
        let encoded = batches.iter().map(encode).collect();
        let answers = commit(self.log(), encoded);
        let mut states = Vec::new();
        let mut after = self.model.clone();
        let mut going = true;
        for ((_, batch), answer) in batches.iter().zip(answers) {
            let expected = after.append(batch);
            match answer.expect("an answer") {
                Ok(outcomes) => {
                    assert!(going, "nothing is acknowledged after a failure");
                    assert_eq!(outcomes, expected);
                    self.model = after.clone();
                }
                Err(error) => {
                    assert!(matches!(error, AppendError::Stopped { .. }), "{error}");
                    going = false;
                    states.push(after.clone());
                }
            }
        }
        if !going {
            self.find_out(states);
        }
        going
    }

    /// After a failure: the log holds what was acknowledged, and of the rest whole batches from the
    /// front or nothing.
    fn find_out(&mut self, states: Vec<Model>) {
        self.log = None;
        self.end_process();
        self.reopen();
        let sequence = self.log().shared.memory.read().sequence;
        let state = states.into_iter().find(|state| state.sequence == sequence);
        match state {
            Some(state) => self.model = state,
            None => assert_eq!(sequence, self.model.sequence, "acknowledged events are there, once"),
        }
        self.follow_all_erasures();
        self.check_events();
    }

    fn check_events(&mut self) {
        let shared = Arc::clone(&self.log().shared);
        assert_eq!(shared.memory.read().sequence, self.model.sequence);
        for event in &self.model.events {
            let revisions = history::of(&shared, event.project, &event.id).expect("reads");
            let shown: Vec<_> = revisions
                .into_iter()
                .map(|revision| (revision.sequence, revision.at, revision.event))
                .collect();
            assert_eq!(shown, self.model.revisions[&event.sequence]);
            let found = shared.get(event.project, &event.id).expect("reads");
            assert_eq!(found.as_ref(), Some(event));
        }
        for project in PROJECTS {
            let counts = |event: &&Event| event.project == project && event.voided_at.is_none();
            let count = self.model.events.iter().filter(counts).count();
            assert_eq!(changes::stats(&shared, project).events, count as u64);
        }
    }

    fn check(&mut self) {
        self.check_events();
        let shared = Arc::clone(&self.log().shared);
        for _ in 0..15 {
            let mut filter = random::list_filter(&mut self.rng, IDS);
            if !self.model.events.is_empty() && self.rng.one_in(3) {
                let event = self.rng.pick(&self.model.events);
                filter.after = Some(Cursor { time: event.time, sequence: event.sequence });
            }
            assert_eq!(list::run(&shared, &filter).expect("lists"), self.model.list(&filter), "{filter:?}");
            let whole = ListFilter { after: None, limit: usize::MAX, order: Order::LatestFirst, ..filter };
            let pieces = Export::new(Arc::clone(&shared), whole.clone()).expect("begins");
            let mut exported = pieces.collect::<Result<Vec<_>, _>>().expect("reads").concat();
            exported.sort_unstable_by_key(|event| std::cmp::Reverse(event.sequence));
            assert_eq!(exported, self.model.list(&whole), "{whole:?}");
            self.check_query();
        }
        self.check_changes();
        self.check_itself();
    }

    fn check_query(&mut self) {
        let shared = Arc::clone(&self.log().shared);
        let known = self.rng.one_in(2);
        let meter = if known { self.rng.pick(&self.meters).clone() } else { random::meter(&mut self.rng) };
        let windows = random::some_windows(&mut self.rng);
        let Question { customers, subjects, filters, group_by, as_of, fill_zero } =
            random::question(&mut self.rng, self.now);
        let project = *self.rng.pick(&PROJECTS);
        let query = Query {
            customers,
            subjects,
            filters,
            group_by,
            as_of,
            fill_zero,
            ..Query::new(project, &meter, &windows)
        };
        match query::run(&shared, &query) {
            Err(QueryError::Dropped(until)) => {
                assert_eq!(shared.books.now().dropped_until(project), Some(until));
                assert!(windows[0].start < until);
            }
            rows => {
                let rows = rows.expect("answers");
                assert_eq!(shown(&rows), shown(&self.model.query(&query)), "{query:?}");
            }
        }
    }

    /// The log agrees with itself, and so does a copy of it.
    fn check_itself(&mut self) {
        let shared = Arc::clone(&self.log().shared);
        let verified = verify::run(&shared).expect("reads");
        assert_eq!(verified.differences, [""; 0]);
        assert_eq!(
            verified.events,
            self.model.events.iter().filter(|e| e.voided_at.is_none()).count() as u64
        );
        if self.rng.one_in(4) {
            let other = SimDisk::new(self.rng.next());
            let copied = backup::copy(&self.disk, &other).expect("copies");
            assert_eq!(copied.sequence, self.model.sequence);
            let copy = open(&other).expect("opens");
            for event in &self.model.events {
                let found = copy.shared.get(event.project, &event.id).expect("reads");
                assert_eq!(found.as_ref(), Some(event));
            }
        }
    }

    fn check_changes(&mut self) {
        let shared = Arc::clone(&self.log().shared);
        let project = *self.rng.pick(&PROJECTS);
        let by_hour = |counts: &dyn Fn(&Event) -> bool| {
            let mut hours: BTreeMap<i64, BTreeSet<Arc<str>>> = BTreeMap::new();
            for event in self.model.events.iter().filter(|e| e.project == project && counts(e)) {
                hours.entry(event.time.hour_index()).or_default().insert(event.customer.as_str().into());
            }
            hours
                .into_iter()
                .map(|(hour, set)| (hour, set.into_iter().collect()))
                .collect::<BTreeMap<i64, Vec<_>>>()
        };
        let after = self.model.sequence.saturating_sub(self.rng.below(10) as u64);
        let before = random::time(&mut self.rng);
        let early = |event: &Event| Timestamp::from_hour_index(event.time.hour_index()) < before;
        let since = |carried| Since { after_sequence: after, before, carried };
        let changes = changes::changed(&shared, project, since(&[])).expect("reads");
        let newer = |event: &Event| self.model.touched(event) > after && early(event);
        assert_eq!(changes.by_hour, by_hour(&newer));
        let carried = [random::TYPES[0].to_owned()];
        let touched = |event: &Event| {
            let mut same = self.model.events.iter().filter(|other| {
                other.project == project && other.customer == event.customer && other.event_type == carried[0]
            });
            let earlier = |other: &Event| other.time.hour_index() < event.time.hour_index();
            event.event_type == carried[0] && same.any(|other| newer(other) && earlier(other))
        };
        let with_carried = changes::changed(&shared, project, since(&carried)).expect("reads");
        assert_eq!(with_carried.by_hour, by_hour(&|event| early(event) && (newer(event) || touched(event))));
        assert_eq!(changes.through_sequence, self.model.sequence);
        assert_eq!(changes.cleared_at, self.model.cleared_at.get(&project).copied().unwrap_or(0));
        let mut times = [random::time(&mut self.rng), random::time(&mut self.rng)];
        times.sort_unstable();
        let times = times[0]..times[1];
        let active = changes::active_hours(&shared, project, &times);
        let hours = times.start.hour_index()..=times.end.plus_micros(-1).hour_index();
        let known = by_hour(&|event| times.start < times.end && hours.contains(&event.time.hour_index()));
        assert_eq!(active, known.into_keys().collect::<Vec<_>>());
        let of_project = || self.model.events.iter().filter(|event| event.project == project);
        let stats = changes::stats(&shared, project);
        assert_eq!(stats.first_time, of_project().map(|event| event.time).min());
        assert_eq!(stats.last_time, of_project().map(|event| event.time).max());
        let names: BTreeSet<Arc<str>> = of_project().map(|event| event.customer.as_str().into()).collect();
        assert_eq!(changes::customers(&shared, project), names.into_iter().collect::<Vec<_>>());
    }
}

/// What a meter's totals are made of.
fn kept_by(meter: &Meter) -> Vec<Kept> {
    let kept = |path: &Path, texts| Kept { event_type: meter.event_type.clone(), path: path.clone(), texts };
    let filters = meter.filters.iter().map(|filter| kept(&filter.path, Some(filter.any_of.clone())));
    meter.value_property.iter().map(|path| kept(path, None)).chain(filters).collect()
}

/// Rows with their values as shown: a quotient is the same however it was reached.
fn shown(rows: &[Row]) -> Vec<(Row, Option<String>)> {
    let show = |row: &Row| (Row { usage: None, ..row.clone() }, row.usage.map(|usage| usage.to_text()));
    rows.iter().map(show).collect()
}
