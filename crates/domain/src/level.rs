//! Levels over time: exact integrals and means of what was held.
use crate::meter::Input;
use crate::sum::{Overflow, Quotient, Sum};
use crate::time::Timestamp;
use crate::wide::I256;
use crate::window::Window;

/// Units of a level in one.
const LEVEL_SCALE: u128 = 1_000_000_000_000_000_000;

/// Why a level cannot be followed further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// A change, or the end of a window, lies before what was already taken.
    #[error("changes of a level must come in the order of their time")]
    OutOfOrder,
    /// A level or an integral needs more than 256 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// A level times the time it was held, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integral(I256);

impl Integral {
    /// Both together.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The integral divided by a length of time, for instance [`crate::time::HOUR`] for unit-hours or
    /// the length of a billing period for unit-months; `None` for zero.
    pub fn per_micros(self, micros: u64) -> Option<Quotient> {
        Quotient::new(self.0, u128::from(micros).saturating_mul(LEVEL_SCALE))
    }
}

/// What a level did in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelWindow {
    /// The window.
    pub window: Window,
    /// The integral of the level, counted as zero while it was negative.
    pub integral: Integral,
    /// The level at the window's end, before changes at that very instant.
    pub closing: Sum,
    /// Whether the level was below zero for any length of time.
    pub was_negative: bool,
}

impl LevelWindow {
    /// The mean over the window; `None` for an empty one.
    pub fn average(&self) -> Option<Quotient> {
        self.integral.per_micros(self.window.micros())
    }
}

/// A level followed through time, one window after the other.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    input: Input,
    level: Sum,
    /// Everything before this instant is in `integral`.
    position: Timestamp,
    start: Timestamp,
    integral: Integral,
    was_negative: bool,
}

impl Levels {
    /// A level that was `carried` into the instant `from`, where the first window begins.
    pub fn new(input: Input, from: Timestamp, carried: Sum) -> Self {
        let integral = Integral::default();
        Self { input, level: carried, position: from, start: from, integral, was_negative: false }
    }

    /// The level now.
    pub fn level(&self) -> Sum {
        self.level
    }

    /// A change at an instant not before the last one, by or to `value` as the input says. Changes of
    /// one instant come in the order of their sequence. On an error nothing changes.
    pub fn apply(&mut self, at: Timestamp, value: Sum) -> Result<(), LevelError> {
        let level = changed(self.input, self.level, value)?;
        self.advance(at)?;
        self.level = level;
        Ok(())
    }

    /// Ends the window at an instant not before the last change, and begins the next one there.
    /// Changes at that very instant belong to the next. On an error nothing changes.
    pub fn close(&mut self, at: Timestamp) -> Result<LevelWindow, LevelError> {
        self.advance(at)?;
        let closed = LevelWindow {
            window: Window { start: self.start, end: at },
            integral: self.integral,
            closing: self.level,
            was_negative: self.was_negative,
        };
        *self = Self::new(self.input, at, self.level);
        Ok(closed)
    }

    fn advance(&mut self, at: Timestamp) -> Result<(), LevelError> {
        let held = u64::try_from(at.micros_since(self.position)).map_err(|_| LevelError::OutOfOrder)?;
        if held > 0 && self.level.is_negative() {
            self.was_negative = true;
        } else {
            let more = self.level.units().checked_mul(held).ok_or(Overflow)?;
            self.integral = self.integral.plus(Integral(more))?;
        }
        self.position = at;
        Ok(())
    }
}

/// What each of these windows (in order, without overlap) saw of a level, in one pass over all its
/// changes (in order); those before the first window only move the level.
pub fn level_windows(
    input: Input,
    carried: Sum,
    changes: impl IntoIterator<Item = (Timestamp, Sum)>,
    windows: &[Window],
) -> Result<Vec<LevelWindow>, LevelError> {
    let mut changes = changes.into_iter().peekable();
    let Some(first) = windows.first() else { return Ok(Vec::new()) };
    let (mut level, mut last) = (carried, Timestamp::MIN);
    while let Some((at, value)) = changes.next_if(|(at, _)| *at < first.start) {
        if at < last {
            return Err(LevelError::OutOfOrder);
        }
        level = changed(input, level, value)?;
        last = at;
    }
    let mut levels = Levels::new(input, first.start, level);
    let mut closed = Vec::with_capacity(windows.len());
    for window in windows {
        while let Some((at, value)) = changes.next_if(|(at, _)| *at < window.start) {
            levels.apply(at, value)?;
        }
        levels.close(window.start)?;
        while let Some((at, value)) = changes.next_if(|(at, _)| *at < window.end) {
            levels.apply(at, value)?;
        }
        closed.push(levels.close(window.end)?);
    }
    Ok(closed)
}

fn changed(input: Input, level: Sum, value: Sum) -> Result<Sum, Overflow> {
    match input {
        Input::Delta => level.plus_sum(value),
        Input::Level => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::Decimal;
    use crate::time::{DAY, HOUR};
    use proptest::prelude::*;

    fn sum(text: &str) -> Sum {
        Sum::ZERO.plus(Decimal::parse(text).expect("a number")).expect("fits")
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros_clamped(micros)
    }

    fn text(quotient: Option<Quotient>) -> Option<String> {
        quotient.and_then(Quotient::to_decimal).map(|number| number.to_string())
    }

    #[test]
    fn a_hundred_held_for_half_a_month_is_fifty_unit_months() {
        let mut levels = Levels::new(Input::Delta, at(0), Sum::ZERO);
        levels.apply(at(15 * DAY), sum("100")).expect("in order");
        let month = levels.close(at(30 * DAY)).expect("in order");
        assert_eq!(text(month.average()).as_deref(), Some("50"));
        assert_eq!(text(month.integral.per_micros(HOUR as u64)).as_deref(), Some("36000"));
        assert_eq!(month.closing.to_string(), "100");
        let billed = Window { start: at(30 * DAY), end: at(45 * DAY) };
        let half = levels.close(billed.end).expect("in order");
        assert_eq!(text(half.average()).as_deref(), Some("100"));
        assert_eq!(half.window, billed);
        assert_eq!(text(half.integral.per_micros(30 * DAY as u64)).as_deref(), Some("50"));
    }

    #[test]
    fn below_zero_counts_as_zero_and_is_flagged() {
        let windows: Vec<Window> =
            (0..5).map(|hour| Window { start: at(hour * HOUR), end: at((hour + 1) * HOUR) }).collect();
        let changes = [
            (at(-1), sum("7")),
            (at(HOUR), sum("-10")),
            (at(2 * HOUR + HOUR / 2), sum("5")),
            // Gone and back within an instant is no time below zero.
            (at(4 * HOUR), sum("-5")),
            (at(4 * HOUR), sum("5")),
        ];
        let seen = level_windows(Input::Delta, sum("1"), changes, &windows).expect("in order");
        let shown: Vec<_> = seen
            .iter()
            .map(|w| (text(w.average()).unwrap_or_default(), w.closing.to_string(), w.was_negative))
            .collect();
        let row = |mean: &str, closing: &str, negative| (mean.to_owned(), closing.to_owned(), negative);
        let expected = [
            row("8", "8", false),
            row("0", "-2", true),
            row("1.5", "3", true),
            row("3", "3", false),
            row("3", "3", false),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn levels_replace_and_the_last_of_an_instant_stays() {
        let changes = [(at(0), sum("9")), (at(0), sum("4")), (at(30), sum("1"))];
        let window = Window { start: at(0), end: at(90) };
        let seen = level_windows(Input::Level, sum("100"), changes, &[window]).expect("in order");
        assert_eq!(text(seen[0].average()).as_deref(), Some("2"));
        let empty = Levels::new(Input::Level, at(0), sum("3")).close(at(0)).expect("in order");
        assert_eq!((text(empty.average()), empty.closing), (None, sum("3")));
    }

    #[test]
    fn disorder_and_overflow_change_nothing() {
        let mut levels = Levels::new(Input::Delta, at(10), sum("1"));
        let before = format!("{levels:?}");
        assert_eq!(levels.apply(at(9), sum("1")), Err(LevelError::OutOfOrder));
        assert_eq!(levels.close(at(9)), Err(LevelError::OutOfOrder));
        assert_eq!(format!("{levels:?}"), before);
        let window = [Window { start: at(10), end: at(20) }];
        let swapped = [(at(5), Sum::ZERO), (at(4), Sum::ZERO)];
        assert_eq!(level_windows(Input::Delta, Sum::ZERO, swapped, &window), Err(LevelError::OutOfOrder));

        let limit = Decimal::from_units(10_i128.pow(36) - 1).expect("in range");
        let huge = Sum::ZERO.plus_product(limit, limit).expect("fits");
        let mut levels = Levels::new(Input::Level, at(0), huge);
        assert_eq!(levels.close(at(365 * DAY)), Err(LevelError::Overflow(Overflow)));
    }

    proptest! {
        #[test]
        fn agrees_with_adding_up_each_microsecond(
            level_input in any::<bool>(),
            carried in -5_i32..20,
            mut raw in prop::collection::vec((-20_i64..120, -9_i32..10), 0..30),
            mut cuts in prop::collection::btree_set(0_i64..100, 2..8),
        ) {
            let whole = |number: i32| Sum::ZERO.plus(Decimal::from_i32(number)).expect("fits");
            raw.sort_by_key(|(time, _)| *time);
            cuts.insert(0);
            let cuts: Vec<i64> = cuts.into_iter().collect();
            let windows: Vec<Window> = cuts.windows(2).map(|w| Window { start: at(w[0]), end: at(w[1]) }).collect();
            let input = if level_input { Input::Level } else { Input::Delta };
            let changes = raw.iter().map(|(time, value)| (at(*time), whole(*value)));
            let seen = level_windows(input, whole(carried), changes, &windows).expect("in order");
            let level_at = |time: i64| raw.iter().filter(|(t, _)| *t <= time).fold(carried, |level, (_, value)| {
                if level_input { *value } else { level + value }
            });
            for (window, seen) in windows.iter().zip(seen) {
                let held: Vec<i32> = (window.start.as_micros()..window.end.as_micros()).map(level_at).collect();
                let sum: i32 = held.iter().map(|level| (*level).max(0)).sum();
                let expected = Quotient::new(I256::product(i128::from(sum), crate::decimal::ONE), held.len() as u128);
                prop_assert_eq!(text(seen.average()), text(expected));
                prop_assert_eq!(seen.was_negative, held.iter().any(|level| *level < 0));
                prop_assert_eq!(seen.closing, whole(*held.last().expect("not empty")));
            }
        }
    }
}
