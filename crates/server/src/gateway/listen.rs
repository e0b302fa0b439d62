//! Callers' connections, and how they end.
use super::Times;
use super::attribute::Attributed;
use super::metrics::Open;
use super::proxy::Proxy;
use hyper::body::Incoming;
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use reckoner_client::MeterService;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// What answers requests.
pub(super) type Service = Attributed<MeterService<Proxy>>;

/// Longest wait for a request's headers, in seconds.
const HEADERS_S: u64 = 30;
/// Most bytes of a request's line and headers in HTTP/1, and of a body's pieces.
const BUFFER_BYTES_MAX: usize = 256 * 1024;
const HEADER_BYTES_MAX: u32 = 64 * 1024;
const STREAMS_MAX: u32 = 256;
/// How often a silent HTTP/2 caller is asked whether it is there, and how long it may take to answer, in seconds.
const PING_S: u64 = 20;
/// How long to wait when no connection can be accepted, in milliseconds: only others that end help.
const ACCEPT_AGAIN_MS: u64 = 200;

/// The connection that a request came on.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub peer: SocketAddr,
    told: watch::Receiver<bool>,
    /// Those who have one are waited for.
    _open: watch::Receiver<()>,
    _counted: Arc<Open>,
}

impl Connected {
    /// Waits until the gateway was told to stop, and then so much longer.
    pub async fn stopped(mut self, longer: Duration) {
        // An error means that the gateway is gone, which is an end too.
        let _ = self.told.wait_for(|stop| *stop).await;
        tokio::time::sleep(longer).await;
    }
}

/// Serves connections until `stop`; answers once all of them have ended, or were ended when their time was up.
pub(super) async fn serve(
    listener: TcpListener,
    service: Service,
    connections_max: usize,
    times: Times,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(connections_max));
    let (ended, open) = watch::channel(());
    let (stopping, told) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let connected =
            Connected { peer, told: told.clone(), _open: open.clone(), _counted: Arc::new(Open::new()) };
        let service = service.clone();
        tokio::spawn(async move {
            connection(stream, service, connected, times).await;
            drop(slot);
        });
    }
    // Whoever connects from now on is refused.
    drop((listener, open, told));
    stopping.send_replace(true);
    ended.closed().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_AGAIN_MS)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, service: Service, connected: Connected, times: Times) {
    // Without it the last piece of an answer may wait for the caller's word on the one before.
    let _ = stream.set_nodelay(true);
    let of_requests = connected.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(of_requests.clone());
        let mut service = service.clone();
        async move { tower::Service::call(&mut service, request).await }
    });
    let builder = builder();
    let mut served = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut told = connected.told.clone();
    let stop = async {
        let _ = told.wait_for(|stop| *stop).await;
    };
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        () = stop => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(times.drain, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADERS_S))
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .keep_alive_interval(Duration::from_secs(PING_S))
        .keep_alive_timeout(Duration::from_secs(PING_S))
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX);
    builder
}
