//! Passes requests on and answers back.
use super::answer::Failure;
use super::headers::{self, Forwarding};
use super::idle::{Idle, Paused};
use super::listen::Connected;
use super::peek::Peeked;
use super::upstream::{Http, Protocol, Upstream};
use super::{Times, metrics, tunnel};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use reckoner_client::{MeteredBody, TrafficMeter};
use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// A request's body on its way to the application.
type Upward = Idle<MeteredBody<Peeked>>;
/// An answer's body on its way to the caller.
pub(super) type Downward = Either<Idle<Incoming>, Full<Bytes>>;

/// The service that asks the application.
#[derive(Clone)]
pub(super) struct Proxy {
    inner: Arc<Inner>,
}

struct Inner {
    upstream: Upstream,
    forwarding: Forwarding,
    times: Times,
    http: Http<Upward>,
    /// For upgrades, which are of HTTP/1.1.
    http1: Http<Upward>,
}

impl Proxy {
    pub fn new(upstream: Upstream, forwarding: Forwarding, times: Times) -> std::io::Result<Self> {
        let (http, http1) = (upstream.client(false)?, upstream.client(true)?);
        Ok(Self { inner: Arc::new(Inner { upstream, forwarding, times, http, http1 }) })
    }
}

impl Service<Request<MeteredBody<Peeked>>> for Proxy {
    type Response = Response<Downward>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<MeteredBody<Peeked>>) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

impl Inner {
    async fn answer(&self, request: Request<MeteredBody<Peeked>>) -> Response<Downward> {
        let id = request
            .headers()
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        match self.pass(request).await {
            Ok(response) => response,
            Err(failure) => {
                tracing::debug!(?failure, request_id = %id, "no answer of the application");
                metrics::failed(failure);
                failure.response(&id).map(Either::Right)
            }
        }
    }

    async fn pass(&self, mut request: Request<MeteredBody<Peeked>>) -> Result<Response<Downward>, Failure> {
        if request.method() == Method::CONNECT {
            return Err(Failure::Method);
        }
        let caller = hyper::upgrade::on(&mut request);
        let meter = request.extensions().get::<TrafficMeter>().cloned();
        let connected = request.extensions().get::<Connected>().cloned();
        let (request, wanted) = self.prepare(request, connected.as_ref()).ok_or(Failure::Broken)?;
        let http = if wanted.is_some() { &self.http1 } else { &self.http };
        let mut response = self.ask(http, request, meter.as_ref()).await?;
        let switched = hyper::upgrade::on(&mut response);
        let (mut parts, body) = response.into_parts();
        // Answers are written in the gateway's own version, whatever the application's is.
        parts.version = Version::HTTP_11;
        let protocol = headers::strip(&mut parts.headers);
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(_), Some(protocol), Some(connected)) = (wanted, protocol, connected) else {
                return Err(Failure::Broken);
            };
            headers::upgrade(&mut parts.headers, protocol);
            tokio::spawn(tunnel::run(caller, switched, meter, connected, self.times.drain));
        }
        Ok(Response::from_parts(parts, Either::Left(Idle::new(body, self.times.idle))))
    }

    /// The request as the application gets it, and the protocol that an upgrade asks for.
    fn prepare(
        &self,
        request: Request<MeteredBody<Peeked>>,
        connected: Option<&Connected>,
    ) -> Option<(Request<Upward>, Option<HeaderValue>)> {
        let (mut parts, body) = request.into_parts();
        let wanted = headers::strip(&mut parts.headers);
        let spoken = self.upstream.spoken(wanted.is_some());
        if let Some(connected) = connected {
            let upstream = (&self.upstream.authority, spoken);
            self.forwarding.tell(&mut parts.headers, connected.peer.ip(), &parts.uri, upstream);
        }
        if let Some(protocol) = &wanted {
            headers::upgrade(&mut parts.headers, protocol.clone());
        }
        let mut request = Request::new(Idle::new(body, self.times.idle));
        *request.uri_mut() = self.upstream.address(&parts.uri)?;
        *request.method_mut() = parts.method;
        *request.version_mut() =
            headers::version(if wanted.is_some() { Protocol::Http1 } else { self.upstream.protocol });
        *request.headers_mut() = parts.headers;
        Some((request, wanted))
    }

    /// Asks and waits for the beginning of the answer: for so long after the caller's last piece.
    async fn ask(
        &self,
        http: &Http<Upward>,
        request: Request<Upward>,
        meter: Option<&TrafficMeter>,
    ) -> Result<Response<Incoming>, Failure> {
        let sent = || meter.map_or(0, TrafficMeter::request_bytes);
        let mut asking = pin!(http.request(request));
        let mut before = sent();
        loop {
            match tokio::time::timeout(self.times.first_byte, &mut asking).await {
                Ok(answer) => return answer.map_err(|error| failure(&error)),
                Err(_) if sent() == before => return Err(Failure::AnswerTimeout),
                Err(_) => before = sent(),
            }
        }
    }
}

/// What went wrong, by the errors beneath.
fn failure(error: &legacy::Error) -> Failure {
    let causes = || std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    let timed_out = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut)
    };
    let of_caller = |cause: &(dyn Error + 'static)| {
        cause.is::<Paused>() || cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user)
    };
    if error.is_connect() {
        return if causes().any(timed_out) { Failure::ConnectTimeout } else { Failure::Unreachable };
    }
    if causes().any(of_caller) { Failure::Caller } else { Failure::Broken }
}
