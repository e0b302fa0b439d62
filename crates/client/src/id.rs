//! Idempotency keys.
use crate::clock;
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, RandomState};

/// Most bytes of an event's id.
const ID_BYTES_MAX: usize = 255;

/// A new id, unique and in the order of making (a `UUIDv7`).
pub fn unique() -> String {
    let mut random = [0_u8; 10];
    if getrandom::fill(&mut random).is_err() {
        // The standard library seeds its maps by other means.
        let (one, two) = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
        let bytes = one.to_le_bytes().into_iter().chain(two.to_le_bytes());
        random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
    let millis = u64::try_from(clock::now().as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
}

/// The id of what one request used: `{what}:{user}:{endpoint}:{method}:{request_id}`, the same for a
/// request that is sent again. Where that is longer than an id may be (255 bytes), all of it after
/// `{what}:` is a SHA-256 in hexadecimal.
///
/// ```
/// let id = reckoner_client::request_event_id("traffic", "u1", "/files/{id}", "GET", "r-7");
/// assert_eq!(id, "traffic:u1:/files/{id}:GET:r-7");
/// let long = reckoner_client::request_event_id("traffic", "u1", &"/x".repeat(200), "GET", "r-7");
/// assert_eq!(long.len(), "traffic:".len() + 64);
/// ```
pub fn request_event_id(what: &str, user: &str, endpoint: &str, method: &str, request_id: &str) -> String {
    let rest = format!("{user}:{endpoint}:{method}:{request_id}");
    if what.len() + 1 + rest.len() <= ID_BYTES_MAX {
        return format!("{what}:{rest}");
    }
    let hash: String = Sha256::digest(rest.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{what}:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_fit() {
        assert_ne!(unique(), unique());
        for length in [1, 220, 240, 260, 5_000] {
            let id = request_event_id("api.calls", &"u".repeat(length), "/a", "GET", "r");
            assert!(id.len() <= ID_BYTES_MAX && id.starts_with("api.calls:"), "{id}");
        }
        let of = |user: &str| request_event_id("t", user, &"/a".repeat(200), "GET", "r");
        assert_ne!(of("a"), of("b"));
    }
}
