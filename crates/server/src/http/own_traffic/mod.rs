//! Reckoner meters its own API, where it is told to: an event `traffic.bytes` for each request.
//!
//! A request and both of its bodies share one [`Meter`]; when the last part of it is gone, however it ended, its event
//! is queued. No answer waits for that: what has no room in the queue is counted and let go.
mod body;
mod exchange;
mod writer;

pub use exchange::Meter;

use crate::clock::Clock;
use crate::http::state::App;
use crate::ingest::record::Recorder;
use crate::store::Db;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use body::{Counted, Way};
use exchange::Exchanged;
use tokio::sync::{mpsc, oneshot};

/// Most requests that wait to be recorded.
const QUEUE_MAX: usize = 16_384;

enum Work {
    Record(Box<Exchanged>),
    Flush(oneshot::Sender<()>),
}

/// Takes requests that were answered. Clones share one queue.
#[derive(Clone, Debug)]
pub struct OwnTraffic {
    queue: mpsc::Sender<Work>,
    clock: Clock,
}

impl OwnTraffic {
    /// Starts to record what is noted, until the last clone is gone.
    pub fn start(db: Db, recorder: Recorder, clock: Clock) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(writer::write_all(waiting, db, recorder));
        Self { queue, clock }
    }

    /// Notes a request, without waiting.
    fn note(&self, exchanged: Exchanged) {
        if self.queue.try_send(Work::Record(Box::new(exchanged))).is_err() {
            dropped("queue", 1);
        }
    }

    /// Waits until what was noted before is recorded.
    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        if self.queue.send(Work::Flush(done)).await.is_ok() {
            // Its sender is gone only when nothing is recorded any more.
            let _ = answer.await;
        }
    }
}

/// Counts requests that are not recorded.
fn dropped(reason: &'static str, requests: u64) {
    metrics::counter!("own_traffic_dropped_total", "reason" => reason).increment(requests);
}

/// Begins to meter a request, where that is wanted.
pub fn begin(app: &App, request: Request, id: &str) -> (Request, Option<Meter>) {
    let Some(traffic) = &app.own_traffic else { return (request, None) };
    let meter = Meter::new(traffic.clone(), &request, id);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(meter.clone());
    let body = Body::new(Counted::new(body, meter.clone(), Way::Request));
    (Request::from_parts(parts, body), Some(meter))
}

/// Goes on to meter the answer.
pub fn answer(meter: Option<Meter>, response: Response) -> Response {
    let Some(meter) = meter else { return response };
    meter.answered(response.status().as_u16());
    response.map(|body| Body::new(Counted::new(body, meter, Way::Response)))
}
