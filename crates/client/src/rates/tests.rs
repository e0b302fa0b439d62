//! That buckets let through what they should, and no more.
use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Buckets of addresses.
struct Limits(Buckets);

impl Limits {
    fn take(&self, who: impl std::hash::Hash, now: i64) -> Vec<State> {
        self.0.take(&[self.0.caller(Dimension::Address, who)], now)
    }
}

fn limits(
    per_second: impl Into<Option<Rate>>,
    per_minute: impl Into<Option<Rate>>,
    buckets_max: usize,
) -> Limits {
    let (per_second, per_minute) = (per_second.into(), per_minute.into());
    let limits = RateLimits::default().per_address(Rates { per_second, per_minute });
    Limits(Buckets::new(limits.buckets_max(buckets_max)))
}

fn rate(count: u32, burst: u32) -> Rate {
    Rate { count, burst }
}

fn at(micros: i64) -> i64 {
    1_800_000_000 * SECOND + micros
}

fn allowed(states: &[State]) -> bool {
    states.iter().all(|state| state.refused_s.is_none())
}

#[test]
fn a_burst_passes_and_then_as_many_as_are_filled_in() {
    let limits = limits(rate(2, 5), None, 1_000);
    let take = |micros| limits.take("a", at(micros));
    let told: Vec<_> =
        (0..6).map(|_| take(0)).map(|states| (states[0].remaining, states[0].refused_s)).collect();
    assert_eq!(told, [(4, None), (3, None), (2, None), (1, None), (0, None), (0, Some(1))]);
    assert_eq!(take(0)[0].full_at, at(5 * SECOND / 2), "two a second");
    assert!(!allowed(&take(SECOND / 2 - 1)) && allowed(&take(SECOND / 2)) && !allowed(&take(SECOND / 2)));
    assert!(allowed(&limits.take("b", at(0))), "another's is its own");
    let key = limits.0.caller(Dimension::Key, "a");
    assert_eq!(limits.0.take(&[key], at(0)), [], "keys are not limited");
}

#[test]
fn both_limits_hold_and_a_refusal_takes_nothing() {
    let limits = limits(rate(1, 1), rate(3, 3), 1_000);
    let take = |seconds: i64| limits.take("a", at(seconds * SECOND));
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
fn a_request_is_taken_from_all_that_it_is_by_or_from_none() {
    let rates = |count| Rates::default().per_minute(Rate::new(count));
    let limits = RateLimits::default().per_key(rates(2)).per_customer(rates(5)).per_address(rates(9));
    let buckets = Buckets::new(limits);
    let take = |key: &str, customer: &str| {
        let by = [(Dimension::Address, "a"), (Dimension::Key, key), (Dimension::Customer, customer)];
        let states = buckets.take(&by.map(|(dimension, who)| buckets.caller(dimension, who)), at(0));
        let left = [0, 1, 2].map(|place: usize| states[place].remaining);
        (left, State::refusal(&states).map(|state| (state.dimension, state.refused_s)))
    };
    assert_eq!(take("k", "c"), ([8, 1, 4], None));
    assert_eq!(take("k", "c"), ([7, 0, 3], None));
    for _ in 0..20 {
        assert_eq!(take("k", "c"), ([7, 0, 3], Some((Dimension::Key, Some(30)))));
    }
    assert_eq!(take("k", "d"), ([7, 0, 5], Some((Dimension::Key, Some(30)))), "others are not taken from");
    assert_eq!(take("l", "c"), ([6, 1, 2], None));
    assert_eq!(buckets.remembered(), 4, "of whoever is refused nothing is kept: a, k, l, c");
}

#[test]
fn networks_of_ipv6_are_one_client() {
    let network = |text: &str| client_network(text.parse().unwrap()).to_string();
    assert_eq!(network("2001:db8::1:2:3:4"), "2001:db8::");
    assert_eq!((network("::ffff:10.0.0.1"), network("10.0.0.1")), ("10.0.0.1".into(), "10.0.0.1".into()));
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_for_it() {
    let limits = limits(rate(1, 2), None, 1_000);
    let take = |micros| limits.take("a", at(micros));
    assert!(allowed(&take(MINUTE)) && allowed(&take(MINUTE)) && !allowed(&take(MINUTE)));
    assert!(!allowed(&take(0)) && allowed(&take(SECOND)));
}

#[test]
fn many_callers_take_no_more_memory_than_is_allowed() {
    let limits = limits(rate(1, 1), rate(60, 60), 1_600);
    for number in 0..100_000_u32 {
        limits.take(number, at(i64::from(number)));
        if number.is_multiple_of(1_000) {
            assert!(limits.0.remembered() <= 1_600, "{}", limits.0.remembered());
        }
    }
    assert!(limits.0.remembered() > 1_000, "those who still matter stay: {}", limits.0.remembered());
}

#[test]
fn whoever_used_most_is_remembered_longest() {
    let limits = limits(None, rate(60, 60), 1_600);
    while allowed(&limits.take("greedy", at(0))) {}
    for number in 0..20_000_u32 {
        limits.take(number, at(0));
    }
    assert!(!allowed(&limits.take("greedy", at(0))));
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
            if allowed(&limits.take("a", at(now))) {
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
            let states = limits.take("a", at(now));
            if let Some(wait) = states.iter().filter_map(|state| state.refused_s).max() {
                now += i64::try_from(wait).expect("few") * SECOND;
                prop_assert!(allowed(&limits.take("a", at(now))));
            }
        }
    }
}
