use super::*;
use reckoner_domain::id::MeterId;
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};

fn catalogue() -> Catalogue {
    let key = |text| MeterKey::parse(text).expect("a key");
    let plain = Meter::plain(MeterId::from_bits(1), key("api.calls"), Aggregation::Sum);
    let mut tokens = Meter::plain(MeterId::from_bits(2), key("tokens"), Aggregation::Sum);
    tokens.value_property = Some(reckoner_domain::json::Path::parse("$.tokens").expect("a path"));
    Catalogue::new([plain, tokens])
}

fn check(json: &str) -> Result<Checked<'_>, Vec<String>> {
    let catalogue = catalogue();
    let now = Timestamp::parse("2026-01-14T12:00:00Z").expect("a time");
    let rules = Rules {
        catalogue: &catalogue,
        now,
        future_s_max: 300,
        past_s_max: Some(35 * 86_400),
        accept_unmetered: false,
        excess: Excess::Refuse,
        names_meters: false,
        assigned: None,
    };
    let sent = Sent::read(json).expect("an object");
    let shown = |fault: Fault| format!("{} {}", fault.field, fault.reason);
    sent.check(&rules, || Ok::<_, String>("made".into()))
        .map_err(|error| error.faults.into_iter().map(shown).collect())
}

#[test]
fn the_least_event_is_enough() {
    let event = check(r#"{"customer":"a","meter":"api.calls"}"#).expect("valid");
    assert_eq!((event.id.as_ref(), event.value, event.time), ("made", Decimal::ONE, None));
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = check(
        r#"{"id":"","customer":7,"meter":"nope","value":"1e99","time":"2026-01-14T12:00:00",
            "subject":"a\u0000b","properties":[],"source_context":{"type":"x","y":1},"custmer":"a"}"#,
    )
    .expect_err("faults");
    let fields: Vec<&str> = faults.iter().filter_map(|fault| fault.split(' ').next()).collect();
    assert_eq!(
        fields,
        [
            "id",
            "customer",
            "value",
            "time",
            "subject",
            "properties",
            "source_context.type",
            "source_context.y",
            "custmer",
            "meter"
        ]
    );
}

#[test]
fn time_limits_are_inclusive() {
    let at =
        |time: &str| check(&format!(r#"{{"customer":"a","meter":"api.calls","time":"{time}"}}"#)).is_ok();
    assert!(at("2026-01-14T12:05:00Z") && !at("2026-01-14T12:05:00.000001Z"));
    assert!(at("2025-12-10T12:00:00Z") && !at("2025-12-10T11:59:59.999999Z"));
}

#[test]
fn a_meter_must_be_able_to_read_the_event() {
    let ok = |json: &str| check(json).is_ok();
    assert!(ok(r#"{"customer":"a","meter":"tokens","properties":{"tokens":"12.5"}}"#));
    assert!(!ok(r#"{"customer":"a","meter":"tokens","properties":{"tokens":"many"}}"#));
    assert!(!ok(r#"{"customer":"a","meter":"tokens"}"#));
    assert!(!ok(r#"{"customer":"a","meter":"api.calls","properties":{"x":"\ud800"}}"#));
}
