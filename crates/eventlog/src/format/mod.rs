//! The bytes of the log on disk; docs/STORAGE.md describes every field.
pub mod frame;
pub mod manifest;
pub mod range_names;
pub mod record;
pub mod segment;
pub mod varint;

/// The version of the format of the manifest, the segments and their records.
pub const FORMAT_VERSION: u32 = 1;

/// The `N` bytes at `at`, where they are there.
pub fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// The little-endian number at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

/// The little-endian number at `at`.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}
