//! Whole request bodies: bounded as sent, as inflated, in time, and all of them together.
use super::error::ApiError;
use super::inflate::{Encoding, Inflater};
use super::paced::TooSlow;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a whole body may take to arrive, in seconds.
const WHOLE_S_MAX: u64 = 300;
/// Bodies up to this size are not counted against the [`Budget`]: there is one a connection.
const SMALL_BYTES: usize = 64 * 1024;
/// What the budget is counted in.
const BUDGET_UNIT_BYTES: usize = 1_024;
/// How much compressed text is inflated before its output is counted.
const SLICE_BYTES: usize = 1_024;

/// How large a body may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes as sent.
    pub sent_bytes_max: usize,
    /// Most bytes once inflated.
    pub inflated_bytes_max: usize,
}

/// The memory that all large bodies held at once may take. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / BUDGET_UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units)) }
    }

    /// The part of one body, nothing of it taken yet.
    pub fn share(&self) -> Share {
        Share { units: Arc::clone(&self.units), held: None }
    }
}

/// One body's part of the budget.
pub struct Share {
    units: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Makes sure that this many bytes are covered.
    fn cover(&mut self, bytes: usize) -> Result<(), ApiError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(BUDGET_UNIT_BYTES).saturating_sub(held);
        if bytes <= SMALL_BYTES || missing == 0 {
            return Ok(());
        }
        let busy = || ApiError::busy("too many large bodies are held at once");
        let missing = u32::try_from(missing).map_err(|_| busy())?;
        let more = Arc::clone(&self.units).try_acquire_many_owned(missing).map_err(|_| busy())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

/// Bytes that give their part of the budget back when they go.
struct Held {
    bytes: Vec<u8>,
    share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held {
    fn into_bytes(self) -> Bytes {
        if self.share.held.is_none() { Bytes::from(self.bytes) } else { Bytes::from_owner(self) }
    }
}

/// Reads a whole body, inflated.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: Limits,
    budget: &Budget,
) -> Result<Bytes, ApiError> {
    let encoding = Encoding::of(headers)?;
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limits.sent_bytes_max as u64) {
        return Err(sent_too_large(limits.sent_bytes_max));
    }
    let collected = collect(body, limits.sent_bytes_max, budget.share());
    let sent = tokio::time::timeout(Duration::from_secs(WHOLE_S_MAX), collected);
    let sent = sent.await.unwrap_or_else(|_| Err(too_slow()))?;
    let Some(inflater) = Inflater::new(encoding, limits.inflated_bytes_max)? else { return Ok(sent) };
    let share = budget.share();
    // Inflating what is large would keep other requests of this thread waiting.
    tokio::task::spawn_blocking(move || inflate(inflater, &sent, share)).await.map_err(ApiError::internal)?
}

fn inflate(mut inflater: Inflater, sent: &[u8], mut share: Share) -> Result<Bytes, ApiError> {
    for slice in sent.chunks(SLICE_BYTES) {
        let mut rest = slice;
        while !rest.is_empty() {
            rest = inflater.step(rest)?;
            share.cover(inflater.ready_bytes())?;
        }
    }
    inflater.finish()?;
    Ok(Held { bytes: inflater.take(), share }.into_bytes())
}

/// Reads a whole body as it was sent, at most `max` bytes, copied together as it comes: a piece of
/// one byte keeps a buffer of thousands alive.
pub async fn collect(mut body: Body, max: usize, mut share: Share) -> Result<Bytes, ApiError> {
    let Some(first) = next_chunk(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > max {
        return Err(sent_too_large(max));
    }
    let Some(second) = next_chunk(&mut body).await? else { return Ok(first) };
    let mut bytes = Vec::from(first);
    let mut next = Some(second);
    while let Some(part) = next {
        let total = bytes.len().saturating_add(part.len());
        if total > max {
            return Err(sent_too_large(max));
        }
        share.cover(total)?;
        bytes.extend_from_slice(&part);
        next = next_chunk(&mut body).await?;
    }
    Ok(Held { bytes, share }.into_bytes())
}

/// The next piece of a body as sent; `None` at its end.
pub async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn broken(error: &axum::Error) -> ApiError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            return too_slow();
        }
        cause = error.source();
    }
    ApiError::malformed("the body ended early")
}

fn too_slow() -> ApiError {
    ApiError::too_slow("the body came too slowly")
}

fn sent_too_large(max: usize) -> ApiError {
    ApiError::too_large(format!("the body must have at most {max} bytes as sent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    const LIMITS: Limits = Limits { sent_bytes_max: 1 << 20, inflated_bytes_max: 1 << 20 };

    async fn read_parts(parts: &[Vec<u8>], budget: &Budget) -> Result<Bytes, StatusCode> {
        let parts: Vec<Result<Bytes, std::io::Error>> =
            parts.iter().map(|part| Ok(Bytes::from(part.clone()))).collect();
        let body = Body::from_stream(tokio_stream::iter(parts));
        read(&HeaderMap::new(), body, LIMITS, budget).await.map_err(|error| error.status())
    }

    #[tokio::test]
    async fn pieces_become_one_body_within_the_limit() {
        let budget = Budget::new(4 << 20);
        let whole = read_parts(&[b"a".to_vec(), b"bc".to_vec(), Vec::new()], &budget).await;
        assert_eq!(whole.as_deref(), Ok(b"abc".as_slice()));
        for parts in [vec![vec![0; (1 << 20) + 1]], vec![vec![0; 1 << 19]; 3]] {
            assert_eq!(read_parts(&parts, &budget).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        }
    }

    #[tokio::test]
    async fn large_bodiesshare_a_budget_that_comes_back() {
        let budget = Budget::new(1 << 20);
        let parts = vec![vec![1; 300 << 10]; 2];
        let first = read_parts(&parts, &budget).await.expect("fits");
        assert_eq!(read_parts(&parts, &budget).await, Err(StatusCode::SERVICE_UNAVAILABLE));
        assert!(read_parts(&[vec![1; 100], vec![1; 100]], &budget).await.is_ok());
        let part = first.slice(..1);
        drop(first);
        assert!(read_parts(&parts, &budget).await.is_err(), "a part of it is still held");
        drop(part);
        assert!(read_parts(&parts, &budget).await.is_ok());
    }
}
