use super::*;
use proptest::prelude::*;
use reckoner_domain::time::{MINUTE, SECOND};

fn limits(
    per_second: impl Into<Option<Rate>>,
    per_minute: impl Into<Option<Rate>>,
    buckets_max: usize,
) -> RateLimits {
    let (per_second, per_minute) = (per_second.into(), per_minute.into());
    let address = Rates { per_second, per_minute };
    RateLimits::new(Settings { address, buckets_max, ..Settings::default() })
}

fn rate(count: u32, burst: u32) -> Rate {
    Rate { count, burst }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros_clamped(1_800_000_000 * SECOND + micros)
}

fn allowed(states: &[State]) -> bool {
    states.iter().all(|state| state.refused_s.is_none())
}

#[test]
fn a_burst_passes_and_then_as_many_as_are_filled_in() {
    let limits = limits(rate(2, 5), None, 1_000);
    let take = |micros| limits.take(Dimension::Address, "a", at(micros));
    let told: Vec<_> =
        (0..6).map(|_| take(0)).map(|states| (states[0].remaining, states[0].refused_s)).collect();
    assert_eq!(told, [(4, None), (3, None), (2, None), (1, None), (0, None), (0, Some(1))]);
    assert_eq!(take(0)[0].full_at, at(5 * SECOND / 2), "two a second");
    assert!(!allowed(&take(SECOND / 2 - 1)) && allowed(&take(SECOND / 2)) && !allowed(&take(SECOND / 2)));
    assert!(allowed(&limits.take(Dimension::Address, "b", at(0))), "another's is its own");
    assert_eq!(limits.take(Dimension::Key, "a", at(0)), [], "keys are not limited");
}

#[test]
fn both_limits_hold_and_a_refusal_takes_nothing() {
    let limits = limits(rate(1, 1), rate(3, 3), 1_000);
    let take = |seconds: i64| limits.take(Dimension::Address, "a", at(seconds * SECOND));
    assert!(allowed(&take(0)));
    for _ in 0..10 {
        assert!(!allowed(&take(0)), "the second");
    }
    assert!(allowed(&take(1)) && allowed(&take(2)));
    let refused = take(3);
    let waits: Vec<_> = refused.iter().map(|state| (state.span.as_str(), state.refused_s)).collect();
    assert_eq!(waits, [("second", None), ("minute", Some(17))], "a third of a minute after the first");
    assert!(allowed(&take(20)));
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_for_it() {
    let limits = limits(rate(1, 2), None, 1_000);
    let take = |micros| limits.take(Dimension::Address, "a", at(micros));
    assert!(allowed(&take(MINUTE)) && allowed(&take(MINUTE)) && !allowed(&take(MINUTE)));
    assert!(!allowed(&take(0)) && allowed(&take(SECOND)));
}

#[test]
fn many_callers_take_no_more_memory_than_is_allowed() {
    let limits = limits(rate(1, 1), rate(60, 60), 1_600);
    for number in 0..100_000_u32 {
        limits.take(Dimension::Address, number, at(i64::from(number)));
        if number.is_multiple_of(1_000) {
            assert!(limits.remembered() <= 1_600, "{}", limits.remembered());
        }
    }
    assert!(limits.remembered() > 1_000, "those who still matter stay: {}", limits.remembered());
}

#[test]
fn whoever_used_most_is_remembered_longest() {
    let limits = limits(None, rate(60, 60), 1_600);
    while allowed(&limits.take(Dimension::Address, "greedy", at(0))) {}
    for number in 0..20_000_u32 {
        limits.take(Dimension::Address, number, at(0));
    }
    assert!(!allowed(&limits.take(Dimension::Address, "greedy", at(0))));
}

proptest! {
    /// In any interval there are at most as many as come at once and are filled in meanwhile.
    #[test]
    fn never_more_than_burst_and_rate(
        count in 1..2_000_u32,
        burst in 1..50_u32,
        is_minute in any::<bool>(),
        gaps in prop::collection::vec(prop_oneof![Just(0), 0..2_000_i64, 0..3_000_000_i64], 1..300),
    ) {
        let rate = Some(rate(count, burst));
        let (second, minute) = if is_minute { (None, rate) } else { (rate, None) };
        let limits = limits(second, minute, 1_000);
        let span = if is_minute { MINUTE } else { SECOND };
        let (mut now, mut passed) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            if allowed(&limits.take(Dimension::Address, "a", at(now))) {
                passed.push(now);
            }
        }
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let number = i128::try_from(last - first + 1).expect("few");
                let filled = i128::from(count) * i128::from(to - from);
                prop_assert!((number - i128::from(burst)) * i128::from(span) <= filled);
            }
        }
    }

    /// A caller who waits as long as is said is let in.
    #[test]
    fn waiting_as_long_as_is_said_is_enough(count in 1..500_u32, burst in 1..20_u32, tries in 1..100_u32) {
        let limits = limits(rate(count, burst), rate(count, burst), 1_000);
        let mut now = 0;
        for _ in 0..tries {
            let states = limits.take(Dimension::Address, "a", at(now));
            if let Some(wait) = states.iter().filter_map(|state| state.refused_s).max() {
                now += i64::try_from(wait).expect("few") * SECOND;
                prop_assert!(allowed(&limits.take(Dimension::Address, "a", at(now))));
            }
        }
    }
}
