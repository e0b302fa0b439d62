//! The frame: the records of one request, whole or not at all.
use super::{u32_at, u64_at};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// "RKFR", little-endian.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RKFR");
/// Bytes before the first record.
pub const HEADER_BYTES: usize = 56;
/// Where four bytes lie that are zero in this version.
const FLAGS_AT: usize = 48;
/// Frames begin at multiples of this.
pub const ALIGNMENT_BYTES: usize = 8;

/// What a frame says about its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the frame, header and padding included.
    pub length: u32,
    /// The commit group it was written with.
    pub group: u64,
    /// The sequence of its first record; the others follow without gaps.
    pub first_sequence: u64,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// Whose events these are.
    pub project: ProjectId,
    /// How many records.
    pub records: u32,
    /// CRC-32C of everything after the header.
    pub payload_crc: u32,
    /// Where in the segment the first frame of its group begins: what tells a torn group from a
    /// damaged one before it.
    pub group_start: u32,
}

impl FrameHeader {
    /// The header's bytes in a segment with this salt.
    pub fn encode(&self, salt: u32) -> [u8; HEADER_BYTES] {
        let mut out = [0_u8; HEADER_BYTES];
        let fields = [
            &MAGIC.to_le_bytes()[..],
            &self.length.to_le_bytes(),
            &self.group.to_le_bytes(),
            &self.first_sequence.to_le_bytes(),
            &self.received_at.as_micros().to_le_bytes(),
            &self.project.0.to_le_bytes(),
            &self.records.to_le_bytes(),
            &self.payload_crc.to_le_bytes(),
            &self.group_start.to_le_bytes(),
        ];
        let bytes = fields.into_iter().flatten().copied();
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = from;
        }
        if let Some((head, crc)) = out.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c_append(salt, head).to_le_bytes();
        }
        out
    }
}

/// A frame that passed every check of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What it says.
    pub header: FrameHeader,
    /// Its records, and padding.
    pub payload: &'a [u8],
}

/// The frame at the front of these bytes; `None` unless both checksums agree.
pub fn read(bytes: &[u8], salt: u32) -> Option<Frame<'_>> {
    let header = read_header(bytes, salt)?;
    let payload = bytes.get(HEADER_BYTES..header.length as usize)?;
    (crc32c::crc32c(payload) == header.payload_crc).then_some(Frame { header, payload })
}

/// What the frame at the front says of itself; `None` unless its own checksum agrees.
pub fn read_header(bytes: &[u8], salt: u32) -> Option<FrameHeader> {
    let head = bytes.get(..HEADER_BYTES - 4)?;
    if u32_at(head, 0)? != MAGIC || u32_at(bytes, HEADER_BYTES - 4)? != crc32c::crc32c_append(salt, head) {
        return None;
    }
    let length = u32_at(head, 4)?;
    let aligned = (length as usize).is_multiple_of(ALIGNMENT_BYTES);
    if (length as usize) < HEADER_BYTES || !aligned || u32_at(head, FLAGS_AT)? != 0 {
        return None;
    }
    Some(FrameHeader {
        length,
        group: u64_at(head, 8)?,
        first_sequence: u64_at(head, 16)?,
        received_at: Timestamp::from_micros(u64_at(head, 24)? as i64)?,
        project: ProjectId(u32_at(head, 32)?),
        records: u32_at(head, 36)?,
        payload_crc: u32_at(head, 40)?,
        group_start: u32_at(head, 44)?,
    })
}

/// Appends zeros up to the next place where a frame may begin.
pub fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT_BYTES), 0);
}
