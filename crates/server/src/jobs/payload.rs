//! The bodies of the jobs' webhooks: compact JSON whose numbers JavaScript prints the same way,
//! because some receivers verify what they parsed and printed again.
use crate::store::aggregations::{Aggregation, Announcement, Figure};
use crate::store::job_runs::{Finished, JobRun};
use reckoner_domain::js_number::to_js;
use reckoner_domain::time::Timestamp;
use serde_json::{Value, json};

/// The types of all messages about aggregations.
pub const EVENT_TYPES: [&str; 2] = ["aggregation.completed", "aggregation.updated"];

/// The type of a message.
pub fn event_type(announcement: Announcement) -> &'static str {
    match announcement {
        Announcement::Completed => "aggregation.completed",
        Announcement::Updated => "aggregation.updated",
    }
}

/// The type of the message about a run of a job that failed.
pub const JOB_FAILED: &str = "job.failed";

/// The body of the message about a failed run in a project of this name.
pub fn job_failed(project: &str, run: &JobRun, finished: &Finished) -> String {
    let data = json!({
        "run": run.id.as_str(),
        "job": run.job,
        "project": project,
        "error": finished.detail,
        "started_at": run.started_at.to_string(),
        "finished_at": finished.at.to_string(),
    });
    json!({"type": JOB_FAILED, "data": data, "created": finished.at.as_seconds()}).to_string()
}

/// The last millisecond of a period, as system A shows its end.
pub fn shown_end(end: Timestamp) -> String {
    end.plus_micros(-1_000).to_millis_text()
}

/// The body; `created` is the project's time.
pub fn body(announcement: Announcement, aggregation: &Aggregation, created: Timestamp) -> String {
    let text = |text: &str| Value::String(text.to_owned()).to_string();
    let revision = match announcement {
        Announcement::Completed => String::new(),
        Announcement::Updated => format!(",\"revision\":{}", aggregation.revision),
    };
    format!(
        "{{\"type\":{kind},\"customerId\":{customer},\"period\":{period},\"data\":{{\
         \"periodStart\":{start},\"periodEnd\":{end},\"periodKey\":{key},\"timestamp\":{timestamp},\
         \"events\":{values},\"eventCounts\":{counts},\"eventCount\":{count}{revision}}},\"created\":{created}}}",
        kind = text(event_type(announcement)),
        customer = text(&aggregation.customer),
        period = text(&aggregation.span.period),
        start = text(&aggregation.span.start.to_millis_text()),
        end = text(&shown_end(aggregation.span.end)),
        key = text(&aggregation.span.key),
        timestamp = text(&aggregation.updated_at.to_millis_text()),
        values = object(aggregation, |figure| to_js(&figure.value)),
        counts = object(aggregation, |figure| figure.count.to_string()),
        count = aggregation.event_count,
        created = created.as_seconds(),
    )
}

/// An object of every meter's figure. JavaScript puts keys that look like array indices first, in
/// ascending order.
fn object(aggregation: &Aggregation, show: impl Fn(&Figure) -> String) -> String {
    let mut entries: Vec<(&String, &Figure)> = aggregation.figures.iter().collect();
    entries.sort_by_key(|(key, _)| array_index(key).map_or((1, 0), |index| (0, index)));
    let entry =
        |(key, figure): (&String, &Figure)| format!("{}:{}", Value::String(key.clone()), show(figure));
    format!("{{{}}}", entries.into_iter().map(entry).collect::<Vec<_>>().join(","))
}

/// The number of a key that JavaScript takes for an array index.
fn array_index(key: &str) -> Option<u32> {
    let index: u32 = key.parse().ok()?;
    (index != u32::MAX && index.to_string() == key).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::aggregations::Span;
    use crate::store::projects::TEST;

    #[test]
    fn the_body_is_that_of_system_a() {
        let at = |text| Timestamp::parse(text).expect("a time");
        let figure = |value: &str, count| Figure { value: value.to_owned(), count };
        let figures = [
            ("api.calls", figure("50", 4)),
            ("z", figure("0.3", 2)),
            ("10", figure("123456789012345678901234567890", 1)),
            ("9", figure("0.0000001", 1)),
        ];
        let aggregation = Aggregation {
            project: TEST,
            id: "a_daily_20260112".into(),
            customer: "a".into(),
            span: Span {
                period: "daily".into(),
                key: "20260112".into(),
                start: at("2026-01-12T00:00:00Z"),
                end: at("2026-01-13T00:00:00Z"),
            },
            figures: figures.into_iter().map(|(key, figure)| (key.to_owned(), figure)).collect(),
            event_count: 8,
            complete: true,
            revision: 2,
            through_sequence: 8,
            created_at: at("2026-01-13T00:00:00Z"),
            updated_at: at("2026-01-13T00:15:00Z"),
            imported: None,
        };
        let created = at("2026-01-13T00:15:00Z");
        assert_eq!(
            body(Announcement::Completed, &aggregation, created),
            r#"{"type":"aggregation.completed","customerId":"a","period":"daily","data":{"periodStart":"2026-01-12T00:00:00.000Z","periodEnd":"2026-01-12T23:59:59.999Z","periodKey":"20260112","timestamp":"2026-01-13T00:15:00.000Z","events":{"9":1e-7,"10":1.2345678901234568e+29,"api.calls":50,"z":0.3},"eventCounts":{"9":1,"10":1,"api.calls":4,"z":2},"eventCount":8},"created":1768263300}"#
        );
        let updated = body(Announcement::Updated, &aggregation, created);
        assert!(updated.contains(r#""eventCount":8,"revision":2},"#), "{updated}");
        serde_json::from_str::<Value>(&updated).expect("JSON");
    }
}
