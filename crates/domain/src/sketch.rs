//! Percentiles within 1 %, from counts that merge in any order.
//!
//! A `DDSketch` (Masson, Rim and Lee, 2019) on integers: its buckets come from a fixed table of exact
//! bounds instead of logarithms, so every machine counts a value in the same bucket.
use crate::decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The first magnitude, in units of 10^-18, that no decimal has.
const MAGNITUDE_LIMIT: u128 = 10_u128.pow(36);

/// The least magnitude of each bucket, in units of 10^-18. Buckets are stored by their number:
/// the table may not change.
static LOWS: LazyLock<Vec<u128>> = LazyLock::new(|| {
    let mut lows = Vec::new();
    let mut low = 1;
    while low < MAGNITUDE_LIMIT {
        lows.push(low);
        low = next_low(low);
    }
    lows
});

/// What stands for all of a bucket: at most 1 % above its least magnitude.
#[expect(clippy::arithmetic_side_effects, reason = "magnitudes leave room for a factor of 300")]
const fn middle(low: u128) -> u128 {
    low * 101 / 100
}

/// The first magnitude that the bucket's middle misses by more than 1 %.
#[expect(clippy::arithmetic_side_effects, reason = "magnitudes leave room for a factor of 300")]
const fn next_low(low: u128) -> u128 {
    middle(low) * 100 / 99 + 1
}

/// Counts of values by bucket: 0 for zero, 1 and up for magnitudes from 10^-18, negative numbers for
/// the same magnitudes below zero. The same values make the same sketch, however split or ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    buckets: BTreeMap<i16, u64>,
    count: u64,
}

/// Why stored buckets make no [`Sketch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// No bucket has this number.
    #[error("there is no bucket {0}")]
    Unknown(i16),
    /// A bucket that is given holds something.
    #[error("bucket {0} is empty")]
    Empty(i16),
    /// The bucket came before.
    #[error("bucket {0} comes twice")]
    Repeated(i16),
}

impl Sketch {
    /// From the buckets of [`Self::buckets`], in any order.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (i16, u64)>) -> Result<Self, BucketError> {
        let mut sketch = Self::default();
        for (number, count) in buckets {
            if usize::from(number.unsigned_abs()) > LOWS.len() {
                return Err(BucketError::Unknown(number));
            }
            if count == 0 {
                return Err(BucketError::Empty(number));
            }
            if sketch.buckets.insert(number, count).is_some() {
                return Err(BucketError::Repeated(number));
            }
            sketch.count = sketch.count.saturating_add(count);
        }
        Ok(sketch)
    }

    /// The buckets that hold something, from the least values to the greatest: number and count.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (i16, u64)> {
        self.buckets.iter().map(|(number, count)| (*number, *count))
    }

    /// Counts one value.
    pub fn add(&mut self, value: Decimal) {
        self.add_many(bucket_of(value), 1);
    }

    /// Adds what another sketch counted.
    pub fn merge(&mut self, other: &Self) {
        for (number, count) in other.buckets() {
            self.add_many(number, count);
        }
    }

    fn add_many(&mut self, bucket: i16, count: u64) {
        let total = self.buckets.entry(bucket).or_insert(0);
        *total = total.saturating_add(count);
        self.count = self.count.saturating_add(count);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A value within 1 % of the element with the nearest rank, the ceiling of `percent` % of the
    /// count (at least the first, at most the last); `None` without values.
    pub fn percentile(&self, percent: u8) -> Option<Decimal> {
        let share = u128::from(self.count).saturating_mul(u128::from(percent.min(100)));
        let rank = share.div_ceil(100).max(1);
        let mut passed = 0_u128;
        let mut reached = self.buckets().skip_while(|(_, count)| {
            passed = passed.saturating_add(u128::from(*count));
            passed < rank
        });
        reached.next().and_then(|(number, _)| value_of(number))
    }
}

fn bucket_of(value: Decimal) -> i16 {
    let magnitude = value.units().unsigned_abs();
    let number = LOWS.partition_point(|low| *low <= magnitude) as i16;
    if value < Decimal::ZERO { number.saturating_neg() } else { number }
}

fn value_of(number: i16) -> Option<Decimal> {
    let Some(place) = usize::from(number.unsigned_abs()).checked_sub(1) else { return Some(Decimal::ZERO) };
    let greatest = MAGNITUDE_LIMIT.saturating_sub(1);
    let units = middle(*LOWS.get(place)?).min(greatest) as i128;
    Decimal::from_units(if number < 0 { units.saturating_neg() } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    fn sketch(values: &[i128]) -> Sketch {
        let mut sketch = Sketch::default();
        for units in values {
            sketch.add(Decimal::from_units(*units).expect("in range"));
        }
        sketch
    }

    #[test]
    fn the_table_is_the_one_that_stored_buckets_were_numbered_by() {
        assert_eq!(LOWS.len(), TABLE_BUCKETS);
        let bytes: Vec<u8> = LOWS.iter().flat_map(|low| low.to_le_bytes()).collect();
        let hash = Sha256::digest(&bytes);
        assert_eq!(hash[..16], TABLE_HASH.to_be_bytes());
    }

    #[test]
    fn every_bucket_lies_within_one_percent_of_its_middle() {
        for (place, low) in LOWS.iter().enumerate() {
            let high = LOWS.get(place + 1).map_or(MAGNITUDE_LIMIT - 1, |next| next - 1);
            let number = i16::try_from(place + 1).expect("fits");
            let middle = value_of(number).expect("a bucket").units().unsigned_abs();
            for edge in [*low, high] {
                assert!(middle.abs_diff(edge) * 100 <= edge, "bucket {number}: {middle} for {edge}");
                let value = Decimal::from_units(edge as i128).expect("in range");
                assert_eq!(bucket_of(value), number);
                assert_eq!(bucket_of(Decimal::from_units(-(edge as i128)).expect("in range")), -number);
            }
        }
    }

    #[test]
    fn known_percentiles() {
        let ten: Vec<i128> = (1..=10).map(|n| n * crate::decimal::ONE).collect();
        let ten = sketch(&ten);
        let shown =
            |percent| ten.percentile(percent).expect("values").to_string().parse::<f64>().expect("a number");
        for (percent, exact) in
            [(0, 1.0), (50, 5.0), (51, 6.0), (90, 9.0), (91, 10.0), (99, 10.0), (200, 10.0)]
        {
            assert!((shown(percent) - exact).abs() <= exact / 100.0, "p{percent}: {}", shown(percent));
        }
        assert_eq!(Sketch::default().percentile(50), None);
        assert_eq!(sketch(&[0, 0, 0]).percentile(99), Some(Decimal::ZERO));
        assert_eq!(sketch(&[7]).percentile(50).map(Decimal::units), Some(7));
    }

    #[test]
    fn stored_buckets_are_read_strictly() {
        let most = i16::try_from(LOWS.len()).expect("fits");
        assert!(Sketch::from_buckets([(most, 1), (-most, 2)]).is_ok());
        for (buckets, why) in [
            (vec![(most + 1, 1)], BucketError::Unknown(most + 1)),
            (vec![(i16::MIN, 1)], BucketError::Unknown(i16::MIN)),
            (vec![(3, 0)], BucketError::Empty(3)),
            (vec![(3, 1), (3, 1)], BucketError::Repeated(3)),
        ] {
            assert_eq!(Sketch::from_buckets(buckets), Err(why));
        }
    }

    fn values() -> impl Strategy<Value = Vec<i128>> {
        let limit = 10_i128.pow(36);
        let any_size = (-limit + 1..limit, 0_u32..36).prop_map(|(units, digits)| units / 10_i128.pow(digits));
        prop::collection::vec(prop_oneof![any_size, -300_i128..300], 1..80)
    }

    proptest! {
        #[test]
        fn within_one_percent_of_the_nearest_rank(mut values in values(), percent in 0_u8..=100) {
            let answer = sketch(&values).percentile(percent).expect("values").units();
            values.sort_unstable();
            let rank = (values.len() * usize::from(percent)).div_ceil(100).max(1);
            let exact = values[rank - 1];
            prop_assert!(answer.abs_diff(exact) * 100 <= exact.unsigned_abs(), "{} for {}", answer, exact);
        }

        #[test]
        fn any_order_and_any_split_make_the_same(mut values in values(), cut in 0_usize..80) {
            let whole = sketch(&values);
            let (left, right) = values.split_at(cut.min(values.len()));
            let (mut a, mut b) = (sketch(left), sketch(right));
            let right = b.clone();
            b.merge(&a);
            a.merge(&right);
            prop_assert_eq!(&a, &whole);
            prop_assert_eq!(&b, &whole);
            values.reverse();
            prop_assert_eq!(&sketch(&values), &whole);
            prop_assert_eq!(Sketch::from_buckets(whole.buckets()), Ok(whole.clone()));
            prop_assert_eq!(whole.count(), values.len() as u64);
        }
    }

    const TABLE_BUCKETS: usize = 4_011;
    /// The first half of the SHA-256 of all bounds, 16 little-endian bytes each.
    const TABLE_HASH: u128 = 0x0c8a_f25d_4e4d_0b22_0c2c_6f84_bce5_ac9e;
}
