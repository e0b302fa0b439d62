//! The header of a segment: one block of its own, so that no commit ever rewrites it.
use super::{FORMAT_VERSION, bytes_at, u32_at, u64_at};

/// What a segment begins with.
const MAGIC: [u8; 8] = *b"RKNRSEG\n";
/// Bytes before the first frame: a block of its own.
pub const HEADER_BYTES: u64 = 4096;
/// Bytes of the header that mean something; the rest is zero.
pub const FIELDS_BYTES: usize = 64;
/// What every segment's name begins with.
const NAME_PREFIX: &str = "segment-";
/// What every segment's name ends in.
const NAME_SUFFIX: &str = ".log";

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Counts from 1, without gaps.
    pub number: u64,
    /// The store it belongs to.
    pub store_id: u128,
    /// The sequence of its first record.
    pub first_sequence: u64,
    /// The seed of its frames' checksums.
    pub salt: u32,
}

/// Why bytes are no header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Damaged, or something else.
    Damaged,
    /// Another version of the format.
    Version(u32),
}

impl SegmentHeader {
    /// The bytes at the front of the segment.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIELDS_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.first_sequence.to_le_bytes());
        out.extend_from_slice(&self.store_id.to_le_bytes());
        out.resize(FIELDS_BYTES - 4, 0);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the bytes at the front of a segment.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let fields = bytes.get(..FIELDS_BYTES - 4).ok_or(HeaderError::Damaged)?;
        let crc = u32_at(bytes, FIELDS_BYTES - 4);
        if bytes_at(fields, 0) != Some(MAGIC) || crc != Some(crc32c::crc32c(fields)) {
            return Err(HeaderError::Damaged);
        }
        match u32_at(fields, 8) {
            Some(FORMAT_VERSION) => Self::fields(fields).ok_or(HeaderError::Damaged),
            version => Err(HeaderError::Version(version.unwrap_or_default())),
        }
    }

    fn fields(fields: &[u8]) -> Option<Self> {
        Some(Self {
            salt: u32_at(fields, 12)?,
            number: u64_at(fields, 16)?,
            first_sequence: u64_at(fields, 24)?,
            store_id: bytes_at(fields, 32).map(u128::from_le_bytes)?,
        })
    }
}

/// The name of the segment with this number.
pub fn file_name(number: u64) -> String {
    format!("{NAME_PREFIX}{number:016x}{NAME_SUFFIX}")
}

/// The number in a segment's name.
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(NAME_PREFIX)?.strip_suffix(NAME_SUFFIX)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (file_name(number) == name).then_some(number)
}
