//! Events in the order of their time or of their commit, page by page.
use super::asked::Asked;
use super::{fetch, recent};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::Version;
use crate::memory::corrections::Known;
use crate::memory::places::Finder;
use crate::shared::{Shared, to_event};
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::Extractor;
use reckoner_domain::meter::Filter;
use reckoner_domain::time::Timestamp;

/// Most events of a page.
pub const LIST_EVENTS_MAX: usize = 10_000;
/// Fewest events looked at together where some may not pass.
const LOOK_AT_ONCE_MIN: usize = if cfg!(test) { 4 } else { 256 };

/// What a list begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The latest event first; of equal times the highest sequence.
    #[default]
    NewestFirst,
    /// The earliest event first; of equal times the lowest sequence.
    OldestFirst,
    /// The event that was committed last first, whatever its time: the highest sequence.
    LatestFirst,
}

/// The last event of a page: the next page begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The event's time.
    pub time: Timestamp,
    /// The event's sequence.
    pub sequence: u64,
}

/// Which events are listed.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Whose events.
    pub project: ProjectId,
    /// Only this customer's.
    pub customer: Option<String>,
    /// Only of this type.
    pub event_type: Option<String>,
    /// Only with this subject.
    pub subject: Option<String>,
    /// Only the one with this id.
    pub id: Option<String>,
    /// Only from this instant on.
    pub from: Option<Timestamp>,
    /// Only before this instant.
    pub to: Option<Timestamp>,
    /// Conditions on properties; all must hold.
    pub filters: Vec<Filter>,
    /// What comes first.
    pub order: Order,
    /// Only events behind this one.
    pub after: Option<Cursor>,
    /// Most events, at most [`LIST_EVENTS_MAX`].
    pub limit: usize,
}

impl ListFilter {
    /// All events of a project, the newest first, as many as a page may have.
    pub fn new(project: ProjectId) -> Self {
        Self {
            project,
            customer: None,
            event_type: None,
            subject: None,
            id: None,
            from: None,
            to: None,
            filters: Vec::new(),
            order: Order::NewestFirst,
            after: None,
            limit: LIST_EVENTS_MAX,
        }
    }

    /// Whether an event at this place in the order is asked for.
    pub(super) fn asks(&self, at: Cursor) -> bool {
        let behind = |after: Cursor| match self.order {
            Order::NewestFirst => at < after,
            Order::OldestFirst => at > after,
            Order::LatestFirst => at.sequence < after.sequence,
        };
        self.from.is_none_or(|from| at.time >= from)
            && self.to.is_none_or(|to| at.time < to)
            && self.after.is_none_or(behind)
    }

    /// Whether an event is asked for, whatever its place in the order.
    pub(super) fn has(&self, event: &Event) -> bool {
        self.id.as_ref().is_none_or(|id| *id == event.id)
            && self.from.is_none_or(|from| event.time >= from)
            && self.to.is_none_or(|to| event.time < to)
            && self.passes(&EventRecord::of(event))
    }

    /// Whether what an event says is asked for.
    fn passes(&self, event: &EventRecord<'_>) -> bool {
        let equal = |asked: &Option<String>, text: Option<&str>| asked.is_none() || asked.as_deref() == text;
        equal(&self.customer, Some(event.draft.customer))
            && equal(&self.event_type, Some(event.draft.event_type))
            && equal(&self.subject, event.draft.subject)
            && (self.filters.is_empty() || {
                let mut extractor = Extractor::new(self.filters.iter().map(|filter| &filter.path));
                let properties = extractor.read(event.draft.properties);
                self.filters.iter().all(|filter| filter.passes(&properties))
            })
    }

    /// The first and last hour that may have events asked for.
    pub(super) fn hours(&self) -> (i64, i64) {
        let mut from = self.from.unwrap_or(Timestamp::MIN);
        let mut to = self.to.map_or(Timestamp::MAX, |to| to.plus_micros(-1));
        match (self.order, self.after) {
            (Order::NewestFirst, Some(after)) => to = to.min(after.time),
            (Order::OldestFirst, Some(after)) => from = from.max(after.time),
            (Order::LatestFirst, _) | (_, None) => {}
        }
        (from.hour_index(), to.hour_index())
    }
}

/// Lists events.
pub fn run(shared: &Shared, filter: &ListFilter) -> Result<Vec<Event>, ReadError> {
    let limit = filter.limit.min(LIST_EVENTS_MAX);
    let mut found = Vec::new();
    if let Some(id) = &filter.id {
        if limit > 0
            && let Some(event) = shared.get(filter.project, id)?
        {
            look_at(shared, filter, vec![Cursor { time: event.time, sequence: event.sequence }], &mut found)?;
        }
        return Ok(found);
    }
    match filter.order {
        Order::LatestFirst => latest(shared, filter, limit, &mut found)?,
        Order::NewestFirst | Order::OldestFirst => by_time(shared, filter, limit, &mut found)?,
    }
    found.truncate(limit);
    Ok(found)
}

/// How many events are looked at together.
struct Looks {
    /// Whether all that were looked at so far were found.
    all_found: bool,
}

impl Looks {
    fn new() -> Self {
        Self { all_found: true }
    }

    /// Looks at places: as many as are still wanted, or more once some did not pass.
    fn at(
        &mut self,
        (shared, filter): (&Shared, &ListFilter),
        next: Vec<Cursor>,
        found: &mut Vec<Event>,
    ) -> Result<(), ReadError> {
        let all = found.len() + next.len();
        look_at(shared, filter, next, found)?;
        self.all_found &= found.len() == all;
        Ok(())
    }

    fn count(&self, wanted: usize) -> usize {
        if self.all_found { wanted } else { wanted.max(LOOK_AT_ONCE_MIN) }
    }
}

/// Finds events in the order of commit, the last first.
fn latest(
    shared: &Shared,
    filter: &ListFilter,
    limit: usize,
    found: &mut Vec<Event>,
) -> Result<(), ReadError> {
    let mut below = filter.after.map_or(u64::MAX, |after| after.sequence);
    let mut looks = Looks::new();
    while found.len() < limit {
        let count = looks.count(limit - found.len());
        let next = recent::places(shared, filter, below, count)?;
        let Some(last) = next.last() else { break };
        below = last.sequence;
        looks.at((shared, filter), next, found)?;
    }
    Ok(())
}

/// Finds events in the order of their time.
fn by_time(
    shared: &Shared,
    filter: &ListFilter,
    limit: usize,
    found: &mut Vec<Event>,
) -> Result<(), ReadError> {
    let (mut from, mut to) = filter.hours();
    let mut looks = Looks::new();
    while found.len() < limit
        && let Some((hour, mut candidates)) = next_hour(shared, filter, from, to)?
    {
        match filter.order {
            Order::OldestFirst => from = hour + 1,
            Order::NewestFirst | Order::LatestFirst => to = hour - 1,
        }
        while found.len() < limit && !candidates.is_empty() {
            let count = looks.count(limit - found.len()).min(candidates.len());
            let next = take_first(&mut candidates, count, filter.order);
            looks.at((shared, filter), next, found)?;
        }
    }
    Ok(())
}

/// Takes the first `count` places out of all, in order.
fn take_first(places: &mut Vec<Cursor>, count: usize, order: Order) -> Vec<Cursor> {
    let compare = |a: &Cursor, b: &Cursor| match order {
        Order::OldestFirst => a.cmp(b),
        Order::NewestFirst | Order::LatestFirst => b.cmp(a),
    };
    if count < places.len() {
        places.select_nth_unstable_by(count, compare);
    }
    let rest = places.split_off(count.min(places.len()));
    let mut first = std::mem::replace(places, rest);
    first.sort_unstable_by(compare);
    first
}

/// Reads events at these places and keeps those that are not void and pass, in the order of the places.
fn look_at(
    shared: &Shared,
    filter: &ListFilter,
    at: Vec<Cursor>,
    found: &mut Vec<Event>,
) -> Result<(), ReadError> {
    let asked = at.into_iter().filter(|at| filter.asks(*at));
    let mut sequences: Vec<(u64, usize)> =
        asked.enumerate().map(|(place, at)| (at.sequence, place)).collect();
    sequences.sort_unstable();
    let versions: Vec<(usize, Version)> = {
        let memory = shared.memory.read();
        let version = |(sequence, rank)| Some((rank, memory.version(filter.project, sequence, Known::ALL)?));
        let versions = sequences.into_iter().filter_map(version);
        versions.filter(|(_, version)| version.voided_at.is_none()).collect()
    };
    let mut finder = Finder::default();
    let (mut places, mut ranks) = (Vec::new(), Vec::new());
    for (rank, version) in versions {
        if let Some(place) = version.place(&mut finder)? {
            places.push(place);
            ranks.push((rank, version.amended_at));
        }
    }
    let mut kept = Vec::new();
    fetch::each(&places, |number, origin, event| {
        let (rank, amended_at) = ranks.get(number).copied().unwrap_or((usize::MAX, None));
        if filter.passes(event) {
            kept.push((rank, Event { amended_at, ..to_event(origin, event) }));
        }
        Ok::<(), ReadError>(())
    })?;
    kept.sort_unstable_by_key(|(rank, _)| *rank);
    found.extend(kept.into_iter().map(|(_, event)| event));
    Ok(())
}

/// The next hour that has places asked for, with them.
fn next_hour(
    shared: &Shared,
    filter: &ListFilter,
    mut from: i64,
    mut to: i64,
) -> Result<Option<(i64, Vec<Cursor>)>, ReadError> {
    let asked = Asked::new(shared, filter);
    while from <= to
        && let Some(hour) = asked.first_hour(from, to)
    {
        let places = asked.places(hour)?;
        if !places.is_empty() {
            return Ok(Some((hour, places)));
        }
        match filter.order {
            Order::OldestFirst => from = hour + 1,
            Order::NewestFirst | Order::LatestFirst => to = hour - 1,
        }
    }
    Ok(None)
}
