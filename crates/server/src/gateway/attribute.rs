//! Finds out who a request is by, before it is metered.
use super::listen::Connected;
use super::peek::{self, Peeked};
use super::rules::{Rules, Seen};
use crate::config::Networks;
use crate::http::origin;
use axum::http::Request;
use axum::http::request::Parts;
use hyper::body::Incoming;
use reckoner_client::Attribution;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// Puts the attribution among a request's extensions and passes it on.
#[derive(Clone)]
pub(super) struct Attributed<S> {
    inner: S,
    rules: Arc<Rules>,
    /// Whose `X-Forwarded-For` is believed, where rate limits are kept.
    trusted: Option<Arc<Networks>>,
}

impl<S> Attributed<S> {
    /// Addresses are believed of `trusted` proxies; without those nobody asks for keys and addresses.
    pub fn new(inner: S, rules: Arc<Rules>, trusted: Option<Networks>) -> Self {
        Self { inner, rules, trusted: trusted.map(Arc::new) }
    }
}

/// What a request's rate limits go by, beside its customer.
fn limited_by(rules: &Rules, trusted: &Networks, parts: &Parts, who: Attribution) -> Attribution {
    let key = rules.keys.credential(&parts.headers);
    let who = key.into_iter().fold(who, Attribution::key);
    let connected = parts.extensions.get::<Connected>();
    let address = connected.map(|it| origin::behind(it.peer.ip(), &parts.headers, trusted));
    address.into_iter().fold(who, Attribution::address)
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
        let (rules, trusted) = (Arc::clone(&self.rules), self.trusted.clone());
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
            let mut who = seen.attribution(parts.uri.path());
            if let Some(trusted) = &trusted {
                who = limited_by(&rules, trusted, &parts, who);
            }
            parts.extensions.insert(who);
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}
