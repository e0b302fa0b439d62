//! Request bodies as they come from a connection: a pause has an end, and what nobody reads is
//! taken off the line, so that the client gets to see its answer.
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Most bytes of an unread body that are taken off the line and thrown away.
const LINGER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long that may take, in seconds.
const LINGER_S_MAX: u64 = 10;

/// A body paused for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body paused for too long")]
pub struct TooSlow;

/// A request's body.
pub struct Paced {
    inner: Option<Incoming>,
    pause_max: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    paused: bool,
    /// Whether the client waits for a word before it sends the body.
    awaits_word: bool,
}

impl Paced {
    /// A body whose sender may pause for that long.
    pub fn new(inner: Incoming, headers: &HeaderMap, pause_max: Duration) -> Self {
        let awaits_word = headers.contains_key(header::EXPECT);
        Self { inner: Some(inner), pause_max, alarm: None, paused: false, awaits_word }
    }

    /// Whether the pause that began with the last word of it has become too long.
    fn is_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = Instant::now() + self.pause_max;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !std::mem::replace(&mut self.paused, true) {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.awaits_word = false;
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.paused = false;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                self.inner = None;
                Poll::Ready(end.map(|frame| frame.map_err(axum::Error::new)))
            }
            Poll::Pending if self.is_too_long(cx) => {
                self.inner = None;
                Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Paced {
    /// Closing a connection on which bytes wait unread resets it, and the reset may overtake the
    /// answer that says why.
    fn drop(&mut self) {
        let Some(inner) = self.inner.take().filter(|inner| !inner.is_end_stream()) else { return };
        if self.awaits_word {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let all = throw_away(Body::new(inner));
            runtime.spawn(tokio::time::timeout(Duration::from_secs(LINGER_S_MAX), all));
        }
    }
}

async fn throw_away(mut body: Body) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if bytes > LINGER_BYTES_MAX {
            return;
        }
    }
}
