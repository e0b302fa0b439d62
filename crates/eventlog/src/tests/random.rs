//! Events, meters and questions at random.
use super::at;
use super::model::Sent;
use crate::disk::sim::Rng;
use crate::read::list::{Cursor, ListFilter, Order};
use crate::read::query::GroupBy;
use jiff::tz::TimeZone;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::Event;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::json::Path;
use reckoner_domain::meter::{
    Aggregation, Dimension, EarlierWeighting, Filter, Input, Meter, MeterKey, Weighting,
};
use reckoner_domain::time::{DAY, HOUR, MINUTE, Timestamp};
use reckoner_domain::weights::WeightTable;
use reckoner_domain::window::{Window, WindowSize, windows};
use std::collections::BTreeMap;

pub const PROJECTS: [ProjectId; 2] = [ProjectId(1), ProjectId(2)];
pub const CUSTOMERS: [&str; 3] = ["a", "b", "c"];
pub const TYPES: [&str; 2] = ["calls", "bytes"];
const SUBJECTS: [&str; 3] = ["s", "t", "u"];
const ZONES: [&str; 5] = ["UTC", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York", "Pacific/Apia"];

/// 2026-03-07T00:00Z: New York changes its clocks on the next day.
const START_SECONDS: i64 = 1_772_841_600;
const DAYS: usize = 4;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).expect("a number")
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

pub fn time(rng: &mut Rng) -> Timestamp {
    let unit = *rng.pick(&[HOUR, 30 * MINUTE, MINUTE, 1]);
    let within = rng.next() % (DAYS as i64 * DAY) as u64;
    at(START_SECONDS).plus_micros(within as i64 / unit * unit - rng.below(2) as i64)
}

fn properties(rng: &mut Rng) -> Option<String> {
    let region = rng.pick(&["\"eu\"", "\"us\"", "1", "1.0", "null"]);
    let tokens = rng.pick(&["1", "2.50", "\"7\"", "-3", "\"x\""]);
    match rng.below(4) {
        0 => None,
        1 => Some(format!(r#"{{"region":{region}}}"#)),
        2 => Some(format!(r#"{{"tokens":{tokens},"region":{region}}}"#)),
        _ => Some(format!(r#"{{ "region" : {region}, "usage":{{"tokens":{tokens}}}, "tokens": {tokens} }}"#)),
    }
}

pub fn sent(rng: &mut Rng, project: ProjectId, received_at: Timestamp, ids: usize) -> Sent {
    let time_given = !rng.one_in(4);
    let value = *rng.pick(&["1", "0", "-2", "0.1", "1000000", "-0.000000000000000001", "999999999999999999"]);
    let event = Event {
        project,
        sequence: 0,
        id: format!("id-{}", rng.below(ids)),
        customer: (*rng.pick(&CUSTOMERS)).to_owned(),
        event_type: (*rng.pick(&TYPES)).to_owned(),
        value: decimal(value),
        time: if time_given { time(rng) } else { received_at },
        time_given,
        received_at,
        amended_at: None,
        voided_at: None,
        subject: rng.one_in(2).then(|| (*rng.pick(&SUBJECTS)).to_owned()),
        properties: properties(rng),
        source_context: rng.one_in(5).then(|| r#"{"type":"project"}"#.to_owned()),
    };
    Sent { event }
}

fn filters(rng: &mut Rng, one_in: usize) -> Vec<Filter> {
    let any_of = [&["eu"][..], &["1", "us"], &["nowhere"]];
    let filter = Filter {
        path: path("$.region"),
        any_of: rng.pick(&any_of).iter().map(|text| (*text).to_owned()).collect(),
    };
    if rng.one_in(one_in) { vec![filter] } else { Vec::new() }
}

pub fn meter(rng: &mut Rng) -> Meter {
    let aggregation: Aggregation = (*rng.pick(&Aggregation::NAMES)).parse().expect("a name");
    let key = MeterKey::parse("m").expect("a key");
    let weights = BTreeMap::from([("eu".to_owned(), decimal("2.5")), ("1".to_owned(), decimal("0"))]);
    let weighting = Weighting { path: path("region"), table: WeightTable::new(weights, Decimal::ONE) };
    let start = time(rng);
    let start = if rng.one_in(2) { Timestamp::from_hour_index(start.hour_index()) } else { start };
    let until = time(rng);
    let dimensions =
        [Dimension::Property(path("$['region']")), Dimension::Subject, Dimension::Property(path("tokens"))];
    let earlier = rng.one_in(8).then(|| EarlierWeighting { until, weighting: Some(weighting.clone()) });
    Meter {
        event_type: (*rng.pick(&TYPES)).to_owned(),
        value_property: rng.one_in(4).then(|| {
            let place: &str = rng.pick::<&str>(&["tokens", "$.usage.tokens", "region"]);
            path(place)
        }),
        filters: filters(rng, 6),
        earlier_weightings: earlier.into_iter().collect(),
        weighting: rng.one_in(6).then_some(weighting),
        input: *rng.pick(&[Input::Delta, Input::Level]),
        starts_at: rng.one_in(4).then_some(start),
        dimensions: dimensions.into_iter().skip(rng.below(3)).collect(),
        ..Meter::plain(MeterId::from_bits(u128::from(rng.next())), key, aggregation)
    }
}

pub fn some_windows(rng: &mut Rng) -> Vec<Window> {
    loop {
        let zone = TimeZone::get(rng.pick::<&str>(&ZONES)).expect("a zone");
        let size: WindowSize =
            (*rng.pick(&["none", "hour", "day", "week", "month"])).parse().expect("a name");
        let (from, to) = (time(rng), time(rng));
        let list = windows(size, &zone, from.min(to), from.max(to), 1_000).expect("few");
        if !list.is_empty() {
            return list;
        }
    }
}

fn some(rng: &mut Rng, of: &[&str], one_in: usize) -> Vec<String> {
    let count = if rng.one_in(one_in) { 1 + rng.below(2) } else { 0 };
    let chosen = of.iter().skip(rng.below(2)).take(count);
    let mut texts: Vec<String> = chosen.map(|text| (*text).to_owned()).collect();
    if rng.one_in(4) {
        texts.extend(texts.first().cloned());
    }
    texts
}

/// What [`super::crash`] asks of both sides, but for the meter and the windows.
pub struct Question {
    pub customers: Vec<String>,
    pub subjects: Vec<String>,
    pub filters: Vec<Filter>,
    pub group_by: Vec<GroupBy>,
    pub as_of: Option<Timestamp>,
    pub fill_zero: bool,
}

pub fn question(rng: &mut Rng, now: Timestamp) -> Question {
    let all = [
        GroupBy::Customer,
        GroupBy::Subject,
        GroupBy::Property(path("region")),
        GroupBy::Property(path("$.tokens")),
    ];
    let (skip, take) = (rng.below(4), rng.below(3));
    let by_customer = rng.one_in(3);
    let group_by =
        if by_customer { vec![GroupBy::Customer] } else { all.into_iter().skip(skip).take(take).collect() };
    Question {
        customers: some(rng, &CUSTOMERS, 3),
        subjects: some(rng, &SUBJECTS, 5),
        filters: filters(rng, 5),
        group_by,
        as_of: rng.one_in(5).then(|| now.plus_micros(-(rng.below(60) as i64) * 1_000_000)),
        fill_zero: rng.one_in(3),
    }
}

pub fn list_filter(rng: &mut Rng, ids: usize) -> ListFilter {
    let maybe = |rng: &mut Rng, of: &[&str]| rng.one_in(3).then(|| (*rng.pick(of)).to_owned());
    ListFilter {
        customer: maybe(rng, &CUSTOMERS),
        event_type: maybe(rng, &TYPES),
        subject: maybe(rng, &SUBJECTS),
        id: rng.one_in(8).then(|| format!("id-{}", rng.below(ids))),
        from: rng.one_in(3).then(|| time(rng)),
        to: rng.one_in(3).then(|| time(rng)),
        filters: filters(rng, 4),
        order: *rng.pick(&[Order::NewestFirst, Order::OldestFirst, Order::LatestFirst]),
        after: rng.one_in(3).then(|| Cursor { time: time(rng), sequence: rng.below(200) as u64 }),
        limit: rng.below(30),
        ..ListFilter::new(*rng.pick(&PROJECTS))
    }
}
