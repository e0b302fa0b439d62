//! Connections: how many there may be, and how long each may make the server wait.
use super::paced::Paced;
use super::stalls::Stalls;
use crate::config;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

/// Most bytes of a request's line and headers in HTTP/1, and of a body's pieces.
const BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of a request's headers in HTTP/2.
const HEADER_BYTES_MAX: u32 = 64 * 1024;
/// Most requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 128;
/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to
/// answer, in seconds.
const PING_S: u64 = 20;
/// How long to wait when no connection can be accepted, in milliseconds: only others that end help.
const ACCEPT_AGAIN_MS: u64 = 200;
/// Open files that are not connections: logs, databases, deliveries.
const OTHER_FILES: u64 = 512;

/// Who is at the other end of a request's connection: the client, or a proxy before it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Serves connections until `stop`; answers once all of them have ended, each with the request
/// that it was about.
pub async fn serve(listener: TcpListener, router: Router, limits: &config::Http, stop: impl Future) {
    let limits = Limits::new(limits);
    let slots = Arc::new(Semaphore::new(limits.connections));
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
            _ = &mut stop => break,
        };
        let (router, open, told) = (router.clone(), open.clone(), told.clone());
        tokio::spawn(async move {
            connection(stream, peer, router, limits, told).await;
            drop((slot, open));
        });
    }
    // Whoever connects from now on is refused.
    drop((listener, open));
    stopping.send_replace(true);
    ended.closed().await;
}

#[derive(Clone, Copy)]
struct Limits {
    connections: usize,
    headers: Duration,
    pause: Duration,
}

impl Limits {
    fn new(limits: &config::Http) -> Self {
        let wanted = u64::from(limits.connections_max);
        let most = raise_files(wanted.saturating_add(OTHER_FILES)).saturating_sub(OTHER_FILES).max(1);
        if most < wanted {
            tracing::warn!("the limit of open files allows {most} connections, not {wanted}");
        }
        Self {
            connections: usize::try_from(most.min(wanted)).unwrap_or(1),
            headers: Duration::from_secs(limits.headers_s_max),
            pause: Duration::from_secs(limits.pause_s_max),
        }
    }
}

/// Raises the limit of open files so far as that is allowed; answers what it is.
fn raise_files(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    let most = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    if now >= most {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }) {
        Ok(()) => most,
        Err(_) => now,
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, Peer(address)),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(ACCEPT_AGAIN_MS)).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset)
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut told: watch::Receiver<bool>,
) {
    // Without it the last piece of an answer may wait for the client's word on the one before.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stalls::new(stream, limits.headers, limits.pause));
    let service = router.map_request(move |request: Request<Incoming>| {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(peer);
        let body = Body::new(Paced::new(body, &parts.headers, limits.pause));
        Request::from_parts(parts, body)
    });
    let builder = builder(&limits);
    let mut served = pin!(builder.serve_connection(io, TowerToHyperService::new(service)));
    let stop = async {
        // An error means that the server is gone, which is an end too.
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
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke");
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(PING_S))
        .keep_alive_timeout(Duration::from_secs(PING_S))
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX);
    builder
}
