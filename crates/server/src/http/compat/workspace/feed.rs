//! Events of several types as one list, the newest first: read piece by piece, and held as little as can be.
use super::document::{properties, source};
use super::resources::Resource;
use super::sent::PROJECT;
use super::{Owner, Params, given};
use crate::events::{Cursor, Events, EventsError, ListFilter, Order};
use crate::http::compat::metering::read::range;
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::Path;
use reckoner_domain::meter::Filter;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::VecDeque;

/// Events of a type that are held at once.
const PAGE_EVENTS: usize = 1_000;

/// Which events.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of these resources.
    pub resources: Vec<Resource>,
    /// Of this project within the workspace.
    pub project: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

impl Asked {
    /// What the parameters say; what is wrong is noted.
    pub fn of(params: &Params, wrong: &mut Vec<String>) -> Self {
        let resource = given(params.resource_type.as_ref());
        let resources = match resource.as_deref().map(Resource::parse) {
            None => Resource::ALL.to_vec(),
            Some(Some(resource)) => vec![resource],
            Some(None) => {
                wrong.push(format!(
                    "resourceType must be one of {}",
                    Resource::ALL.map(Resource::as_str).join(", ")
                ));
                Vec::new()
            }
        };
        let source = given(params.source.as_ref());
        if source.as_ref().is_some_and(|source| !super::sent::SOURCES.contains(&source.as_str())) {
            wrong.push(format!("source must be one of {}", super::sent::SOURCES.join(", ")));
        }
        let (from, until) =
            range(("startDate", params.start_date.as_deref()), ("endDate", params.end_date.as_deref()))
                .unwrap_or_else(|reason| {
                    wrong.push(reason);
                    (None, None)
                });
        // The engine's end is exclusive.
        let to = until.map(|until| until.plus_micros(1));
        Self { resources, project: given(params.project_id.as_ref()), source, from, to }
    }

    /// All events of a window.
    pub fn of_window(window: Window) -> Self {
        let (from, to) = (Some(window.start), Some(window.end));
        Self { resources: Resource::ALL.to_vec(), project: None, source: None, from, to }
    }

    /// The same within a window.
    pub fn within(self, window: Window) -> Self {
        let from = self.from.map_or(window.start, |from| from.max(window.start));
        let to = self.to.map_or(window.end, |to| to.min(window.end));
        Self { from: Some(from), to: Some(to), ..self }
    }

    /// Conditions on properties that the engine looks at.
    pub fn filters(&self) -> Vec<Filter> {
        let path = Path::parse(&format!("$.{PROJECT}")).ok();
        let filter = |path| Some(Filter { path, any_of: vec![self.project.clone()?] });
        path.and_then(filter).into_iter().collect()
    }
}

/// Events on their way, the newest first; void ones are left out.
pub struct Feed {
    events: Events,
    source: Option<String>,
    streams: Vec<Stream>,
}

/// Events of one type.
struct Stream {
    resource: Resource,
    filter: ListFilter,
    held: VecDeque<Event>,
    ended: bool,
}

impl Feed {
    /// Reads what is asked for; `first` is how many are wanted, as far as that is known.
    pub fn new(events: &Events, project: ProjectId, owner: &Owner, asked: &Asked, first: usize) -> Self {
        let stream = |resource: &Resource| Stream {
            resource: *resource,
            filter: ListFilter {
                customer: owner.organization.clone(),
                event_type: Some(resource.event_type().to_owned()),
                subject: owner.workspace.clone(),
                from: asked.from,
                to: asked.to,
                filters: asked.filters(),
                order: Order::NewestFirst,
                limit: first.clamp(1, PAGE_EVENTS),
                ..ListFilter::new(project)
            },
            held: VecDeque::new(),
            ended: false,
        };
        let streams = asked.resources.iter().map(stream).collect();
        Self { events: events.clone(), source: asked.source.clone(), streams }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<(Resource, Event)>, EventsError> {
        loop {
            for stream in &mut self.streams {
                stream.fill(&self.events).await?;
            }
            let newest = |stream: &Stream| stream.held.front().map(|event| (event.time, event.sequence));
            let streams = self.streams.iter_mut().filter(|stream| !stream.held.is_empty());
            let Some(stream) = streams.max_by_key(|stream| newest(stream)) else { return Ok(None) };
            let resource = stream.resource;
            let Some(event) = stream.held.pop_front() else { return Ok(None) };
            let asked = |source_asked: &String| source(&properties(&event), resource) == source_asked;
            if event.voided_at.is_none() && self.source.as_ref().is_none_or(asked) {
                return Ok(Some((resource, event)));
            }
        }
    }

    /// Passes over so many events.
    pub async fn skip(&mut self, events: usize) -> Result<(), EventsError> {
        for _ in 0..events {
            if self.next().await?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

impl Stream {
    async fn fill(&mut self, events: &Events) -> Result<(), EventsError> {
        if self.ended || !self.held.is_empty() {
            return Ok(());
        }
        let page = events.list(self.filter.clone()).await?;
        self.ended = page.len() < self.filter.limit;
        if let Some(last) = page.last() {
            self.filter.after = Some(Cursor { time: last.time, sequence: last.sequence });
        }
        self.held = page.into();
        Ok(())
    }
}
