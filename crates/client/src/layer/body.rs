//! Bodies that are counted while they stream.
use super::exchange::TrafficMeter;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Response,
}

pin_project! {
    /// A body whose bytes are counted as they pass; nothing is kept back.
    #[derive(Debug)]
    pub struct MeteredBody<B> {
        #[pin]
        inner: Inner<B>,
        meter: TrafficMeter,
        way: Way,
    }
}

pin_project! {
    #[project = Project]
    #[derive(Debug)]
    enum Inner<B> {
        Passed { #[pin] body: B },
        Own { body: Option<Bytes> },
    }
}

impl<B> MeteredBody<B> {
    pub(super) fn new(body: B, meter: TrafficMeter, way: Way) -> Self {
        Self { inner: Inner::Passed { body }, meter, way }
    }

    /// An answer of the layer itself.
    pub(super) fn own(body: Bytes, meter: TrafficMeter) -> Self {
        Self { inner: Inner::Own { body: Some(body) }, meter, way: Way::Response }
    }
}

impl<B: Body<Data = Bytes>> Body for MeteredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = match this.inner.project() {
            Project::Passed { body } => body.poll_frame(cx),
            Project::Own { body } => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match this.way {
                Way::Request => this.meter.add_request_bytes(data.len() as u64),
                Way::Response => this.meter.add_response_bytes(data.len() as u64),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Passed { body } => body.is_end_stream(),
            Inner::Own { body } => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Passed { body } => body.size_hint(),
            Inner::Own { body } => SizeHint::with_exact(body.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
