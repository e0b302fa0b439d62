//! What the calls of a customer were like in a stretch of time, in a form that adds up.
use crate::decimal::{Decimal, Excess};
use crate::json::{Path, Properties};
use crate::meter::Readable;
use crate::ratio::Ratio;
use crate::sketch::Sketch;
use crate::sum::{Overflow, Sum};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The least status that is a failure.
const FAILURES_FROM: u32 = 400;
/// About what an endpoint takes of memory, beside its names and times.
const ENDPOINT_BYTES: usize = 320;
/// About what a bucket of times takes of memory.
const BUCKET_BYTES: usize = 24;

/// The properties that tell what a call was like.
pub struct Paths {
    /// All of them.
    pub all: Arc<[Path]>,
    endpoint: Path,
    method: Path,
    status: Path,
    time: Path,
    call: Path,
}

impl Paths {
    /// Those of every call.
    pub fn new() -> Option<Self> {
        let path = |text: &str| Path::parse(text).ok();
        let (endpoint, method, status) = (path("$.endpoint")?, path("$.method")?, path("$.statusCode")?);
        let (time, call) = (path("$.durationMs")?, path("$.call")?);
        let all = [&endpoint, &method, &status, &time, &call].map(Clone::clone);
        Some(Self { all: Arc::new(all), endpoint, method, status, time, call })
    }

    /// Whether traffic is that of a call which an event of this type counts.
    pub fn is_call(&self, traffic: &dyn Properties, event_type: &str) -> bool {
        traffic.text(&self.call).is_some_and(|call| call == event_type)
    }
}

/// How long some calls took.
#[derive(Clone, Debug, Default)]
pub struct Times {
    sum: Sum,
    sketch: Sketch,
}

impl Times {
    fn add(&mut self, time: Option<Decimal>) -> Result<(), Overflow> {
        if let Some(time) = time {
            self.sum = self.sum.plus(time)?;
            self.sketch.add(time);
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<(), Overflow> {
        self.sum = self.sum.plus_sum(other.sum)?;
        self.sketch.merge(&other.sketch);
        Ok(())
    }

    fn mean(&self) -> Option<Ratio> {
        let mean = self.sum.over(Sum::from_count(self.sketch.count()))?;
        Some(Ratio::try_from(mean).unwrap_or_default())
    }
}

/// What some calls were like.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Events that count calls.
    events: u64,
    calls: Sum,
    failed: Sum,
    /// Calls that say nothing of how they were answered.
    unknown: Sum,
    /// Requests that failed, by what a gateway or a layer says of each request that is a call.
    failed_in_traffic: u64,
    called: Times,
    passed: Times,
}

impl Figures {
    /// Adds an event that counts calls.
    fn add_call(&mut self, event: &Readable<'_>, paths: &Paths) -> Result<(), Overflow> {
        self.events = self.events.saturating_add(1);
        self.calls = self.calls.plus(event.value)?;
        match status_of(event.properties, paths) {
            None => self.unknown = self.unknown.plus(event.value)?,
            Some(status) if status >= FAILURES_FROM => self.failed = self.failed.plus(event.value)?,
            Some(_) => {}
        }
        self.called.add(event.properties.decimal(&paths.time, Excess::Round))
    }

    /// Adds what traffic says of a request that is a call.
    fn add_traffic(&mut self, event: &Readable<'_>, paths: &Paths) -> Result<(), Overflow> {
        let failed = status_of(event.properties, paths).is_some_and(|status| status >= FAILURES_FROM);
        self.failed_in_traffic = self.failed_in_traffic.saturating_add(u64::from(failed));
        self.passed.add(event.properties.decimal(&paths.time, Excess::Round))
    }

    /// Adds what others were like.
    pub fn merge(&mut self, other: &Self) -> Result<(), Overflow> {
        self.events = self.events.saturating_add(other.events);
        self.calls = self.calls.plus_sum(other.calls)?;
        self.failed = self.failed.plus_sum(other.failed)?;
        self.unknown = self.unknown.plus_sum(other.unknown)?;
        self.failed_in_traffic = self.failed_in_traffic.saturating_add(other.failed_in_traffic);
        self.called.merge(&other.called)?;
        self.passed.merge(&other.passed)
    }

    /// Whether there was any call.
    pub fn has_calls(&self) -> bool {
        self.events > 0
    }

    /// How many calls there were.
    pub fn calls(&self) -> Ratio {
        self.calls.into()
    }

    /// How many of them failed. Calls of which nothing is known were answered as they should be.
    pub fn failed(&self) -> Result<Ratio, Overflow> {
        let in_traffic = Ratio::from_count(self.failed_in_traffic);
        Ratio::from(self.failed).plus(in_traffic.min(self.unknown.into()))
    }

    /// How long calls took on average: as they say themselves or, where none does, as traffic says.
    pub fn mean_ms(&self) -> Option<Ratio> {
        self.called.mean().or_else(|| self.passed.mean())
    }

    /// What 95 of 100 took no longer than, likewise.
    pub fn p95_ms(&self) -> Option<Ratio> {
        let p95 = self.called.sketch.percentile(95).or_else(|| self.passed.sketch.percentile(95));
        p95.map(Ratio::from)
    }

    fn bytes(&self) -> usize {
        let times = [&self.called, &self.passed];
        let buckets = times.map(|times| times.sketch.buckets().len().saturating_mul(BUCKET_BYTES));
        buckets.into_iter().fold(ENDPOINT_BYTES, usize::saturating_add)
    }
}

/// What the calls in a stretch of time were like, by endpoint and method.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    endpoints: BTreeMap<String, BTreeMap<String, Figures>>,
    /// Calls that name no endpoint.
    nameless: Figures,
    /// Whether there were too many endpoints to tell all apart: the others are among the nameless.
    is_cut: bool,
}

impl Piece {
    /// Adds an event that counts calls; of new endpoints at most as many as `room` says.
    pub fn add_call(
        &mut self,
        event: &Readable<'_>,
        paths: &Paths,
        room: &mut usize,
    ) -> Result<(), Overflow> {
        self.figures(event.properties, paths, room).add_call(event, paths)
    }

    /// Adds what traffic says of a request that is a call.
    pub fn add_traffic(
        &mut self,
        event: &Readable<'_>,
        paths: &Paths,
        room: &mut usize,
    ) -> Result<(), Overflow> {
        self.figures(event.properties, paths, room).add_traffic(event, paths)
    }

    fn figures(&mut self, properties: &dyn Properties, paths: &Paths, room: &mut usize) -> &mut Figures {
        let Some(endpoint) = properties.text(&paths.endpoint) else { return &mut self.nameless };
        let method = properties.text(&paths.method).unwrap_or_default();
        let known = self.endpoints.get(&*endpoint).is_some_and(|of| of.contains_key(&*method));
        if !known {
            let Some(left) = room.checked_sub(1) else {
                self.is_cut = true;
                return &mut self.nameless;
            };
            *room = left;
            let of = self.endpoints.entry(endpoint.into_owned()).or_default();
            return of.entry(method.into_owned()).or_default();
        }
        let of = self.endpoints.get_mut(&*endpoint);
        of.and_then(|of| of.get_mut(&*method)).unwrap_or(&mut self.nameless)
    }

    /// Adds another stretch of the same calls.
    pub fn merge(&mut self, other: &Self) -> Result<(), Overflow> {
        self.is_cut |= other.is_cut;
        self.nameless.merge(&other.nameless)?;
        for (endpoint, methods) in &other.endpoints {
            let known = self.endpoints.entry(endpoint.clone()).or_default();
            for (method, figures) in methods {
                known.entry(method.clone()).or_default().merge(figures)?;
            }
        }
        Ok(())
    }

    /// All calls together.
    pub fn total(&self) -> Result<Figures, Overflow> {
        let mut total = self.nameless.clone();
        for figures in self.endpoints.values().flat_map(BTreeMap::values) {
            total.merge(figures)?;
        }
        Ok(total)
    }

    /// Each endpoint and method with calls, as far as they are told apart.
    pub fn by_endpoint(&self) -> impl Iterator<Item = (&str, &str, &Figures)> {
        let each = self.endpoints.iter().flat_map(|(endpoint, methods)| {
            methods.iter().map(move |(method, figures)| (endpoint.as_str(), method.as_str(), figures))
        });
        each.filter(|(.., figures)| figures.has_calls())
    }

    /// Whether all endpoints are told apart.
    pub fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// About what it takes of memory.
    pub fn bytes(&self) -> usize {
        let own = size_of::<Self>().saturating_add(self.nameless.bytes());
        let methods = self.endpoints.iter().flat_map(|(endpoint, methods)| {
            methods.iter().map(|(method, figures)| [endpoint.len(), method.len(), figures.bytes()])
        });
        methods.flatten().fold(own, usize::saturating_add)
    }
}

fn status_of(properties: &dyn Properties, paths: &Paths) -> Option<u32> {
    properties.text(&paths.status)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use serde_json::{Value, json};

    fn add(piece: &mut Piece, properties: &Value, room: &mut usize) {
        let event = Readable { time: Timestamp::default(), sequence: 1, value: Decimal::ONE, properties };
        let paths = Paths::new().expect("paths");
        if paths.is_call(properties, "calls") {
            piece.add_traffic(&event, &paths, room).expect("fits");
        } else {
            piece.add_call(&event, &paths, room).expect("fits");
        }
    }

    type Told = (String, String, Option<String>, Option<String>);

    fn told(piece: &Piece) -> Vec<(String, Told)> {
        let text = |ratio: Ratio| ratio.to_shown();
        let each = piece.by_endpoint().map(|(endpoint, method, one)| {
            let failed = text(one.failed().expect("fits"));
            let times = (one.mean_ms().map(text), one.p95_ms().map(text));
            (format!("{method} {endpoint}"), (text(one.calls()), failed, times.0, times.1))
        });
        each.collect()
    }

    #[test]
    fn pieces_add_up_to_what_one_piece_of_all_says() {
        let (mut whole, mut parts, mut room) = (Piece::default(), [(); 3].map(|()| Piece::default()), 100);
        for number in 0..300_u32 {
            let mut properties = json!({"endpoint": format!("/{}", number % 4)});
            if number % 3 > 0 {
                properties["statusCode"] = json!(200 + number % 3 * 100);
                properties["method"] = json!("GET");
            }
            if number % 5 == 0 {
                properties["call"] = json!("calls");
                properties["statusCode"] = json!(500);
            }
            // Of one endpoint only traffic says how long it took.
            if number % 7 > 0 && (number % 4 > 0 || number % 5 == 0) {
                properties["durationMs"] = json!(number);
            }
            add(&mut whole, &properties, &mut room);
            add(&mut parts[number as usize / 100], &properties, &mut room);
        }
        let mut together = Piece::default();
        for part in parts.iter().rev() {
            together.merge(part).expect("fits");
        }
        assert_eq!(told(&whole).len(), 8);
        assert_eq!(told(&together), told(&whole));
        let failed = whole.total().and_then(|total| total.failed()).map(Ratio::to_shown);
        assert_eq!(failed.as_deref(), Ok("140"), "80 say so themselves, of 60 it is known from traffic");
        assert!(whole.bytes() > Piece::default().bytes());
    }

    #[test]
    fn endpoints_beyond_the_room_are_counted_without_a_name() {
        let (mut piece, mut room) = (Piece::default(), 2);
        for endpoint in ["/a", "/b", "/c", "/a"] {
            add(&mut piece, &json!({"endpoint": endpoint}), &mut room);
        }
        add(&mut piece, &json!({}), &mut room);
        assert!(!piece.is_whole());
        let calls: Vec<_> = told(&piece).into_iter().map(|(name, (calls, ..))| (name, calls)).collect();
        assert_eq!(calls, [(" /a".to_owned(), "2".to_owned()), (" /b".to_owned(), "1".to_owned())]);
        assert_eq!(piece.total().map(|total| total.calls().to_shown()).as_deref(), Ok("5"));
    }
}
