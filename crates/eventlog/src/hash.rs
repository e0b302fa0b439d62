//! The keyed hash of ids: SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012).
use reckoner_domain::id::ProjectId;

/// The hash of a project's event id. Two ids share one with a chance of 2^-128, and no sender can
/// bring that about without the store's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdHash {
    /// The first half; it places the id within its shard.
    pub low: u64,
    /// The second half; it chooses the shard.
    pub high: u64,
}

impl IdHash {
    /// The hash of the same id after the project was cleared at this sequence (0: never).
    pub fn after_clear(self, cleared_at: u64) -> Self {
        Self { low: self.low.wrapping_add(cleared_at.wrapping_mul(0x9e37_79b9_7f4a_7c15)), high: self.high }
    }
}

/// Hashes ids with the store's key.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher {
    key: [u64; 2],
}

impl IdHasher {
    /// A hasher with this key.
    pub fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        Self { key: [key as u64, (key >> 64) as u64] }
    }

    /// The hash of an id of a project.
    pub fn of(&self, project: ProjectId, id: &[u8]) -> IdHash {
        let [k0, k1] = self.key;
        siphash128([k0 ^ u64::from(project.0), k1], id)
    }
}

fn siphash128([k0, k1]: [u64; 2], bytes: &[u8]) -> IdHash {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        absorb(&mut v, u64::from_le_bytes(*word));
    }
    let mut last = (bytes.len() as u64) << 56;
    for (place, byte) in rest.iter().enumerate() {
        last |= u64::from(*byte) << (8 * place);
    }
    absorb(&mut v, last);
    v[2] ^= 0xee;
    let low = finish(&mut v);
    v[1] ^= 0xdd;
    IdHash { low, high: finish(&mut v) }
}

fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    round(v);
    v[0] ^= word;
}

fn finish(v: &mut [u64; 4]) -> u64 {
    for _ in 0..4 {
        round(v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(state: &mut [u64; 4]) {
    let [mut v0, mut v1, mut v2, mut v3] = *state;
    v0 = v0.wrapping_add(v1);
    v1 = v1.rotate_left(13) ^ v0;
    v0 = v0.rotate_left(32);
    v2 = v2.wrapping_add(v3);
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.wrapping_add(v3);
    v3 = v3.rotate_left(21) ^ v0;
    v2 = v2.wrapping_add(v1);
    v1 = v1.rotate_left(17) ^ v2;
    v2 = v2.rotate_left(32);
    *state = [v0, v1, v2, v3];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two vectors of the reference implementation.
    #[test]
    fn agrees_with_the_reference() {
        let key: [u8; 16] = std::array::from_fn(|i| i as u8);
        let hasher = IdHasher::new(key);
        let empty = 0x9302_55c7_1472_f66d_e6a8_25ba_047f_81a3;
        let one = 0x45fc_229b_1159_7634_44af_996b_d8c1_87da;
        for (input, expected) in [(&[][..], empty), (&[0], one)] {
            let hash = hasher.of(ProjectId(0), input);
            assert_eq!(u128::from(hash.high) << 64 | u128::from(hash.low), expected);
        }
        assert_ne!(hasher.of(ProjectId(1), b"a"), hasher.of(ProjectId(2), b"a"));
    }
}
