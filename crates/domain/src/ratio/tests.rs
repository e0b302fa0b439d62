use super::*;
use proptest::prelude::*;

fn ratio(text: &str) -> Ratio {
    Ratio::parse(text).expect("a fraction")
}

fn shown(number: Result<Ratio, Overflow>) -> String {
    number.map_or_else(|error| error.to_string(), |number| number.to_string())
}

#[test]
fn reads_and_prints() {
    for (text, expected) in [
        ("0", "0"),
        ("-0.50", "-0.5"),
        ("6/4", "1.5"),
        ("-2/6", "-1/3"),
        ("1/1073741824", "0.000000000931322574615478515625"),
        ("1234567.000", "1234567"),
    ] {
        assert_eq!(ratio(text).to_string(), expected, "{text}");
    }
    for text in ["", "-", "1/0", "1.", ".5", "1e3", "+1", "1/-2", "--1", "1/2/3", "1.2.3", " 1"] {
        assert_eq!(Ratio::parse(text), Err(RatioError), "{text}");
    }
}

#[test]
fn counts_exactly() {
    assert_eq!(shown(ratio("1/3").plus(ratio("1/6"))), "0.5");
    assert_eq!(shown(ratio("1/3").minus(ratio("1/2"))), "-1/6");
    assert_eq!(shown(ratio("-2/3").times(ratio("9/4"))), "-1.5");
    assert_eq!(shown(ratio("1").over(ratio("-3"))), "-1/3");
    assert_eq!(shown(ratio("200").percent(Decimal::parse("2.9").expect("a number"))), "5.8");
    assert_eq!(ratio("1").over(Ratio::ZERO), Err(Overflow));
    for (number, up) in [("7/2", "4"), ("-7/2", "-3"), ("3", "3"), ("1/1000000", "1"), ("0", "0")] {
        assert_eq!(shown(ratio(number).ceil()), up, "{number}");
    }
    // 18 + 18 digits times a price of 12 decimals.
    let most = ratio("999999999999999999.999999999999999999");
    let price = ratio("999999.999999999999");
    assert_eq!(shown(most.times(price)), "999999999999999998999999.999999999999000000000000000001");
}

#[test]
fn halves_go_to_the_even_neighbour() {
    for (number, digits, expected) in [
        ("0.005", 2, 0),
        ("0.015", 2, 2),
        ("-0.005", 2, 0),
        ("-0.015", 2, -2),
        ("-0.025", 2, -2),
        ("2.5", 0, 2),
        ("3.5", 0, 4),
        ("0.0005", 3, 0),
        ("0.00500000000000000000000000000000000001", 2, 1),
        ("-0.00500000000000000000000000000000000001", 2, -1),
        ("1/3", 2, 33),
        ("-2/3", 2, -67),
    ] {
        assert_eq!(ratio(number).to_parts_half_even(digits), Ok(expected), "{number}");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let most = Ratio::new(I256::product(i128::MAX, i128::MAX), I256::ONE).expect("a fraction");
    assert_eq!(most.times(most), Err(Overflow));
    assert_eq!(most.times(ratio("4")), Err(Overflow));
    assert_eq!(most.plus(most).and_then(|sum| sum.plus(most)), Err(Overflow));
    assert_eq!(most.to_parts_half_even(0), Err(Overflow));
    assert_eq!(most.to_decimal(), None);
    let least = Ratio::new(I256::ONE, I256::product(i128::MAX, i128::MAX)).expect("a fraction");
    assert_eq!(least.times(least), Err(Overflow));
    assert_eq!(most.times(least), Ok(Ratio::ONE));
    assert_eq!(
        (least.cmp(&most), most.cmp(&least), most.cmp(&most)),
        (Ordering::Less, Ordering::Greater, Ordering::Equal)
    );
}

#[test]
fn quotients_of_meters_keep_every_digit() {
    let sum = Sum::ZERO.plus(Decimal::from_i32(2)).expect("fits");
    let third = sum.over(Sum::from_count(3)).map(Ratio::try_from);
    assert_eq!(third, Some(Ok(ratio("2/3"))));
    let edge = Quotient::new(I256::from(1), u128::MAX).map(Ratio::try_from);
    assert_eq!(edge.map(|number| number.is_ok_and(|number| number > Ratio::ZERO)), Some(true));
    assert_eq!(Ratio::from(sum), ratio("2"));
    assert_eq!(ratio("2/3").to_decimal().map(|d| d.to_string()).as_deref(), Some("0.666666666666666667"));
}

/// Small ones share their whole parts often.
fn fraction() -> impl Strategy<Value = (i64, u32)> {
    prop_oneof![(any::<i64>(), 1_u32..), (-30_i64..30, 1_u32..30)]
}

proptest! {
    #[test]
    fn order_is_the_same_by_parts(a in fraction(), b in fraction()) {
        let make = |(above, below): (i64, u32)| {
            Ratio::new(I256::from(i128::from(above)), I256::from(i128::from(below))).expect("positive")
        };
        let crossed = (i128::from(a.0) * i128::from(b.1)).cmp(&(i128::from(b.0) * i128::from(a.1)));
        prop_assert_eq!(make(a).cmp(&make(b)), crossed);
        prop_assert_eq!(compare_by_parts(make(a), make(b)), crossed);
        prop_assert_eq!(make(a).minus(make(b)).map(|rest| rest.cmp(&Ratio::ZERO)), Ok(crossed));
    }

    #[test]
    fn what_is_printed_reads_back(above in any::<i128>(), below in 1..=i128::MAX) {
        let number = Ratio::new(I256::from(above), I256::from(below)).expect("positive");
        prop_assert_eq!(Ratio::parse(&number.to_string()), Ok(number));
        prop_assert_eq!(number.times(ratio("3")).and_then(|n| n.over(ratio("3"))), Ok(number));
    }
}
