//! Queries that read most events of files of columns.
use super::*;
use crate::read::fold::{self, Fold};
use crate::read::list::{self, ListFilter};
use crate::read::query::{self, GroupBy, Query};
use crate::read::scan::Scan;
use crate::write::corrections::{Change, Content, Corrections};
use reckoner_domain::decimal::Excess;
use reckoner_domain::id::MeterId;
use reckoner_domain::json::Path;
use reckoner_domain::meter::{Aggregation, Filter, Meter, MeterKey, Readable};
use reckoner_domain::sum::Sum;
use reckoner_domain::time::DAY;
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, HashMap};

const OTHERS: ProjectId = ProjectId(2);

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

fn fill(log: &mut Opened, from: i64, to: i64) {
    for n in from..to {
        let (id, customer) = (format!("id-{n}"), format!("c{}", n % 7));
        let properties = format!(r#"{{"region":"r{}","n":{n},"in":{{"tokens":{}.50}}}}"#, n % 3, n % 11);
        let event = EventDraft {
            customer: &customer,
            event_type: if n % 5 == 0 { "u" } else { "t" },
            time: Some(at(n * 977 % (4 * 86_400))),
            subject: (n % 2 == 0).then_some("s"),
            properties: (n % 13 != 0).then_some(properties.as_str()),
            ..draft(&id)
        };
        let mut batch = Batch::new(if n % 9 == 0 { OTHERS } else { PROJECT }, at(n));
        batch.push(&event).expect("fits");
        commit(log, vec![batch]);
    }
}

fn correct(log: &mut Opened, targets: impl Iterator<Item = u64>, after: Option<&Content>) {
    let changes = targets.map(|target| Change { target, after: after.cloned() }).collect();
    let corrections = Corrections { project: PROJECT, received_at: at(9_999), by: "key".into(), changes };
    let ahead = corrections.look_ahead(&log.shared).expect("reads");
    log.core.run([Work::Correct(corrections, ahead, Box::new(|answer| drop(answer.expect("corrects"))))]);
}

/// A log of which most lies in columns, with corrections, another project, and another event type.
fn filled(disk: &SimDisk) -> Opened {
    let mut log = open(disk).expect("opens");
    fill(&mut log, 0, 30);
    log.core.run([Work::Clear(PROJECT, at(30), Box::new(|answer| assert!(answer.is_ok())))]);
    fill(&mut log, 100, 600);
    let amended = Content {
        value: Decimal::ONE,
        subject: None,
        properties: Some(r#"{"region":"amended","in":{"tokens":"1000"}}"#.to_owned()),
        source_context: None,
    };
    correct(&mut log, (50..400).step_by(17), None);
    correct(&mut log, (51..400).step_by(19), Some(&amended));
    log
}

fn meter() -> Meter {
    let plain = Meter::plain(MeterId::from_bits(1), MeterKey::parse("t").expect("a key"), Aggregation::Sum);
    Meter { value_property: Some(path("$.in.tokens")), ..plain }
}

/// What a query answers, by day, customer and region.
type Totals = BTreeMap<(Timestamp, Option<String>, Option<String>), (String, u64)>;

fn asked(log: &Opened, query: &Query<'_>) -> Totals {
    let rows = query::run(&log.shared, query).expect("answers");
    let row = |row: query::Row| {
        let region = row.group.into_iter().next().flatten();
        ((row.window.start, row.customer, region), (row.usage.expect("a sum").to_text(), row.events))
    };
    rows.into_iter().map(row).collect()
}

/// The same from the events as they are listed, with trees of their properties.
fn listed(log: &Opened, windows: &[Window], keeps: impl Fn(&str, Option<&str>) -> bool) -> Totals {
    let filter = ListFilter { event_type: Some("t".to_owned()), ..ListFilter::new(PROJECT) };
    let mut sums: BTreeMap<_, (Sum, u64)> = BTreeMap::new();
    for event in list::run(&log.shared, &filter).expect("lists") {
        let text = event.properties.as_deref().unwrap_or("null");
        let tree: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let region = path("region").find_text(&tree);
        let value = path("$.in.tokens").find_decimal(&tree, Excess::Round);
        let window = windows.iter().find(|window| window.contains(event.time));
        let (Some(value), Some(window)) = (value, window) else { continue };
        if keeps(&event.customer, region.as_deref()) {
            let (sum, events) = sums.entry((window.start, Some(event.customer), region)).or_default();
            (*sum, *events) = (sum.plus(value).expect("fits"), *events + 1);
        }
    }
    sums.into_iter().map(|(key, (sum, events))| (key, (sum.to_string(), events))).collect()
}

fn days(from: i64, to: i64) -> Vec<Window> {
    (from..to).map(|day| Window { start: at(day * 86_400), end: at((day + 1) * 86_400) }).collect()
}

#[test]
fn sweeping_answers_what_listing_the_events_does() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let meter = meter();
    for (from, to) in [(0, 4), (1, 3)] {
        let windows = days(from, to);
        let times = windows[0].start..windows[windows.len() - 1].end;
        let mut scan = Scan::new(&log.shared, PROJECT, "t", &[], times, None);
        let swept = scan.take_broad().expect("reads").len();
        assert!(swept > 0, "files of columns are swept");
        assert!(!scan.parts.is_empty(), "what is in the log is not");
        let group_by = vec![GroupBy::Customer, GroupBy::Property(path("region"))];
        let all = Query { group_by, ..Query::new(PROJECT, &meter, &windows) };
        let expected = listed(&log, &windows, |_, _| true);
        assert!(expected.keys().any(|(.., region)| region.as_deref() == Some("amended")));
        assert_eq!(asked(&log, &all), expected);
        let customers: Vec<String> = ["c1", "c2", "c3", "nobody"].map(str::to_owned).into();
        let some = Query { customers: customers.clone(), ..all.clone() };
        let expected = listed(&log, &windows, |customer, _| customers.iter().any(|asked| asked == customer));
        assert_eq!(asked(&log, &some), expected);
        let filters = vec![Filter { path: path("$.region"), any_of: vec!["r1".to_owned()] }];
        let filtered = Query { filters, ..all.clone() };
        assert_eq!(asked(&log, &filtered), listed(&log, &windows, |_, region| region == Some("r1")));
    }
}

#[test]
fn going_over_the_events_of_a_customer_shows_each_once_as_it_stands() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk);
    for n in 0..400 {
        let (id, properties) =
            (format!("much-{n}"), format!(r#"{{"region":"r{}","in":{{"tokens":{n}}}}}"#, n % 3));
        let time = Some(at(n * 977 % (4 * 86_400)));
        let properties = Some(properties.as_str());
        let event = EventDraft { customer: "much", time, properties, ..draft(&id) };
        commit(&mut log, vec![batch_of(&[event], at(10_000 + n))]);
    }
    let mut scan = Scan::new(&log.shared, PROJECT, "t", &["much".to_owned()], at(0)..at(4 * 86_400), None);
    assert!(!scan.take_broad().expect("reads").is_empty(), "files of columns are swept");
    let paths = [path("region"), path("$.in.tokens")];
    for (customer, from, to) in [("much", 0, 4), ("much", 1, 3), ("c1", 0, 4), ("c2", 1, 3), ("nobody", 0, 4)]
    {
        let windows = days(from, to);
        let times = windows[0].start..windows[windows.len() - 1].end;
        let fold = Fold { project: PROJECT, customer, event_type: "t", times, paths: &paths };
        let add = |sums: &mut BTreeMap<_, (Sum, u64)>, event: &Readable<'_>| {
            let window = windows.iter().find(|window| window.contains(event.time)).expect("asked for");
            let Some(value) = event.properties.decimal(&paths[1], Excess::Round) else { return Ok(()) };
            let region = event.properties.text(&paths[0]).map(|text| text.into_owned());
            let (sum, events) = sums.entry((window.start, Some(customer.to_owned()), region)).or_default();
            (*sum, *events) = (sum.plus(value)?, *events + 1);
            Ok(())
        };
        let (sums, sequence) = fold::run(&log.shared, &fold, BTreeMap::new, add).expect("reads");
        let shown = |(key, (sum, events)): (_, (Sum, u64))| (key, (sum.to_string(), events));
        let expected = listed(&log, &windows, |own, _| own == customer);
        assert_eq!(expected.is_empty(), customer == "nobody");
        assert_eq!(sums.into_iter().map(shown).collect::<Totals>(), expected);
        assert_eq!(sequence, log.shared.memory.read().sequence);
    }
}

#[test]
fn customers_with_windows_of_their_own_are_told_what_each_alone_is() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let whole = days(0, 4);
    let plain = Meter { value_property: None, ..meter() };
    let last = Meter { aggregation: Aggregation::Last, ..plain.clone() };
    // From and to within an hour, on the hour, nothing, and of nobody.
    let own = [("c1", 100, 200_000), ("c2", 3_600, 7_200), ("c3", 86_400, 86_400), ("c4", 7_199, 259_201)];
    let own = own.iter().chain(&[("c5", 0, 345_600), ("nobody", 0, 345_600)]);
    let own: HashMap<String, Window> =
        own.map(|(name, from, to)| ((*name).to_owned(), Window { start: at(*from), end: at(*to) })).collect();
    let mut all = 0;
    for meter in [meter(), plain, last] {
        let grouped = Query { group_by: vec![GroupBy::Customer], ..Query::new(PROJECT, &meter, &whole) };
        let windows = [Window { start: at(0), end: at(4 * 86_400) }];
        let query = Query { own_windows: own.clone(), windows: &windows, ..grouped.clone() };
        let together: BTreeMap<_, _> = query::run(&log.shared, &query)
            .expect("answers")
            .into_iter()
            .map(|row| (row.customer, (row.usage, row.events)))
            .collect();
        let mut alone = BTreeMap::new();
        for (name, window) in &own {
            let windows = [*window];
            let query = Query { customers: vec![name.clone()], windows: &windows, ..grouped.clone() };
            let rows = query::run(&log.shared, &query).expect("answers");
            alone.extend(rows.into_iter().map(|row| (row.customer, (row.usage, row.events))));
        }
        all += together.len();
        assert_eq!(together, alone);
    }
    assert!(all >= 9, "{all}");
}

#[test]
fn little_of_much_is_not_swept() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let of = |customers: &[&str], micros: i64| {
        let customers: Vec<String> = customers.iter().map(|name| (*name).to_owned()).collect();
        let times = at(0)..at(0).plus_micros(micros);
        let mut scan = Scan::new(&log.shared, PROJECT, "t", &customers, times, None);
        scan.take_broad().expect("reads").len()
    };
    assert!(of(&[], 4 * DAY) > 0);
    assert_eq!(of(&["nobody"], 4 * DAY), 0);
    assert_eq!(of(&[], DAY / 24), 0);
    assert_eq!(of(&[], 0), 0);
}
