//! What is metered and who is told: from `systemconfig.json` and from the tables of
//! `reckoner.toml`.
use super::reader::Problem;
use super::secret::Secret;
use reckoner_domain::event::is_reserved_type;
use reckoner_domain::meter::{Aggregation, MeterKey};
use reckoner_domain::period::Period;
use serde_json::{Map, Value};

/// Most webhook endpoints a file may name.
const WEBHOOKS_MAX: usize = 100;
/// Most event types a file may name.
const EVENT_TYPES_MAX: usize = 10_000;

/// What an entry of `[[webhook_endpoints]]` may say.
const WEBHOOK_KEYS: [&str; 4] = ["url", "secret", "enabled", "project"];

/// The aggregations that an event type of `systemconfig.json` may have.
const OPS: [&str; 7] = ["sum", "avg", "min", "max", "count", "first", "last"];

/// An operator's webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWebhook {
    /// Where it is written, such as `webhook_endpoints[0]`.
    pub place: String,
    /// Where deliveries go, as written.
    pub url: String,
    /// What signs them.
    pub secret: Secret,
    /// Whether deliveries are made.
    pub enabled: bool,
    /// `live` or `test`; both when absent.
    pub project: Option<String>,
}

/// The part of the configuration that can be read again while the server runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Whether a file said what follows; otherwise it is what holds without one.
    pub from_file: bool,
    /// Which periods are aggregated.
    pub periods: Vec<Period>,
    /// Event types and how each adds up, in the file's order; each is a meter of that key.
    pub events: Vec<(String, Aggregation)>,
    /// Meters in the shape of `POST /v1/meters`.
    pub meters: Vec<Value>,
    /// Endpoints that every aggregation is sent to.
    pub webhooks: Vec<FileWebhook>,
}

/// What one file says.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Which periods are aggregated; `None` where it says nothing about them.
    pub(super) periods: Option<Vec<Period>>,
    pub(super) events: Vec<(String, Aggregation)>,
    pub(super) meters: Vec<Value>,
    pub(super) webhooks: Vec<FileWebhook>,
}

/// What both files say together; `None` for one that is not there, or says nothing. Without either
/// the default periods are aggregated.
pub(super) fn together(system: Option<Said>, own: Option<Said>, problems: &mut Vec<Problem>) -> Definitions {
    let from_file = system.is_some() || own.is_some();
    // A `systemconfig.json` without periods aggregates none.
    let otherwise = if system.is_some() { Vec::new() } else { default_periods() };
    let (system, own) = (system.unwrap_or_default(), own.unwrap_or_default());
    if system.periods.is_some() && own.periods.is_some() {
        let reason = "is given by systemconfig.json too: leave it out of one of them";
        problems.push(Problem { setting: "periods".to_owned(), reason: reason.to_owned() });
    }
    Definitions {
        from_file,
        periods: system.periods.or(own.periods).unwrap_or(otherwise),
        events: system.events,
        meters: own.meters,
        webhooks: system.webhooks.into_iter().chain(own.webhooks).collect(),
    }
}

/// Reads `systemconfig.json`; keys that begin with `_` are comments.
pub(super) fn read_system(text: &str, problems: &mut Vec<Problem>) -> Said {
    let mut note = |setting: &str, reason: String| {
        let setting =
            if setting.is_empty() { "systemconfig".into() } else { format!("systemconfig.{setting}") };
        problems.push(Problem { setting, reason });
    };
    let root = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(root)) => root,
        Ok(_) => {
            note("", "must be a JSON object".into());
            return Said::default();
        }
        Err(error) => {
            note("", format!("is no JSON: {error}"));
            return Said::default();
        }
    };
    for key in root.keys().filter(|key| !key.starts_with('_')) {
        if !["periods", "events", "webhooks"].contains(&key.as_str()) {
            note(key, "is unknown; allowed are periods, events, webhooks".into());
        }
    }
    Said {
        periods: root.get("periods").map(|periods| read_periods(periods, &mut note)),
        events: read_events(root.get("events"), &mut note),
        meters: Vec::new(),
        webhooks: read_webhooks(root.get("webhooks"), ["systemconfig.", "webhooks"], &mut note),
    }
}

/// Takes `periods`, `meters` and `webhook_endpoints` from `reckoner.toml`.
pub(super) fn read_toml(file: &toml::Table, problems: &mut Vec<Problem>) -> Option<Said> {
    let named = ["periods", "meters", "webhook_endpoints"];
    if !named.iter().any(|name| file.contains_key(*name)) {
        return None;
    }
    let json = |name: &str| file.get(name).map(to_json);
    let mut note = |setting: &str, reason: String| {
        problems.push(Problem { setting: setting.to_owned(), reason });
    };
    let meters = match json("meters") {
        None => Vec::new(),
        Some(Value::Array(meters)) => meters,
        Some(_) => {
            note("meters", "must be an array of tables".into());
            Vec::new()
        }
    };
    let webhooks = json("webhook_endpoints");
    for (index, item) in webhooks.as_ref().and_then(Value::as_array).into_iter().flatten().enumerate() {
        for name in item.as_object().into_iter().flat_map(Map::keys) {
            if !WEBHOOK_KEYS.contains(&name.as_str()) {
                let allowed = WEBHOOK_KEYS.join(", ");
                note(
                    &format!("webhook_endpoints[{index}].{name}"),
                    format!("is unknown; allowed are {allowed}"),
                );
            }
        }
    }
    Some(Said {
        periods: json("periods").map(|periods| read_periods(&periods, &mut note)),
        events: Vec::new(),
        meters,
        webhooks: read_webhooks(webhooks.as_ref(), ["", "webhook_endpoints"], &mut note),
    })
}

/// A value of the file as JSON; a time is its text.
fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<Map<_, _>>().into()
        }
        plain => serde_json::to_value(plain).unwrap_or_default(),
    }
}

/// The periods aggregated when no file names any.
fn default_periods() -> Vec<Period> {
    vec![Period::Hourly, Period::Daily, Period::Weekly, Period::Monthly]
}

fn read_periods(value: &Value, note: &mut impl FnMut(&str, String)) -> Vec<Period> {
    let mut periods = Vec::new();
    let Value::Array(items) = value else {
        note("periods", "must be a list".into());
        return periods;
    };
    for (index, item) in items.iter().enumerate() {
        match item.as_str().and_then(|name| name.parse().ok()) {
            Some(period) if periods.contains(&period) => {}
            Some(period) => periods.push(period),
            None => {
                note(&format!("periods[{index}]"), format!("must be one of {}", Period::NAMES.join(", ")));
            }
        }
    }
    periods
}

fn read_events(value: Option<&Value>, note: &mut impl FnMut(&str, String)) -> Vec<(String, Aggregation)> {
    let mut events = Vec::new();
    let items = match value {
        None => return events,
        Some(Value::Object(items)) => items,
        Some(_) => {
            note("events", "must be an object of event types".into());
            return events;
        }
    };
    if items.len() > EVENT_TYPES_MAX {
        note("events", format!("must name at most {EVENT_TYPES_MAX} event types"));
        return events;
    }
    for (name, item) in items.iter().filter(|(name, _)| !name.starts_with('_')) {
        if let Err(error) = MeterKey::parse(name) {
            note(&format!("events.{name}"), error.to_string());
            continue;
        }
        if is_reserved_type(name) {
            note(&format!("events.{name}"), "is reserved: a path of that name means something else".into());
            continue;
        }
        let op = item.get("op").and_then(Value::as_str).filter(|op| OPS.contains(op));
        match op.and_then(|op| op.parse().ok()) {
            Some(aggregation) => events.push((name.clone(), aggregation)),
            None => note(&format!("events.{name}.op"), format!("must be one of {}", OPS.join(", "))),
        }
    }
    events
}

/// Reads the endpoints of a setting, named within its file and by what comes before it elsewhere.
fn read_webhooks(
    value: Option<&Value>,
    [file, setting]: [&str; 2],
    note: &mut impl FnMut(&str, String),
) -> Vec<FileWebhook> {
    let items = match value {
        None => return Vec::new(),
        Some(Value::Array(items)) if items.len() <= WEBHOOKS_MAX => items,
        Some(_) => {
            note(setting, format!("must be a list of at most {WEBHOOKS_MAX} endpoints"));
            return Vec::new();
        }
    };
    let mut webhooks: Vec<FileWebhook> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let place = format!("{setting}[{index}]");
        let Some(item) = item.as_object() else {
            note(&place, "must be an object with url and secret".to_owned());
            continue;
        };
        let mut at = |field: &str, reason: &str| note(&format!("{place}.{field}"), reason.to_owned());
        webhooks.extend(read_webhook(item, format!("{file}{place}"), &mut at));
    }
    webhooks
}

/// Reads an endpoint and notes what is wrong with it. One that has faults, but a URL, comes out too:
/// nothing uses it, but what else is wrong with its URL is found in the same go.
fn read_webhook(
    item: &Map<String, Value>,
    place: String,
    note: &mut impl FnMut(&str, &str),
) -> Option<FileWebhook> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let url = text("url");
    if url.is_none() {
        note("url", "must be an http or https address");
    }
    let secret = text("secret");
    if secret.is_none() {
        note("secret", "must be a text");
    }
    let enabled = item.get("enabled").unwrap_or(&Value::Bool(true)).as_bool();
    if enabled.is_none() {
        note("enabled", "must be true or false");
    }
    let project = text("project");
    if item.get("project").is_some() && !matches!(project, Some("live" | "test")) {
        note("project", "must be live or test");
    }
    Some(FileWebhook {
        place,
        url: url?.to_owned(),
        secret: Secret::new(secret.unwrap_or_default().to_owned()),
        enabled: enabled.unwrap_or(true),
        project: project.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_system_a_is_accepted_as_it_is() {
        let text = r#"{"_comment":"x","periods":["hourly","daily","weekly","monthly"],
            "events":{"_note":{},"api.calls":{"op":"sum"},"storage.bytes":{"op":"max","_why":1}},
            "webhooks":[{"url":"http://127.0.0.1:3000/webhooks/metering","secret":"whsec_test","enabled":true}]}"#;
        let mut problems = Vec::new();
        let read = read_system(text, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(read.periods.map(|periods| periods.len()), Some(4));
        assert_eq!(read.events.last(), Some(&("storage.bytes".to_owned(), Aggregation::Max)));
        assert!(read.webhooks.first().is_some_and(|webhook| webhook.enabled && webhook.project.is_none()));
    }

    #[test]
    fn tables_of_the_toml_file_are_read() {
        let text = r#"
            [[meters]]
            key = "llm.tokens"
            aggregation = "sum"
            starts_at = 2026-01-01T00:00:00Z
            weights = { a = 2, b = 0.5 }
            [[webhook_endpoints]]
            url = "https://example.com/hook"
            secret = "whsec_0123456789"
            enabeld = false
            [[webhook_endpoints]]
            url = "https://example.com/hook"
            secret = "whsec_0123456789"
            project = "live""#;
        let mut problems = Vec::new();
        let read = read_toml(&text.parse().expect("TOML"), &mut problems).expect("tables");
        let settings: Vec<&str> = problems.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(settings, ["webhook_endpoints[0].enabeld"]);
        let places: Vec<&str> = read.webhooks.iter().map(|webhook| webhook.place.as_str()).collect();
        assert_eq!(places, ["webhook_endpoints[0]", "webhook_endpoints[1]"]);
        let meter = serde_json::json!({"key": "llm.tokens", "aggregation": "sum",
            "starts_at": "2026-01-01T00:00:00Z", "weights": {"a": 2, "b": 0.5}});
        assert_eq!(read.meters, [meter]);
    }

    #[test]
    fn periods_that_a_file_gives_are_those_in_force() {
        let said = |periods: Option<&[Period]>| {
            Some(Said { periods: periods.map(<[Period]>::to_vec), ..Said::default() })
        };
        let (daily, none) = ([Period::Daily].as_slice(), [].as_slice());
        for (system, own, periods) in [
            (None, None, default_periods().as_slice()),
            (None, said(None), default_periods().as_slice()),
            (None, said(Some(none)), none),
            (None, said(Some(daily)), daily),
            (said(None), None, none),
            (said(None), said(None), none),
            (said(Some(none)), said(None), none),
            (said(Some(daily)), said(None), daily),
            (said(None), said(Some(daily)), daily),
        ] {
            let mut problems = Vec::new();
            let told = format!("{system:?} {own:?}");
            assert_eq!(together(system, own, &mut problems).periods, periods, "{told}");
            assert_eq!(problems, [], "{told}");
        }
        let mut problems = Vec::new();
        together(said(Some(none)), said(Some(daily)), &mut problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn all_problems_at_once() {
        let text = r#"{"period":[],"periods":["hourly","often"],"events":{"a b":{"op":"sum"},"x":{"op":"median"},"record":{"op":"sum"}},
            "webhooks":[{"url":5,"enabled":"yes","project":"prod"},5]}"#;
        let mut problems = Vec::new();
        read_system(text, &mut problems);
        let settings: Vec<&str> =
            problems.iter().filter_map(|problem| problem.setting.strip_prefix("systemconfig.")).collect();
        assert_eq!(
            settings,
            [
                "period",
                "periods[1]",
                "events.a b",
                "events.x.op",
                "events.record",
                "webhooks[0].url",
                "webhooks[0].secret",
                "webhooks[0].enabled",
                "webhooks[0].project",
                "webhooks[1]"
            ]
        );
    }
}
