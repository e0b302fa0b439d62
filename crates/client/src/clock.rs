//! What time it is.

/// Now, in UTC. Events carry the time of their use, however much later they are sent.
pub fn now() -> jiff::Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the clock")]
    let now = jiff::Timestamp::now();
    now
}

/// A time as `/v1` writes it: RFC 3339 in UTC with microseconds.
pub fn text(time: jiff::Timestamp) -> String {
    format!("{time:.6}")
}

/// Now, in microseconds since 1970.
pub fn now_micros() -> i64 {
    now().as_microsecond()
}
