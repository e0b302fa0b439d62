//! Connections that became something else than HTTP, as WebSockets do.
use super::listen::Connected;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use reckoner_client::TrafficMeter;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Passes bytes both ways until both sides have ended, or for so long after the gateway was told to stop.
pub(super) async fn run(
    caller: OnUpgrade,
    application: OnUpgrade,
    meter: Option<TrafficMeter>,
    connected: Connected,
    drain: Duration,
) {
    let (caller, application) = match tokio::try_join!(caller, application) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "an upgrade came to nothing"),
    };
    let of_caller = |meter: &TrafficMeter, bytes| meter.add_request_bytes(bytes);
    let of_application = |meter: &TrafficMeter, bytes| meter.add_response_bytes(bytes);
    let mut caller = Counted { io: TokioIo::new(caller), meter: meter.clone(), count: of_caller };
    let mut application = Counted { io: TokioIo::new(application), meter, count: of_application };
    let passing = tokio::io::copy_bidirectional(&mut caller, &mut application);
    tokio::select! {
        ended = passing => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a tunnel broke");
            }
        }
        () = connected.stopped(drain) => tracing::debug!("a tunnel was ended"),
    }
}

/// A connection whose bytes are counted as they come.
struct Counted<T> {
    io: T,
    meter: Option<TrafficMeter>,
    count: fn(&TrafficMeter, u64),
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if let Some(meter) = &self.meter {
            (self.count)(meter, (buffer.filled().len() - before) as u64);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
