//! What became of requests, for whoever watches.
use crate::rates::Dimension;
use std::time::Duration;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Too many within a second or a minute, by a key, a customer or an address.
    RateLimit(Dimension),
    /// Beyond the limit of the enforced meter.
    Quota,
    /// The customer is suspended.
    Suspended,
    /// The customer's plan does not include the enforced meter.
    NotEntitled,
    /// The server is out of reach, and [`WhenAway::Refuse`](crate::WhenAway::Refuse) was asked for.
    Away,
}

/// What decided whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecidedBy {
    /// Units taken ahead, or what is known of the plan, without a round trip.
    Local,
    /// The server, by a round trip.
    Server,
    /// [`WhenAway`](crate::WhenAway): the server is out of reach.
    WhenAway,
}

/// A request that is over: the last byte of its answer has gone, or it broke off.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finished<'a> {
    /// The name of its endpoint.
    pub endpoint: &'a str,
    /// Its method.
    pub method: &'a str,
    /// The customer; none where nobody was found.
    pub customer: Option<&'a str>,
    /// The status of the answer; 499 where the caller went away before there was one.
    pub status: u16,
    /// Bytes of its body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// From its first byte to the last of the answer.
    pub duration: Duration,
    /// Why it was refused, where it was.
    pub refusal: Option<Refusal>,
    /// What decided, where a limit is kept and a customer is known.
    pub decided_by: Option<DecidedBy>,
}
