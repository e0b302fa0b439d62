//! The beginning of a body, looked at before it is passed on.
use axum::body::HttpBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Most bytes that are looked at.
pub(super) const PREFIX_BYTES_MAX: usize = 16 * 1024;
/// Longest wait for them, in milliseconds.
const WAIT_MS: u64 = 500;

/// A body some of which may have been read ahead.
pub(super) struct Peeked {
    ahead: VecDeque<Result<Frame<Bytes>, hyper::Error>>,
    rest: Incoming,
}

impl Peeked {
    /// A body that nobody looked at.
    pub fn unseen(rest: Incoming) -> Self {
        Self { ahead: VecDeque::new(), rest }
    }
}

/// Reads until that is enough, the body or the patience ends, or there is more than is looked at. Answers the body
/// and what was seen.
pub(super) async fn peek(rest: Incoming, enough: impl Fn(&[u8]) -> bool) -> (Peeked, Vec<u8>) {
    let mut peeked = Peeked::unseen(rest);
    let mut prefix = Vec::new();
    let reading = async {
        while prefix.len() < PREFIX_BYTES_MAX {
            let Some(frame) = peeked.rest.frame().await else { return };
            let failed = frame.is_err();
            if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
                prefix.extend(data.iter().take(PREFIX_BYTES_MAX - prefix.len()));
            }
            peeked.ahead.push_back(frame);
            if failed || enough(&prefix) {
                return;
            }
        }
    };
    // What came until then is what there is to see.
    let _ = tokio::time::timeout(Duration::from_millis(WAIT_MS), reading).await;
    (peeked, prefix)
}

impl HttpBody for Peeked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead: usize = self.ahead.iter().flatten().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let (rest, ahead) = (self.rest.size_hint(), ahead as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + ahead);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + ahead);
        }
        hint
    }
}
