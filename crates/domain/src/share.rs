//! Shares of a billing period, in whole seconds.
use crate::ratio::Ratio;
use crate::sum::Overflow;
use crate::time::Timestamp;
use crate::window::Window;
use serde::{Deserialize, Serialize};

/// Part of a billing period. Parts that cover a period without overlap add up to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Seconds of the part.
    pub part_s: u64,
    /// Seconds of the whole period, above zero.
    pub whole_s: u64,
}

impl Share {
    /// A whole period.
    pub const WHOLE: Self = Self { part_s: 1, whole_s: 1 };

    /// What lies of `part` in `period`. Every instant counts as the second it lies in.
    pub fn of(part: Window, period: Window) -> Self {
        let start = part.start.clamp(period.start, period.end);
        let end = part.end.clamp(start, period.end);
        Self { part_s: seconds(start, end), whole_s: seconds(period.start, period.end).max(1) }
    }

    /// What is left of a period from an instant on.
    pub fn left(at: Timestamp, period: Window) -> Self {
        Self::of(Window { start: at, end: period.end }, period)
    }

    /// This share of an amount or a quantity, exact.
    pub fn scale(self, number: Ratio) -> Result<Ratio, Overflow> {
        number.times(Ratio::from_counts(self.part_s, self.whole_s).ok_or(Overflow)?)
    }

    /// Whether it is the whole period.
    pub fn is_whole(self) -> bool {
        self.part_s == self.whole_s
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_seconds().saturating_sub(from.as_seconds())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("an instant")
    }

    #[test]
    fn seconds_left_of_the_actual_period() {
        let month = Window { start: at("2026-02-01T00:00:00Z"), end: at("2026-03-01T00:00:00Z") };
        let left = |text| Share::left(at(text), month).part_s;
        assert_eq!(Share::left(month.start, month), Share { part_s: 2_419_200, whole_s: 2_419_200 });
        assert_eq!(left("2026-02-15T00:00:00Z"), 1_209_600);
        assert_eq!(left("2026-02-28T23:59:59.999999Z"), 1);
        assert_eq!((left("2026-03-05T00:00:00Z"), left("2026-01-05T00:00:00Z")), (0, 2_419_200));
        assert_eq!(Share::of(Window { start: month.end, end: month.start }, month).part_s, 0);
        assert!(Share::left(month.start, month).is_whole() && Share::WHOLE.is_whole());
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(mut cuts in prop::collection::vec(0_i64..10_000_000_000, 2..6)) {
            cuts.sort_unstable();
            let instants: Vec<_> = cuts.iter().map(|micros| Timestamp::from_micros_clamped(*micros)).collect();
            let period = Window { start: instants[0], end: instants[instants.len() - 1] };
            let parts = instants.windows(2).map(|w| Share::of(Window { start: w[0], end: w[1] }, period).part_s);
            prop_assert_eq!(parts.sum::<u64>(), Share::of(period, period).part_s);
        }
    }
}
