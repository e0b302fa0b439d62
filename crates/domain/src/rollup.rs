//! What is kept of many readings so that any of the plain aggregations can be told from it.
use crate::decimal::Decimal;
use crate::sum::{Overflow, Sum};
use crate::time::Timestamp;

/// A value with its place in the order of event time, then sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The event's time.
    pub time: Timestamp,
    /// The event's sequence.
    pub sequence: u64,
    /// The value.
    pub value: Decimal,
}

/// Count, sum and extremes of at least one reading. Merging is commutative and associative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// How many readings.
    pub count: u64,
    /// Their exact sum.
    pub sum: Sum,
    /// The least value.
    pub min: Decimal,
    /// The greatest value.
    pub max: Decimal,
    /// The earliest reading.
    pub first: Mark,
    /// The latest reading.
    pub last: Mark,
}

impl Rollup {
    /// The rollup of one reading.
    pub fn of(mark: Mark) -> Result<Self, Overflow> {
        let sum = Sum::ZERO.plus(mark.value)?;
        Ok(Self { count: 1, sum, min: mark.value, max: mark.value, first: mark, last: mark })
    }

    /// Adds one reading; on overflow nothing changes.
    pub fn add(&mut self, mark: Mark) -> Result<(), Overflow> {
        self.sum = self.sum.plus(mark.value)?;
        self.count = self.count.saturating_add(1);
        self.min = self.min.min(mark.value);
        self.max = self.max.max(mark.value);
        self.first = self.first.min(mark);
        self.last = self.last.max(mark);
        Ok(())
    }

    /// Takes a reading out again that was added before; on overflow nothing changes. Count and sum
    /// are exact afterwards; whether least, greatest, first and last still are is answered: they may
    /// be those of the reading that is gone.
    pub fn remove(&mut self, mark: Mark) -> Result<bool, Overflow> {
        self.sum = self.sum.minus_sum(Sum::ZERO.plus(mark.value)?)?;
        self.count = self.count.saturating_sub(1);
        let inside = self.min < mark.value && mark.value < self.max;
        Ok(inside && mark != self.first && mark != self.last)
    }

    /// Adds another rollup; on overflow nothing changes.
    pub fn merge(&mut self, other: &Self) -> Result<(), Overflow> {
        self.sum = self.sum.plus_sum(other.sum)?;
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks() -> impl Strategy<Value = Vec<Mark>> {
        prop::collection::vec((0_i64..50, -1000_i32..1000), 1..30).prop_map(|raw| {
            let mark = |(sequence, (time, value)): (usize, (i64, i32))| Mark {
                time: Timestamp::from_micros_clamped(time),
                sequence: sequence as u64,
                value: Decimal::from_i32(value),
            };
            raw.into_iter().enumerate().map(mark).collect()
        })
    }

    fn roll(marks: &[Mark]) -> Option<Rollup> {
        let (first, rest) = marks.split_first()?;
        let mut rollup = Rollup::of(*first).expect("fits");
        for mark in rest {
            rollup.add(*mark).expect("fits");
        }
        Some(rollup)
    }

    proptest! {
        #[test]
        fn what_is_taken_out_was_never_there(mut marks in marks(), which in 0_usize..30) {
            let mut rollup = roll(&marks).expect("not empty");
            let gone = marks.remove(which % marks.len());
            let exact = rollup.remove(gone).expect("fits");
            match roll(&marks) {
                Some(rest) if exact => prop_assert_eq!(rollup, rest),
                Some(rest) => prop_assert_eq!((rollup.count, rollup.sum), (rest.count, rest.sum)),
                None => prop_assert_eq!((rollup.count, rollup.sum, exact), (0, Sum::ZERO, false)),
            }
        }

        #[test]
        fn any_order_and_any_split_give_the_same(mut marks in marks(), cut in 0_usize..30) {
            let whole = roll(&marks);
            let (left, right) = marks.split_at(cut.min(marks.len()));
            let merged = match (roll(left), roll(right)) {
                (Some(mut a), Some(b)) => { a.merge(&b).expect("fits"); Some(a) }
                (a, b) => a.or(b),
            };
            prop_assert_eq!(merged, whole);
            marks.reverse();
            prop_assert_eq!(roll(&marks), whole);
        }
    }
}
