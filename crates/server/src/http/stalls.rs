//! A connection whose other end must go on: to send its first bytes, and to take what is sent.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// After this many bytes the version of HTTP is known, and its own time limits hold.
const FIRST_BYTES: usize = 24;

/// A connection that fails when its other end stalls.
pub struct Stalls {
    stream: TcpStream,
    first: Option<Pin<Box<Sleep>>>,
    read: usize,
    write_s_max: Duration,
    write: Option<Pin<Box<Sleep>>>,
    writing: bool,
}

impl Stalls {
    /// The first bytes must come within `first_s_max`; each byte that is sent must be taken within
    /// `write_s_max`.
    pub fn new(stream: TcpStream, first_s_max: Duration, write_s_max: Duration) -> Self {
        let first = Some(Box::pin(tokio::time::sleep(first_s_max)));
        Self { stream, first, read: 0, write_s_max, write: None, writing: false }
    }

    /// Passes on what a write came to, unless it waits for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = false;
            return written;
        }
        let deadline = Instant::now() + self.write_s_max;
        let alarm = self.write.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !std::mem::replace(&mut self.writing, true) {
            alarm.as_mut().reset(deadline);
        }
        if alarm.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Stalls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(alarm) = &mut self.first else { return read };
        match read {
            Poll::Ready(_) => {
                self.read += buffer.filled().len() - before;
                if self.read >= FIRST_BYTES {
                    self.first = None;
                }
                read
            }
            Poll::Pending if alarm.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Stalls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
