//! Rate limits of requests.
use super::{Attribution, Settings};
use crate::rates::{self, Caller, Dimension, State, client_network};
use http::HeaderMap;
use http::request::Parts;
use std::net::IpAddr;

/// What a request took of rate limits; nothing where none is set.
pub(super) struct Rated(Vec<State>);

impl Rated {
    /// Takes from all the limits that a request falls under, or from none.
    pub fn take(settings: &Settings, who: &Attribution, parts: &Parts) -> Self {
        let Some(buckets) = &settings.rates else { return Self(Vec::new()) };
        let mut callers: Vec<Caller> = Vec::with_capacity(3);
        if let Some(address) = who.address.or_else(|| connected(parts)) {
            callers.push(buckets.caller(Dimension::Address, client_network(address)));
        }
        if let Some(key) = &who.key {
            callers.push(buckets.caller(Dimension::Key, key));
        }
        if let Some(customer) = &who.customer {
            callers.push(buckets.caller(Dimension::Customer, customer));
        }
        Self(buckets.take(&callers, (settings.clock)()))
    }

    /// The limit that refuses the request.
    pub fn refusal(&self) -> Option<State> {
        State::refusal(&self.0)
    }

    /// Adds how they stand to what is said of quotas.
    pub fn tell(&self, settings: &Settings, headers: &mut HeaderMap) {
        if !self.0.is_empty() {
            rates::tell(headers, &self.0, (settings.clock)());
        }
    }
}

/// The address of the connection, where axum tells it.
#[cfg(feature = "axum")]
fn connected(parts: &Parts) -> Option<IpAddr> {
    type Connected = axum::extract::ConnectInfo<std::net::SocketAddr>;
    parts.extensions.get::<Connected>().map(|connected| connected.0.ip())
}

#[cfg(not(feature = "axum"))]
fn connected(_: &Parts) -> Option<IpAddr> {
    None
}
