use super::*;
use crate::store::customer_zones::ZoneHistory;
use crate::store::project_zones::ProjectZones;
use proptest::prelude::*;
use reckoner_domain::time::MINUTE;

type Changed = BTreeMap<i64, Vec<Arc<str>>>;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn hours(times: &[&str]) -> Vec<i64> {
    times.iter().map(|time| at(time).hour_index()).collect()
}

fn zones(project: &str, own: &[(&str, &str)]) -> Zones {
    changing_zones(project, own, &[])
}

/// The same, and each of them with these changes.
fn changing_zones(project: &str, own: &[(&str, &str)], changes: &[(Timestamp, Option<&str>)]) -> Zones {
    let changes: Vec<_> = changes.iter().map(|(at, zone)| (*at, zone.map(str::to_owned))).collect();
    let history = |zone: &&str| ZoneHistory { first: Some((*zone).to_owned()), changes: changes.clone() };
    let own = own.iter().map(|(customer, zone)| ((*customer).to_owned(), history(zone))).collect();
    Zones::new(&ProjectZones::fixed(project), own, crate::clock::zone).expect("zones")
}

fn keys(scene: &Scene<'_>) -> Vec<String> {
    scene.tasks().into_iter().map(|task| format!("{} {}", task.span.key, task.complete)).collect()
}

fn only(names: &[&str]) -> Who {
    Who::Only(Arc::new(names.iter().map(|name| (*name).to_owned()).collect()))
}

#[test]
fn periods_that_ended_since_the_last_run_are_due_once() {
    let active = hours(&["2026-01-31T09:00:00Z", "2026-01-31T23:00:00Z"]);
    let (zones, changed) = (zones("UTC", &[]), Changed::new());
    let scene = Scene {
        periods: &[Period::Hourly, Period::Daily, Period::Monthly],
        zones: &zones,
        done_until: at("2026-01-31T23:45:00Z"),
        new_periods: &[],
        now: at("2026-02-01T00:00:00Z"),
        active_hours: &active,
        changed: &changed,
        with_current: false,
    };
    assert_eq!(keys(&scene), ["2026013123 true", "20260131 true", "202601 true"]);
    assert_eq!(scene.first_end(), Some(at("2026-02-01T00:00:00Z")));
    let done = Scene { done_until: scene.now, ..scene };
    assert_eq!((keys(&done), done.first_end(), done.has_late()), (vec![], None, false));
}

#[test]
fn late_events_concern_only_their_customers() {
    let changed = Changed::from([(hours(&["2026-01-14T09:00:00Z"])[0], vec!["a".into()])]);
    let zones = zones("UTC", &[]);
    let scene = Scene {
        periods: &[Period::Daily, Period::Yearly],
        zones: &zones,
        done_until: at("2026-02-01T00:00:00Z"),
        new_periods: &[],
        now: at("2026-02-01T00:15:00Z"),
        active_hours: &[],
        changed: &changed,
        with_current: false,
    };
    let tasks = scene.tasks();
    assert_eq!((tasks.len(), scene.has_late()), (1, true));
    assert_eq!(tasks[0].who, only(&["a"]));
    let active = hours(&["2026-02-01T00:00:00Z"]);
    let current = Scene { with_current: true, active_hours: &active, ..scene };
    assert_eq!(keys(&current), ["20260114 true", "20260201 false", "2026 false"]);
}

#[test]
fn what_ended_stays_ended_when_the_clock_is_behind() {
    let changed = Changed::from([(hours(&["2026-01-14T09:00:00Z"])[0], vec!["a".into()])]);
    let zones = zones("UTC", &[]);
    let scene = Scene {
        periods: &[Period::Daily],
        zones: &zones,
        done_until: at("2026-02-01T00:00:00Z"),
        new_periods: &[],
        now: at("2026-01-10T00:00:00Z"),
        active_hours: &[],
        changed: &changed,
        with_current: false,
    };
    assert_eq!(keys(&scene), ["20260114 true"]);
}

#[test]
fn customers_with_a_zone_of_their_own_have_days_of_their_own() {
    let zones = zones("UTC", &[("k", "Asia/Kolkata"), ("l", "Asia/Kolkata")]);
    let active = hours(&["2026-01-14T18:00:00Z"]);
    let changed = Changed::new();
    let scene = Scene {
        periods: &[Period::Daily],
        zones: &zones,
        done_until: at("2026-01-14T00:00:00Z"),
        new_periods: &[],
        now: at("2026-01-14T18:45:00Z"),
        active_hours: &active,
        changed: &changed,
        with_current: false,
    };
    let tasks = scene.tasks();
    assert_eq!(tasks.len(), 1, "one for all customers of the zone");
    assert_eq!((tasks[0].span.key.as_str(), tasks[0].span.end), ("20260114", at("2026-01-14T18:30:00Z")));
    assert_eq!(tasks[0].who, only(&["k", "l"]));
    let next = Scene { now: at("2026-01-15T00:00:00Z"), ..scene };
    assert_eq!(next.tasks().len(), 2);
    assert!(next.tasks().iter().any(|task| task.who == Who::AllBut(zones.with_own())));
}

/// The plan without any shortcut: every period of every hour.
fn naive(scene: &Scene<'_>) -> BTreeSet<(Timestamp, Period, String, bool)> {
    let mut due = BTreeSet::new();
    for (period, hour) in scene.periods.iter().flat_map(|p| scene.active_hours.iter().map(move |h| (*p, *h)))
    {
        for calendars in scene.zones.all().take(if period == Period::Hourly { 1 } else { usize::MAX }) {
            for span in of_hour(calendars.of(period), hour) {
                let ended = span.end <= scene.now
                    && (span.end > scene.done_until || scene.new_periods.contains(&period));
                if ended || (scene.with_current && span.start <= scene.now && span.end > scene.now) {
                    due.insert((span.end, period, span.key, ended));
                }
            }
        }
    }
    due
}

const ZONES: [&str; 4] = ["UTC", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York"];

#[test]
fn customers_with_the_same_period_share_a_task() {
    let history = |customer: &str, time: &str| {
        (
            customer.to_owned(),
            ZoneHistory { first: None, changes: vec![(at(time), Some("Asia/Kolkata".into()))] },
        )
    };
    let own = vec![history("k", "2026-01-13T09:00:00Z"), history("l", "2026-01-14T10:00:00Z")];
    let zones = Zones::new(&ProjectZones::fixed("UTC"), own, crate::clock::zone).expect("zones");
    let (active, changed) = (hours(&["2026-01-14T12:00:00Z", "2026-01-15T12:00:00Z"]), Changed::new());
    let scene = Scene {
        periods: &[Period::Daily],
        zones: &zones,
        done_until: at("2026-01-14T00:00:00Z"),
        new_periods: &[],
        now: at("2026-01-16T00:00:00Z"),
        active_hours: &active,
        changed: &changed,
        with_current: false,
    };
    let shown = |task: &Task| {
        (task.span.key.clone(), task.span.start.to_string()[5..16].to_owned(), task.who.clone())
    };
    let tasks: Vec<_> = scene.tasks().iter().map(shown).collect();
    let task = |key: &str, start: &str, who| (key.to_owned(), start.to_owned(), who);
    let others = || Who::AllBut(zones.with_own());
    assert_eq!(
        tasks,
        [
            task("20260114", "01-14T00:00", only(&["k"])),
            task("20260114", "01-14T00:00", others()),
            task("20260114", "01-14T00:00", only(&["l"])),
            task("20260115", "01-14T18:30", only(&["k"])),
            task("20260115", "01-15T00:00", only(&["l"])),
            task("20260115", "01-15T00:00", others()),
        ]
    );
    let active = hours(&["2026-01-16T12:00:00Z"]);
    let later =
        Scene { done_until: scene.now, now: at("2026-01-16T18:30:00Z"), active_hours: &active, ..scene };
    let tasks: Vec<_> = later.tasks().iter().map(shown).collect();
    assert_eq!(tasks, [task("20260116", "01-15T18:30", only(&["k", "l"]))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn passing_over_hours_loses_no_period(
        offsets in proptest::collection::btree_set(0_i64..24 * 500, 0..300),
        done in 0_i64..500 * 96,
        ahead in 0_i64..400 * 96,
        with_current: bool,
        new in proptest::collection::vec(proptest::sample::select(Period::ALL.to_vec()), 0..3),
        zone in proptest::sample::select(ZONES.to_vec()),
        changes in proptest::collection::btree_map(0_i64..24 * 500, proptest::sample::select(ZONES.to_vec()), 0..4),
    ) {
        // Apia skipped a day at the end of 2011, within the range.
        let start = at("2011-03-05T00:00:00Z");
        let changes: Vec<_> = changes.into_iter().map(|(hour, zone)| (start.plus_micros(hour * HOUR), Some(zone))).collect();
        let zones = changing_zones("Asia/Kathmandu", &[("c", zone)], &changes);
        let active: Vec<i64> = offsets.iter().map(|hour| start.hour_index() + hour).collect();
        let done_until = start.plus_micros(done * 15 * MINUTE);
        let now = done_until.plus_micros(ahead * 15 * MINUTE);
        let changed = Changed::new();
        let scene = Scene {
            periods: &Period::ALL, zones: &zones, done_until, new_periods: &new, now, active_hours: &active,
            changed: &changed, with_current,
        };
        let tasks = scene.tasks();
        let planned: BTreeSet<_> = tasks.iter()
            .map(|task| (task.span.end, task.span.period, task.span.key.clone(), task.complete)).collect();
        let expected = naive(&scene);
        prop_assert_eq!(&planned, &expected);
        let first = expected.iter().filter(|(_, _, _, ended)| *ended).map(|(end, ..)| *end).min();
        prop_assert_eq!(scene.first_end(), first);
        let from = horizon(&Period::ALL, &new, &zones, done_until);
        prop_assert!(tasks.iter().all(|task| task.span.start >= from));
        let seen: Vec<i64> = active.iter().copied().filter(|hour| hour_end(*hour) > from).collect();
        prop_assert_eq!(Scene { active_hours: &seen, ..scene }.tasks().len(), tasks.len(), "nothing before the horizon counts");
        let twice: BTreeSet<_> = tasks.iter().map(|task| (key(task.span.clone()), format!("{:?}", task.who))).collect();
        prop_assert_eq!(twice.len(), tasks.len(), "no task twice");
    }
}
