//! What customers' calls were like, from the events that count them: their properties `endpoint`, `method`,
//! `statusCode` and `durationMs`, where they have them, and otherwise from those of the traffic that they made.
//!
//! Rollups know no properties. Days, and hours of the last two days, are read once by their events, in one
//! go for everything that is told of them, and kept until an event of theirs is committed or corrected.
mod kept;

use crate::events::{Events, EventsError, OneByOne};
use kept::Kept;
use reckoner_domain::calls::{Paths, Piece};
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Readable;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::{DAY, HOUR, Timestamp};
use reckoner_domain::window::Window;
use std::sync::Arc;

/// The event type that counts calls, and the key of the meter that plans limit.
pub const CALLS: &str = "api.calls";
/// The type of what a gateway or a layer says of each request.
const TRAFFIC: &str = "traffic.bytes";
/// Most endpoints that are told apart in one answer.
const ENDPOINTS_MAX: usize = 250_000;
/// Of how many days before today pieces are kept.
const DAYS_KEPT: i64 = 366;

/// Reads what customers' calls were like.
pub struct Calls {
    events: Events,
    kept: Kept,
}

/// Whose calls, and when.
pub struct Asked<'a> {
    /// The project.
    pub project: ProjectId,
    /// The customer's own id.
    pub customer: &'a str,
    /// Whole days of UTC.
    pub window: Window,
}

/// Pieces that are read together, with how many more endpoints they may tell apart.
type Read = (Vec<Piece>, usize);

impl Calls {
    /// Over the events; nothing is known yet.
    pub fn new(events: Events) -> Self {
        Self { events, kept: Kept::new() }
    }

    /// What a customer's calls were like in some days, in order: day by day, hour by hour in the last two.
    pub async fn pieces(
        &self,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<Vec<(Window, Arc<Piece>)>, EventsError> {
        let Some(paths) = Paths::new().map(Arc::new) else { return Ok(Vec::new()) };
        let windows = stretches(asked.window, now);
        let customer = self.kept.of(&self.events, asked.project, asked.customer);
        let one_reads = customer.one_reads.lock().await;
        let (known, reading) = customer.begin(&windows);
        let mut pieces = Vec::with_capacity(windows.len());
        let (mut read, mut as_of, mut room) = (Vec::new(), u64::MAX, ENDPOINTS_MAX);
        let all: Vec<_> = windows.into_iter().zip(known).collect();
        for run in all.chunk_by(|(_, one), (_, next)| one.is_some() == next.is_some()) {
            if run.iter().all(|(_, known)| known.is_some()) {
                pieces.extend(run.iter().filter_map(|(window, known)| Some((*window, known.clone()?))));
                continue;
            }
            let windows: Arc<[Window]> = run.iter().map(|(window, _)| *window).collect();
            let (found, left, sequence) = self.read(asked, &windows, &paths, room).await?;
            (room, as_of) = (left, as_of.min(sequence));
            let found = windows.iter().copied().zip(found.into_iter().map(Arc::new));
            read.extend(found.clone());
            pieces.extend(found);
        }
        let oldest = now.plus_micros(-DAYS_KEPT * DAY);
        customer.finish(&reading, (read, as_of), oldest);
        drop(one_reads);
        self.kept.tidy(&self.events);
        Ok(pieces)
    }

    /// Reads windows that follow each other; what is left of the room for endpoints, and as of when it is.
    async fn read(
        &self,
        asked: &Asked<'_>,
        windows: &Arc<[Window]>,
        paths: &Arc<Paths>,
        room: usize,
    ) -> Result<(Vec<Piece>, usize, u64), EventsError> {
        let of = (windows, paths);
        let ((mut calls, room), called) = self.each(asked, CALLS, of, room, Piece::add_call).await?;
        let add = |piece: &mut Piece, event: &Readable<'_>, paths: &Paths, room: &mut usize| {
            if paths.is_call(event.properties, CALLS) {
                piece.add_traffic(event, paths, room)
            } else {
                Ok(())
            }
        };
        let ((traffic, room), passed) = self.each(asked, TRAFFIC, of, room, add).await?;
        for (piece, traffic) in calls.iter_mut().zip(&traffic) {
            piece.merge(traffic)?;
        }
        Ok((calls, room, called.min(passed)))
    }

    async fn each(
        &self,
        asked: &Asked<'_>,
        event_type: &'static str,
        (windows, paths): (&Arc<[Window]>, &Arc<Paths>),
        room: usize,
        add: impl Fn(&mut Piece, &Readable<'_>, &Paths, &mut usize) -> Result<(), Overflow> + Send + 'static,
    ) -> Result<(Read, u64), EventsError> {
        let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
            return Ok(((Vec::new(), room), u64::MAX));
        };
        let one_by_one = OneByOne {
            project: asked.project,
            customer: asked.customer.to_owned(),
            event_type,
            window: Window { start: first.start, end: last.end },
            paths: Arc::clone(&paths.all),
        };
        let count = windows.len();
        let (windows, paths) = (Arc::clone(windows), Arc::clone(paths));
        let new = move || (vec![Piece::default(); count], room);
        let add = move |(pieces, room): &mut Read, event: &Readable<'_>| {
            let place = windows.partition_point(|window| window.end <= event.time);
            pieces.get_mut(place).map_or(Ok(()), |piece| Ok(add(piece, event, &paths, room)?))
        };
        self.events.fold(one_by_one, new, add).await
    }
}

/// The days of a window, those that much is still recorded of hour by hour.
fn stretches(window: Window, now: Timestamp) -> Vec<Window> {
    let today = Timestamp::from_micros_clamped(now.as_micros().div_euclid(DAY) * DAY);
    let recent = today.plus_micros(-DAY);
    let next = |start: &Timestamp| start.plus_micros(if *start < recent { DAY } else { HOUR });
    let starts = std::iter::successors(Some(window.start), |start| Some(next(start)));
    let starts = starts.take_while(|start| *start < window.end);
    starts.map(|start| Window { start, end: next(&start) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_days_are_told_hour_by_hour() {
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        let window = Window { start: at("2026-01-01T00:00:00Z"), end: at("2026-01-11T00:00:00Z") };
        let stretches = stretches(window, at("2026-01-10T12:00:00Z"));
        assert_eq!(stretches.len(), 8 + 2 * 24);
        assert_eq!(stretches[7].end, at("2026-01-09T00:00:00Z"));
        assert_eq!(stretches[8].end, at("2026-01-09T01:00:00Z"));
        assert_eq!(stretches.last().map(|last| last.end), Some(window.end));
        assert!(stretches.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
