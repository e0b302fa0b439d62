//! Finds out who a request is by, before it is metered.
use super::peek::{self, Peeked};
use super::rules::{Rules, Seen};
use axum::http::Request;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// Puts the attribution among a request's extensions and passes it on.
#[derive(Clone)]
pub(super) struct Attributed<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Attributed<S> {
    pub fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S> Service<Request<Incoming>> for Attributed<S>
where
    S: Service<Request<Peeked>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let mut seen = Seen::default();
            rules.look(&parts, None, &mut seen);
            let body = if rules.wants_body(&parts, &seen) {
                let (body, prefix) = peek::peek(body, |prefix| rules.has_enough(&parts, prefix, &seen)).await;
                rules.look(&parts, Some(&prefix), &mut seen);
                body
            } else {
                Peeked::unseen(body)
            };
            parts.extensions.insert(seen.attribution(parts.uri.path()));
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}
