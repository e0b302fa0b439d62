//! The service that the layer makes.
use super::body::{MeteredBody, Way};
use super::exchange::{Exchange, Known, TrafficMeter};
use super::rated::Rated;
use super::{Attribution, DecidedBy, Refusal, Settings, answer, request_id};
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
            let who = (settings.attribute)(&parts);
            let rated = Rated::take(&settings, &who, &parts);
            let too_often = rated.refusal();
            let exchange = exchange(&settings, &parts, who, (request_id, was_sent && too_often.is_none()));
            let meter = TrafficMeter(Arc::new(exchange));
            // Whoever comes too often is not asked about, and uses nothing.
            let decision = if too_often.is_none() { decide(&settings, &meter).await } else { None };
            let refusal =
                too_often.map(|state| (answer::slow_down(&state), Refusal::RateLimit(state.dimension)));
            let refusal = refusal.or_else(|| {
                let decision = decision.as_ref().filter(|decision| !decision.allowed)?;
                Some((answer::refuse(decision, &settings.upgrade_url), answer::why(decision)))
            });
            let mut response = if let Some((refusal, why)) = refusal {
                meter.0.refused(why);
                refusal.map(|body| MeteredBody::own(body, meter.clone()))
            } else {
                if decision.is_some() {
                    meter.0.counted();
                }
                parts.extensions.insert(meter.clone());
                let body = MeteredBody::new(body, meter.clone(), Way::Request);
                let response = inner.call(Request::from_parts(parts, body)).await?;
                response.map(|body| MeteredBody::new(body, meter.clone(), Way::Response))
            };
            meter.0.answered(response.status().as_u16());
            if let Some(verdict) = decision.as_ref().and_then(|decision| decision.verdict.as_ref()) {
                answer::tell(response.headers_mut(), verdict);
            }
            rated.tell(&settings, response.headers_mut());
            response.headers_mut().entry(request_id::HEADER).or_insert(name);
            Ok(response)
        })
    }
}

/// What is known of a request. One whose name was sent may be a retry of another of that name.
fn exchange(
    settings: &Arc<Settings>,
    parts: &http::request::Parts,
    who: Attribution,
    (mut request_id, may_repeat): (String, bool),
) -> Exchange {
    let is_somebody = who.is_known();
    let customer = who.customer.unwrap_or_else(|| settings.system_customer.clone());
    let user = who.user.or_else(|| who.subject.clone()).unwrap_or_else(|| customer.clone());
    let endpoint = (settings.endpoint)(parts);
    let method = parts.method.as_str().to_owned();
    if may_repeat && settings.repeats.is_beyond((&user, &endpoint, &method, &request_id)) {
        request_id = id::unique();
    }
    let (subject, source) = (who.subject, who.source);
    let known = Known { customer, is_somebody, subject, source, user, endpoint, method, request_id };
    Exchange::new(Arc::clone(settings), known)
}

async fn decide(settings: &Settings, meter: &TrafficMeter) -> Option<Decision> {
    let limiter = settings.limiter.as_ref().filter(|_| meter.0.is_somebodys())?;
    let decision = limiter.take(&meter.0.call(), 1).await;
    meter.0.decided(match decision {
        Decision { local: false, .. } => DecidedBy::Server,
        Decision { verdict: Some(_), .. } => DecidedBy::Local,
        Decision { verdict: None, .. } => DecidedBy::WhenAway,
    });
    Some(decision)
}
