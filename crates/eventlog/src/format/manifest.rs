//! The manifest: what is true of the whole store.
use super::{FORMAT_VERSION, bytes_at, u32_at};

/// The manifest's name.
pub const FILE_NAME: &str = "MANIFEST";
/// What a manifest begins with.
const MAGIC: [u8; 8] = *b"RKNRMAN\n";
/// Bytes of a manifest.
const BYTES: usize = 64;

/// What is true of the whole store, written once when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Tells this store from any other.
    pub store_id: u128,
    /// The key of the hash of ids; secret, as who knows it could make two ids collide.
    pub hash_key: [u8; 16],
}

/// Why bytes are no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Damaged, or something else.
    Damaged,
    /// Another version of the format.
    Version(u32),
}

impl Manifest {
    /// The manifest's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.store_id.to_le_bytes());
        out.extend_from_slice(&self.hash_key);
        out.resize(BYTES - 4, 0);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a manifest's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let fields = bytes.get(..BYTES - 4).ok_or(ManifestError::Damaged)?;
        let crc = u32_at(bytes, BYTES - 4);
        if bytes_at(fields, 0) != Some(MAGIC) || crc != Some(crc32c::crc32c(fields)) {
            return Err(ManifestError::Damaged);
        }
        let version = u32_at(fields, 8).unwrap_or_default();
        if version != FORMAT_VERSION {
            return Err(ManifestError::Version(version));
        }
        match (bytes_at(fields, 16), bytes_at(fields, 32)) {
            (Some(store_id), Some(hash_key)) => {
                Ok(Self { store_id: u128::from_le_bytes(store_id), hash_key })
            }
            _ => Err(ManifestError::Damaged),
        }
    }
}
