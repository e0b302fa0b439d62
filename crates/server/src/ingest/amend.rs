//! What an amendment may say: the event anew, with the customer, meter and time it has.
use super::draft::{Fault, Rejected, Rules, Sent};
use super::fields::Raw;
use crate::events::Content;
use reckoner_domain::event::Event;
use reckoner_domain::time::Timestamp;

/// Checks an amendment of a stored event; every fault at once. Customer, meter, time and id may be
/// left out, and must be the event's where they are given; a value must be given.
pub fn check(sent: Sent<'_>, event: &Event, rules: &Rules<'_>) -> Result<Content, Rejected> {
    let mut faults = Vec::new();
    let mut fixed = |name: &str, raw: Option<Raw<'_>>, is: &str, same: fn(&str, &str) -> bool| {
        let differs = raw.is_some_and(|raw| raw.as_text().is_none_or(|text| !same(&text, is)));
        if differs {
            faults.push(Fault::new(name, format!("cannot be amended: it is {is}")));
        }
    };
    let (text, time) = (str::eq as fn(&str, &str) -> bool, event.time.to_string());
    fixed("id", sent.id, &event.id, text);
    fixed("customer", sent.customer, &event.customer, text);
    fixed("meter", sent.meter, &event.event_type, text);
    fixed("time", sent.time, &time, same_time);
    if sent.value.is_none() {
        faults.push(Fault::new("value", "is required"));
    }
    // What is fixed was checked when the event was recorded; meters may have gone since.
    let [id, customer, meter] = [&event.id, &event.customer, &event.event_type].map(|text| quoted(text));
    let whole = Sent {
        id: Some(Raw::new(&id)),
        customer: Some(Raw::new(&customer)),
        meter: Some(Raw::new(&meter)),
        time: None,
        ..sent
    };
    let rules = Rules { accept_unmetered: true, ..*rules };
    match whole.check(&rules, || Ok::<_, String>(event.id.clone())) {
        Ok(checked) if faults.is_empty() => Ok(Content {
            value: checked.value,
            subject: checked.subject.map(Into::into),
            properties: checked.properties.map(Into::into),
            source_context: checked.source_context.map(Into::into),
        }),
        Ok(_) => Err(Rejected::new(Some(event.id.clone()), faults)),
        Err(rejected) => {
            faults.extend(rejected.faults);
            Err(Rejected { faults, ..rejected })
        }
    }
}

fn same_time(sent: &str, is: &str) -> bool {
    matches!((Timestamp::parse(sent), Timestamp::parse(is)), (Ok(sent), Ok(is)) if sent == is)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
