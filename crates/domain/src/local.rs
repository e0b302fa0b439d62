//! A zone's clock: stretches of constant offset, and where its readings begin a unit of time.
//!
//! A reading is what the clock shows, as microseconds since 1970-01-01T00:00:00 on that clock.
use crate::time::{DAY, HOUR, MINUTE, SECOND, civil_from_days, days_from_civil};
use jiff::tz::{TimeZone, TimeZoneFollowingTransitions};

/// Longer than any two offsets lie apart: what a clock read before that is behind every later reading.
const LOOKBACK: i64 = 3 * DAY;
/// Days from 1970-01-01 to the first Monday after it.
const FIRST_MONDAY: i64 = 4;

/// A unit of time on a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
impl Unit {
    /// The greatest beginning of a unit at or before a reading.
    pub(crate) fn floor(self, reading: i64) -> i64 {
        let day = reading.div_euclid(DAY);
        match self {
            Self::Minute => reading - reading.rem_euclid(MINUTE),
            Self::Hour => reading - reading.rem_euclid(HOUR),
            Self::Day => day * DAY,
            Self::Week => (day - (day - FIRST_MONDAY).rem_euclid(7)) * DAY,
            Self::Month => {
                let (year, month, _) = civil_from_days(day);
                days_from_civil(year, month, 1) * DAY
            }
            Self::Year => days_from_civil(civil_from_days(day).0, 1, 1) * DAY,
        }
    }

    /// The beginning of the next unit after one that begins at `reading`.
    pub(crate) fn next(self, reading: i64) -> i64 {
        match self {
            Self::Minute => reading + MINUTE,
            Self::Hour => reading + HOUR,
            Self::Day => reading + DAY,
            Self::Week => reading + 7 * DAY,
            Self::Month => self.floor(reading + 31 * DAY),
            Self::Year => self.floor(reading + 366 * DAY),
        }
    }

    /// Whether the unit begins again when its beginning is read again.
    fn repeats(self) -> bool {
        matches!(self, Self::Minute | Self::Hour)
    }
}

/// Instants from `start` to before `end` in which the clock is `offset` ahead of UTC, all in microseconds.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: i64,
    end: i64,
    offset: i64,
}

/// The stretches of a range, in order.
struct Stretches<'z> {
    following: TimeZoneFollowingTransitions<'z>,
    start: i64,
    end: i64,
    offset: i64,
}

/// The instant as the zone library has it, whose range ends a day before ours.
fn zone_instant(micros: i64) -> jiff::Timestamp {
    let nearest = if micros < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(micros).unwrap_or(nearest)
}

fn stretches(zone: &TimeZone, start: i64, end: i64) -> Stretches<'_> {
    let instant = zone_instant(start);
    let offset = offset_micros(zone.to_offset(instant));
    Stretches { following: zone.following(instant), start, end, offset }
}

fn offset_micros(offset: jiff::tz::Offset) -> i64 {
    i64::from(offset.seconds()).saturating_mul(SECOND)
}

impl Iterator for Stretches<'_> {
    type Item = Stretch;
    fn next(&mut self) -> Option<Stretch> {
        let Self { start, offset, .. } = *self;
        if start >= self.end {
            return None;
        }
        let mut seen = start;
        for change in self.following.by_ref() {
            let at = change.timestamp().as_microsecond();
            // Data without a rule for the future name their last change again and again.
            if at >= self.end || at <= seen {
                break;
            }
            seen = at;
            let after = offset_micros(change.offset());
            if after != offset {
                (self.start, self.offset) = (at, after);
                return Some(Stretch { start, end: at, offset });
            }
        }
        self.start = self.end;
        Some(Stretch { start, end: self.end, offset })
    }
}

/// Where a unit begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The instant, in microseconds.
    pub(crate) at: i64,
    /// What the clock reads, or would have read had it not been put forward.
    pub(crate) reading: i64,
}

/// The beginnings of a unit after `from` and before `to`, in order.
///
/// A reading that is skipped begins its unit at the change; of several that begin at one instant
/// the last is given. Hours and minutes begin again when read again, days and longer units only once.
pub(crate) struct Starts<'z> {
    unit: Unit,
    from: i64,
    stretches: Stretches<'z>,
    stretch: Stretch,
    /// The next reading that begins a unit, if it comes before the stretch ends.
    cursor: i64,
    /// Where the clock stands before the next stretch; for days, the furthest it ever stood.
    passed: Option<i64>,
}

#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
pub(crate) fn starts(unit: Unit, zone: &TimeZone, from: i64, to: i64) -> Starts<'_> {
    let begin = if unit.repeats() { from } else { from - LOOKBACK };
    let stretch = Stretch { start: begin, end: begin, offset: 0 };
    Starts { unit, from, stretches: stretches(zone, begin, to), stretch, cursor: i64::MAX, passed: None }
}

#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
impl Starts<'_> {
    fn enter(&mut self, stretch: Stretch) {
        let (first, end) = (stretch.start + stretch.offset, stretch.end + stretch.offset);
        let passed = self.passed.unwrap_or(first);
        let lower = if self.unit.repeats() { passed.min(first) } else { passed };
        let floor = self.unit.floor(lower.max(first));
        self.cursor = if floor >= lower { floor } else { self.unit.next(floor) };
        self.passed = Some(if self.unit.repeats() { end } else { passed.max(end) });
        self.stretch = stretch;
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
impl Iterator for Starts<'_> {
    type Item = Start;
    fn next(&mut self) -> Option<Start> {
        loop {
            let reading = self.cursor;
            if reading >= self.stretch.end + self.stretch.offset {
                let stretch = self.stretches.next()?;
                self.enter(stretch);
                continue;
            }
            self.cursor = self.unit.next(reading);
            let at = (reading - self.stretch.offset).max(self.stretch.start);
            if at > self.from {
                return Some(Start { at, reading });
            }
        }
    }
}

/// The first instant at which the clock reads `reading` or has skipped it.
#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
pub(crate) fn first_instant_of(zone: &TimeZone, reading: i64) -> i64 {
    stretches(zone, reading - LOOKBACK, reading + LOOKBACK)
        .find(|stretch| reading < stretch.end + stretch.offset)
        .map_or(reading, |stretch| stretch.start.max(reading - stretch.offset))
}

/// The furthest the clock has stood up to and with this instant: where days are counted.
#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
pub(crate) fn furthest_reading(zone: &TimeZone, instant: i64) -> i64 {
    let ends = stretches(zone, instant - LOOKBACK, instant + 1).map(|stretch| stretch.end + stretch.offset);
    ends.max().unwrap_or(instant + 1) - 1
}

/// The instant at which the clock reads `reading`: the first where it reads it twice; where it skips
/// it, as much later as the clock was put forward.
#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
pub(crate) fn instant_of_wall_time(zone: &TimeZone, reading: i64) -> i64 {
    let mut offset_before = None;
    for stretch in stretches(zone, reading - LOOKBACK, reading + LOOKBACK) {
        if reading < stretch.end + stretch.offset {
            let is_read = reading >= stretch.start + stretch.offset;
            return reading - if is_read { stretch.offset } else { offset_before.unwrap_or(stretch.offset) };
        }
        offset_before = Some(stretch.offset);
    }
    reading
}

/// What the clock reads at an instant.
pub(crate) fn reading_at(zone: &TimeZone, instant: i64) -> i64 {
    instant.saturating_add(offset_micros(zone.to_offset(zone_instant(instant))))
}
