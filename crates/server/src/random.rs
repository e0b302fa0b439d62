//! The one place that draws random bytes.
use reckoner_domain::time::Timestamp;

/// The operating system gave no random bytes; nothing that needs a secret or an id can go on.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// Random bytes fit for keys and nonces.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// 128 unique bits in the order of making (a `UUIDv7` of `now`).
pub fn id_bits(now: Timestamp) -> Result<u128, NoRandomness> {
    let random = bytes::<10>()?;
    let millis = u64::try_from(now.as_micros().div_euclid(1_000)).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
}

/// A unique text in the order of making (a `UUIDv7` of `now`).
pub fn uuid_text(now: Timestamp) -> Result<String, NoRandomness> {
    id_bits(now).map(|bits| uuid::Uuid::from_u128(bits).to_string())
}

/// A number that spreads what would fall on one moment, evenly distributed.
pub fn jitter() -> Result<u16, NoRandomness> {
    bytes().map(u16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sort_by_time() {
        let at = |micros| Timestamp::from_micros_clamped(micros);
        let (early, twin, late) = (id_bits(at(5_000)), id_bits(at(5_000)), id_bits(at(6_000)));
        assert_ne!(early.unwrap(), twin.unwrap());
        assert!(early.unwrap() < late.unwrap() && twin.unwrap() < late.unwrap());
    }
}
