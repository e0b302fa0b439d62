use super::*;
use proptest::prelude::*;

fn euro(amount: &str) -> Money {
    Money::parse(amount, "EUR".parse().expect("a currency")).expect("an amount")
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_micros_clamped(day * crate::time::DAY)
}

fn add(wallet: &Wallet, amount: &str, day: i64, expires: Option<i64>) -> Wallet {
    wallet.add(euro(amount), Funding::Payment, at(day), expires.map(at)).expect("positive").wallet
}

fn balances(wallet: &Wallet) -> Vec<String> {
    Account::ALL.iter().map(|account| wallet.balance(*account).amount()).collect()
}

/// 10 that expire on day 30, 20 that were added later and expire on day 20, 5 and 7 that stay.
fn filled() -> Wallet {
    let wallet = Wallet::new(euro("0").currency());
    let wallet = add(&wallet, "7", 2, None);
    let wallet = add(&wallet, "5", 1, None);
    let wallet = add(&wallet, "10", 1, Some(30));
    add(&wallet, "20", 2, Some(20))
}

fn left(wallet: &Wallet) -> Vec<String> {
    wallet.lots.iter().map(|lot| lot.available.amount()).collect()
}

#[test]
fn expiring_credit_goes_first_then_the_oldest() {
    let wallet = filled();
    for (amount, expected) in [
        ("15", ["7.00", "5.00", "10.00", "5.00"]),
        ("25", ["7.00", "5.00", "5.00", "0.00"]),
        ("33", ["7.00", "2.00", "0.00", "0.00"]),
        ("42", ["0.00", "0.00", "0.00", "0.00"]),
    ] {
        let paid = wallet.deduct(euro(amount), at(3)).expect("enough");
        assert_eq!(left(&paid.wallet), expected, "{amount}");
        let moved = [(Account::Available, euro(amount).negated()), (Account::Invoices, euro(amount))];
        assert_eq!(paid.postings, moved.map(|(account, amount)| Posting { account, amount }));
    }
    let more = wallet.deduct(euro("42.01"), at(3));
    assert_eq!(more, Err(WalletError::Insufficient { available: euro("42") }));
}

#[test]
fn credit_expires_at_its_instant() {
    let wallet = filled();
    assert_eq!(wallet.available_at(at(20).plus_micros(-1)), Ok(euro("42")));
    assert_eq!(wallet.available_at(at(20)), Ok(euro("22")));
    let late = wallet.deduct(euro("23"), at(20));
    assert_eq!(late, Err(WalletError::Insufficient { available: euro("22") }));
    let paid = wallet.deduct(euro("12"), at(20)).expect("enough").wallet;
    assert_eq!(balances(&paid), ["10.00", "0.00", "-42.00", "12.00", "20.00"]);
    let gone = wallet.expire(at(30)).expect("fits").wallet;
    assert_eq!(balances(&gone), ["12.00", "0.00", "-42.00", "0.00", "30.00"]);
    let at_once = add(&Wallet::new(euro("0").currency()), "5", 3, Some(3));
    assert_eq!(balances(&at_once), ["0.00", "0.00", "-5.00", "0.00", "5.00"]);
}

#[test]
fn a_hold_reserves_and_what_it_releases_late_has_expired() {
    let held = filled().hold("order", euro("25"), at(3)).expect("enough").wallet;
    assert_eq!((held.held("order"), held.available_at(at(3))), (Some(euro("25")), Ok(euro("17"))));
    assert_eq!(held.hold("order", euro("1"), at(3)), Err(WalletError::HoldExists));
    assert_eq!(held.deduct(euro("17.01"), at(3)), Err(WalletError::Insufficient { available: euro("17") }));
    let released = held.release("order", at(4)).expect("held").wallet;
    assert_eq!(left(&released), left(&filled()));
    // The 20 expired on day 20 while they were held, the other 5 of the hold did not.
    let late = held.release("order", at(25)).expect("held").wallet;
    assert_eq!(balances(&late), ["22.00", "0.00", "-42.00", "0.00", "20.00"]);
    let paid = held.deduct_held("order", euro("21"), at(25)).expect("held").wallet;
    assert_eq!(balances(&paid), ["21.00", "0.00", "-42.00", "21.00", "0.00"]);
    assert_eq!(
        held.deduct_held("order", euro("25.01"), at(4)),
        Err(WalletError::ExceedsHold { held: euro("25") })
    );
    assert_eq!(held.deduct_held("order", euro("0"), at(4)), Err(WalletError::NotPositive));
    assert_eq!(held.release("other", at(4)), Err(WalletError::NoSuchHold));
}

#[test]
fn what_an_invoice_gives_back_is_credit_again() {
    let paid = filled().deduct(euro("42"), at(3)).expect("enough").wallet;
    let back = paid.add(euro("40"), Funding::Invoice, at(4), None).expect("positive").wallet;
    assert_eq!(balances(&back), ["40.00", "0.00", "-42.00", "2.00", "0.00"]);
}

#[test]
fn refuses_what_is_no_amount() {
    let wallet = filled();
    assert_eq!(wallet.deduct(euro("0"), at(3)), Err(WalletError::NotPositive));
    assert_eq!(wallet.add(euro("-1"), Funding::Payment, at(3), None), Err(WalletError::NotPositive));
    let dollar = Money::parse("1", "USD".parse().expect("a currency")).expect("an amount");
    assert!(matches!(wallet.deduct(dollar, at(3)), Err(WalletError::Money(MoneyError::Currencies(..)))));
}

#[derive(Clone, Debug)]
enum Step {
    Add(i128, Option<i64>),
    Refund(i128),
    Deduct(i128),
    Hold(u8, i128),
    Release(u8),
    DeductHeld(u8, i128),
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let step = prop_oneof![
        (1_i128..5_000, prop::option::of(0_i64..60)).prop_map(|(amount, days)| Step::Add(amount, days)),
        (1_i128..2_000).prop_map(Step::Refund),
        (1_i128..5_000).prop_map(Step::Deduct),
        (0_u8..4, 1_i128..5_000).prop_map(|(hold, amount)| Step::Hold(hold, amount)),
        (0_u8..4).prop_map(Step::Release),
        (0_u8..4, 1_i128..5_000).prop_map(|(hold, amount)| Step::DeductHeld(hold, amount)),
        Just(Step::Expire),
    ];
    prop::collection::vec((0_i64..5, step), 0..60)
}

proptest! {
    #[test]
    fn the_ledger_sums_to_zero_and_nothing_is_below_it(steps in steps()) {
        let currency = euro("0").currency();
        let money = |cents| Money::from_minor(cents, currency).expect("fits");
        let (mut wallet, mut now) = (Wallet::new(currency), 0);
        for (days, step) in steps {
            now += days;
            let name = |hold: u8| hold.to_string();
            let change = match step {
                Step::Add(cents, days) => wallet.add(money(cents), Funding::Payment, at(now), days.map(|days| at(now + days))),
                Step::Refund(cents) => wallet.add(money(cents), Funding::Invoice, at(now), None),
                Step::Deduct(cents) => wallet.deduct(money(cents), at(now)),
                Step::Hold(hold, cents) => wallet.hold(&name(hold), money(cents), at(now)),
                Step::Release(hold) => wallet.release(&name(hold), at(now)),
                Step::DeductHeld(hold, cents) => wallet.deduct_held(&name(hold), money(cents), at(now)),
                Step::Expire => wallet.expire(at(now)),
            };
            let Ok(change) = change else { continue };
            let postings = Money::total(change.postings.iter().map(|posting| posting.amount), currency);
            prop_assert_eq!(postings, Ok(money(0)));
            wallet = change.wallet;
            let sum = Money::total(Account::ALL.map(|account| wallet.balance(account)), currency);
            prop_assert_eq!(sum, Ok(money(0)));
            prop_assert_eq!(wallet.available_at(at(now)), Ok(wallet.balance(Account::Available)));
            let held = Money::total(wallet.holds.keys().filter_map(|hold| wallet.held(hold)), currency);
            prop_assert_eq!(held, Ok(wallet.balance(Account::Held)));
            for account in [Account::Available, Account::Held, Account::Expired] {
                prop_assert!(!wallet.balance(account).is_negative());
            }
            prop_assert!(wallet.lots.iter().all(|lot| !lot.available.is_negative()));
        }
    }
}
