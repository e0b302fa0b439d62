//! NDJSON of any length: read, committed and answered as it comes.
use super::judge::{Form, Judge, Judged};
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use crate::auth::caller::Caller;
use crate::http::body::next_chunk;
use crate::http::error::ApiError;
use crate::http::inflate::{Encoding, Inflater};
use crate::http::state::App;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use reckoner_api::event::{IngestAnswer, Outcome};
use serde_json::json;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// The media type, in and out.
pub const CONTENT_TYPE: &str = "application/x-ndjson";
/// Most inflated bytes that wait to be cut into lines; a step of inflating gives far less.
const INFLATED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Inflated bytes after which other requests of the thread get their turn.
const TURN_BYTES: usize = 1024 * 1024;
/// Most pieces of the answer that wait for the client to read them.
const ANSWER_PIECES_MAX: usize = 2;
/// How long the answer's status waits for the first outcome, in milliseconds: a failure before it
/// is answered as such.
const STATUS_MS_MAX: u64 = 1_000;
/// How often a stream that waits for its client looks whether the server stops, in milliseconds.
const STOP_CHECK_MS: u64 = 500;

/// Answers a stream of events with a stream: a line per event that was not simply accepted, a line
/// `{"committed": n}` per group on stable storage, and last the counts.
pub async fn respond(
    app: App,
    caller: Caller,
    headers: &HeaderMap,
    body: Body,
    all_outcomes: bool,
) -> Result<Response, ApiError> {
    let inflater = Inflater::new(Encoding::of(headers)?, INFLATED_BYTES_MAX)?;
    let (answer, pieces) = mpsc::channel::<Bytes>(ANSWER_PIECES_MAX);
    let (early, began) = oneshot::channel();
    let mut stream = Stream {
        app,
        caller,
        all_outcomes,
        key_given: headers.contains_key("idempotency-key"),
        lines: Lines::default(),
        answer,
        early: Some(early),
        counts: IngestAnswer::default(),
        next: 0,
    };
    tokio::spawn(async move {
        let result = stream.run(body, inflater).await;
        stream.end(result).await;
    });
    // Anything else: the first piece is there, or the client takes its time.
    if let Ok(Ok(error)) = tokio::time::timeout(Duration::from_millis(STATUS_MS_MAX), began).await {
        return Err(error);
    }
    let body = Body::from_stream(ReceiverStream::new(pieces).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response())
}

struct Stream {
    app: App,
    caller: Caller,
    all_outcomes: bool,
    key_given: bool,
    lines: Lines,
    answer: mpsc::Sender<Bytes>,
    /// Takes an error as long as the answer's status is open.
    early: Option<oneshot::Sender<ApiError>>,
    counts: IngestAnswer,
    next: u64,
}

impl Stream {
    async fn run(&mut self, mut body: Body, mut inflater: Option<Inflater>) -> Result<(), ApiError> {
        while let Some(chunk) = self.next_chunk(&mut body).await? {
            match &mut inflater {
                None => self.feed(&chunk).await?,
                Some(inflater) => self.inflate(inflater, &chunk).await?,
            }
            // What has come is committed before more is waited for: a slow sender is answered too.
            self.commit().await?;
        }
        if let Some(mut inflater) = inflater {
            inflater.finish()?;
            self.feed(&inflater.take()).await?;
        }
        self.lines.finish();
        self.commit().await
    }

    async fn next_chunk(&self, body: &mut Body) -> Result<Option<Bytes>, ApiError> {
        loop {
            if self.app.stopping.load(Ordering::Relaxed) {
                return Err(ApiError::busy("the server is shutting down"));
            }
            let wait = Duration::from_millis(STOP_CHECK_MS);
            if let Ok(chunk) = tokio::time::timeout(wait, next_chunk(body)).await {
                return chunk;
            }
        }
    }

    async fn inflate(&mut self, inflater: &mut Inflater, chunk: &[u8]) -> Result<(), ApiError> {
        let (mut rest, mut turn) = (chunk, 0);
        while !rest.is_empty() {
            rest = inflater.step(rest)?;
            let piece = inflater.take();
            turn += piece.len();
            self.feed(&piece).await?;
            if turn >= TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        inflater.flush()?;
        self.feed(&inflater.take()).await
    }

    async fn feed(&mut self, mut piece: &[u8]) -> Result<(), ApiError> {
        while !piece.is_empty() {
            piece = self.lines.push(piece);
            if self.lines.is_full() {
                self.commit().await?;
            }
        }
        let endless = self.app.config.ingest.inflated_bytes_max;
        if self.lines.overlong_bytes() > endless as u64 {
            return Err(ApiError::too_large(format!("a line must have at most {LINE_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), ApiError> {
        let batch = self.lines.take();
        if batch.is_empty() {
            return Ok(());
        }
        let catalogue = self.app.recorder.catalogues.of(self.caller.project);
        let judge = Judge::new(&self.app, &self.caller, &catalogue, Form::Native)
            .all_outcomes(self.all_outcomes)
            .several(self.key_given)
            .patient();
        let verdicts = batch.iter().map(|line| match line {
            Line::Whole(line) => judge.check_line(line),
            Line::TooLong => {
                let reason = format!("must have at most {LINE_BYTES_MAX} bytes");
                Judged::lost(reason)
            }
        });
        let answer = judge.record(verdicts.collect(), self.next).await?;
        self.next += batch.len() as u64;
        self.counts.accepted += answer.accepted;
        self.counts.duplicate += answer.duplicate;
        self.counts.rejected += answer.rejected;
        let committed = json!({"committed": answer.accepted + answer.duplicate});
        let piece = answer.outcomes.iter().map(outcome_line).collect::<String>() + &format!("{committed}\n");
        self.say(Bytes::from(piece)).await
    }

    /// Sends a piece of the answer. A client that takes none of it is not waited for.
    async fn say(&mut self, piece: Bytes) -> Result<(), ApiError> {
        self.early = None;
        let wait = Duration::from_secs(self.app.config.http.pause_s_max);
        match tokio::time::timeout(wait, self.answer.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::too_slow("the answer is not read")),
        }
    }

    /// The last line, or the status where that is still open.
    async fn end(&mut self, result: Result<(), ApiError>) {
        let IngestAnswer { accepted, duplicate, rejected, .. } = self.counts;
        let mut line = json!({"accepted": accepted, "duplicate": duplicate, "rejected": rejected});
        if let Err(error) = result {
            let (status, code, detail) = (error.status().as_u16(), error.code(), error.detail());
            line = json!({
                "error": {"status": status, "code": code, "detail": detail},
                "accepted": accepted, "duplicate": duplicate, "rejected": rejected,
            });
            if self.early.take().is_some_and(|early| early.send(error).is_ok()) {
                return;
            }
        }
        // A client that has gone away needs no last line.
        let _ = self.say(Bytes::from(format!("{line}\n"))).await;
    }
}

fn outcome_line(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).unwrap_or_default() + "\n"
}
