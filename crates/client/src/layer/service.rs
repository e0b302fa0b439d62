//! The service that the layer makes.
use super::body::{MeteredBody, Way};
use super::exchange::{Exchange, Known, TrafficMeter};
use super::{Settings, answer, request_id};
use crate::id;
use crate::limits::Decision;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Meters what passes through a service; see [`MeterLayer`](super::MeterLayer).
#[derive(Clone)]
pub struct MeterService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> MeterService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for MeterService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for MeterService<S>
where
    S: Service<Request<MeteredBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<MeteredBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        // The one that was asked whether it is ready is the one to call.
        let mut inner = std::mem::replace(&mut self.inner, next);
        let settings = Arc::clone(&self.settings);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (request_id, was_sent) = request_id::of(&parts.headers, settings.takes_request_ids);
            let name = request_id::header(&request_id);
            parts.headers.insert(request_id::HEADER, name.clone());
            let (exchange, limited) = exchange(&settings, &parts, (request_id, was_sent));
            let meter = TrafficMeter(Arc::new(exchange));
            let decision = decide(&settings, &meter, limited).await;
            let mut response = match &decision {
                Some(decision) if !decision.allowed => {
                    let refusal = answer::refuse(decision, &settings.upgrade_url);
                    refusal.map(|body| MeteredBody::own(body, meter.clone()))
                }
                allowed => {
                    if allowed.is_some() {
                        meter.0.counted();
                    }
                    parts.extensions.insert(meter.clone());
                    let body = MeteredBody::new(body, meter.clone(), Way::Request);
                    let response = inner.call(Request::from_parts(parts, body)).await?;
                    response.map(|body| MeteredBody::new(body, meter.clone(), Way::Response))
                }
            };
            meter.0.answered(response.status().as_u16());
            if let Some(verdict) = decision.as_ref().and_then(|decision| decision.verdict.as_ref()) {
                answer::tell(response.headers_mut(), verdict);
            }
            response.headers_mut().entry(request_id::HEADER).or_insert(name);
            Ok(response)
        })
    }
}

/// What is known of a request, and whether it is somebody's whose limit counts.
fn exchange(
    settings: &Arc<Settings>,
    parts: &http::request::Parts,
    (mut request_id, was_sent): (String, bool),
) -> (Exchange, bool) {
    let who = (settings.attribute)(parts);
    let limited = who.is_known();
    let customer = who.customer.unwrap_or_else(|| settings.system_customer.clone());
    let user = who.user.or_else(|| who.subject.clone()).unwrap_or_else(|| customer.clone());
    let endpoint = (settings.endpoint)(parts);
    let method = parts.method.as_str().to_owned();
    if was_sent && settings.repeats.is_beyond((&user, &endpoint, &method, &request_id)) {
        request_id = id::unique();
    }
    let (subject, source) = (who.subject, who.source);
    let known = Known { customer, subject, source, user, endpoint, method, request_id };
    (Exchange::new(Arc::clone(settings), known), limited)
}

async fn decide(settings: &Settings, meter: &TrafficMeter, limited: bool) -> Option<Decision> {
    let limiter = settings.limiter.as_ref().filter(|_| limited)?;
    Some(limiter.take(&meter.0.call(), 1).await)
}
