//! What each customer used in one period, by every meter.
use super::plan::{Task, Who};
use super::reader::{Failed, Reader};
use crate::events::{Events, EventsError, Row};
use crate::store::aggregations::{Candidate, Figure, Figures, InForce, Span};
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Catalogue, Meter, MeterKey};
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The figures of one customer, as they come together.
#[derive(Default)]
struct Gathered {
    figures: Figures,
    event_count: u64,
}

/// The meters of one run: the same from its begin to its end.
pub struct Meters {
    catalogue: Arc<Catalogue>,
    in_force: Arc<InForce>,
}

impl Meters {
    /// These, beside `archived` ones: what each of them read, by its key.
    pub fn new(catalogue: Arc<Catalogue>, archived: BTreeMap<String, String>) -> Self {
        let in_force = Arc::new(InForce {
            meters: catalogue.iter().map(|meter| meter.key.to_string()).collect(),
            event_types: catalogue.event_types().map(str::to_owned).collect(),
            archived,
        });
        Self { catalogue, in_force }
    }
}

/// What a task came to.
pub struct Computed {
    /// The aggregations. A customer that the task names has one even without events, so that what
    /// was there before can be emptied.
    pub candidates: Vec<Candidate>,
    /// The customers whose aggregation could not be computed, each with the reason. They have none
    /// among the candidates: one that lacks a meter would be wrong.
    pub failed: Failed,
}

/// Computes a task's aggregations; those `expected` to be there have one even without events, since all
/// of theirs may be void by now. Only what was received until `as_of` counts, where that is said. What fails for
/// some customers does not keep the others.
pub async fn compute(
    events: &Events,
    project: ProjectId,
    meters: &Meters,
    (task, expected): (&Task, Vec<String>),
    (through_sequence, as_of): (u64, Option<Timestamp>),
) -> Result<Computed, EventsError> {
    let catalogue = &meters.catalogue;
    let mut reader = Reader::new(events, project, task, as_of);
    let none = |customer: String| (customer, Gathered::default());
    let mut gathered: BTreeMap<String, Gathered> = expected.into_iter().map(none).collect();
    if let Who::Only(customers) = &task.who {
        gathered.extend(customers.iter().map(|customer| (customer.clone(), Gathered::default())));
    }
    for event_type in catalogue.event_types() {
        let meters: Vec<&Meter> = catalogue.reading(event_type).into_iter().flatten().collect();
        let counting = meters.iter().position(|meter| counts_every_event(meter));
        for (index, meter) in meters.iter().enumerate() {
            for row in reader.read(meter).await? {
                note(&mut gathered, meter, row, counting == Some(index));
            }
        }
        if let (None, Some(counter)) = (counting, counter_of(event_type)) {
            for row in reader.read(&counter).await? {
                if let Some(customer) = row.customer {
                    gathered.entry(customer).or_default().event_count += row.events;
                }
            }
        }
    }
    let failed = reader.failed();
    gathered.retain(|customer, _| !failed.contains_key(customer));
    let span = span_of(task);
    let candidate = |(customer, gathered): (String, Gathered)| Candidate {
        customer,
        span: span.clone(),
        figures: gathered.figures,
        event_count: gathered.event_count,
        complete: task.complete,
        through_sequence,
        in_force: Arc::clone(&meters.in_force),
    };
    Ok(Computed { candidates: gathered.into_iter().map(candidate).collect(), failed })
}

fn note(gathered: &mut BTreeMap<String, Gathered>, meter: &Meter, row: Row, counting: bool) {
    let (Some(customer), Some(usage)) = (row.customer, row.usage) else { return };
    let entry = gathered.entry(customer).or_default();
    let figure = Figure { value: usage.to_text(), count: row.events };
    entry.figures.insert(meter.key.to_string(), figure);
    if counting {
        entry.event_count += row.events;
    }
}

/// Whether a meter's own count is that of the events of its type.
fn counts_every_event(meter: &Meter) -> bool {
    meter.reads_rollups() && meter.starts_at.is_none()
}

/// Counts the events of a type where no meter of it does.
fn counter_of(event_type: &str) -> Option<Meter> {
    let key = MeterKey::parse("events").ok()?;
    let id = reckoner_domain::id::MeterId::from_bits(0);
    Some(Meter { event_type: event_type.to_owned(), ..Meter::plain(id, key, Aggregation::Count) })
}

/// A task's period as aggregations have it.
pub fn span_of(task: &Task) -> Span {
    Span {
        period: task.span.period.as_str().to_owned(),
        key: task.span.key.clone(),
        start: task.span.start,
        end: task.span.end,
    }
}
