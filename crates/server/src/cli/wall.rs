//! Real time, which signatures are judged by whatever a project's clock says.
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn unix_seconds() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a command has no server whose clock it could ask")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}
