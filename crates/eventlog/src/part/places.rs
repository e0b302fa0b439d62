//! Where records lie, in blocks of consecutive ones of a segment: 1 to 3 bytes a record.
use super::coding::{put_number, put_signed, take_number, take_signed, take_small};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// Most records of a block.
pub const BLOCK_RECORDS: usize = 256;

/// Where a record lies in its segment, and what its frame says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Where in the segment the record begins.
    pub offset: u32,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Whose it is.
    pub project: ProjectId,
}

/// The records of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spots {
    /// In a segment of the log.
    Log {
        /// The segment's number.
        segment: u64,
        /// Its records, by sequence.
        spots: Vec<Spot>,
    },
    /// In a file of columns.
    Rows {
        /// The first segment whose events the file has.
        first_segment: u64,
        /// The rows, by sequence; what was cleared has none.
        rows: Vec<Option<u32>>,
    },
}

/// What a block of records in the log begins with.
const LOG: u64 = 0;
/// What a block of rows begins with.
const ROWS: u64 = 1;

impl Spots {
    /// Appends the block.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Log { segment, spots } => encode_log(out, *segment, spots),
            Self::Rows { first_segment, rows } => encode_rows(out, *first_segment, rows),
        }
    }

    /// Reads a block of records in the log; `None` where it is another one.
    pub fn log(input: &[u8]) -> Option<Self> {
        (input.first() == Some(&(LOG as u8))).then(|| Self::decode(input))?
    }

    /// Reads a block.
    pub fn decode(mut input: &[u8]) -> Option<Self> {
        let input = &mut input;
        let kind = take_number(input)?;
        let segment = take_number(input)?;
        let count = usize::try_from(take_number(input)?).ok().filter(|count| *count <= BLOCK_RECORDS)?;
        match kind {
            LOG => Some(Self::Log { segment, spots: decode_log(input, count)? }),
            ROWS => Some(Self::Rows { first_segment: segment, rows: decode_rows(input, count)? }),
            _ => None,
        }
    }
}

fn encode_log(out: &mut Vec<u8>, segment: u64, spots: &[Spot]) {
    put_number(out, LOG);
    put_number(out, segment);
    put_number(out, spots.len() as u64);
    let (mut offset, mut received_at) = (0_u32, 0_i64);
    let mut rest = spots;
    while let Some(first) = rest.first() {
        let same = |spot: &&Spot| (spot.received_at, spot.project) == (first.received_at, first.project);
        let (run, after) = rest.split_at(rest.iter().take_while(same).count());
        put_number(out, run.len() as u64);
        put_number(out, u64::from(first.project.0));
        put_signed(out, first.received_at.as_micros().wrapping_sub(received_at));
        received_at = first.received_at.as_micros();
        for spot in run {
            put_number(out, u64::from(spot.offset.wrapping_sub(offset)));
            offset = spot.offset;
        }
        rest = after;
    }
}

fn decode_log(input: &mut &[u8], count: usize) -> Option<Vec<Spot>> {
    let mut spots = Vec::with_capacity(count);
    let (mut offset, mut received_at) = (0_u32, 0_i64);
    while spots.len() < count {
        let run = usize::try_from(take_number(input)?).ok()?;
        if run == 0 || run > count - spots.len() {
            return None;
        }
        let project = ProjectId(take_small(input)?);
        received_at = received_at.wrapping_add(take_signed(input)?);
        let at = Timestamp::from_micros(received_at)?;
        for _ in 0..run {
            offset = offset.wrapping_add(take_small(input)?);
            spots.push(Spot { offset, received_at: at, project });
        }
    }
    Some(spots)
}

/// A row as it is packed: zero for none.
fn packed(row: Option<u32>) -> u64 {
    row.map_or(0, |row| u64::from(row) + 1)
}

/// Rows are scattered, since they come in another order: each takes as many bits as the greatest.
fn encode_rows(out: &mut Vec<u8>, first_segment: u64, rows: &[Option<u32>]) {
    put_number(out, ROWS);
    put_number(out, first_segment);
    put_number(out, rows.len() as u64);
    let greatest = rows.iter().map(|row| packed(*row)).max().unwrap_or_default();
    let width = u64::BITS - greatest.leading_zeros();
    put_number(out, u64::from(width));
    let (mut word, mut bits) = (0_u64, 0);
    for row in rows {
        word |= packed(*row) << bits;
        bits += width;
        while bits >= 8 {
            out.push(word as u8);
            word >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(word as u8);
    }
}

fn decode_rows(input: &mut &[u8], count: usize) -> Option<Vec<Option<u32>>> {
    let width = take_number(input)?;
    if width > 33 || (input.len() as u64) < (count as u64 * width).div_ceil(8) {
        return None;
    }
    let mut bytes = input.iter();
    let (mut word, mut bits) = (0_u64, 0);
    let mut row = || {
        while bits < width {
            word |= u64::from(*bytes.next()?) << bits;
            bits += 8;
        }
        let packed = word & ((1 << width) - 1);
        word >>= width;
        bits -= width;
        u32::try_from(packed).map_or_else(|_| Some(Some(u32::MAX)), |packed| Some(packed.checked_sub(1)))
    };
    (0..count).map(|_| row()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(block: &Spots) -> Result<(), TestCaseError> {
        let mut bytes = Vec::new();
        block.encode(&mut bytes);
        let decoded = Spots::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Some(block));
        for cut in 0..bytes.len() {
            prop_assert_eq!(Spots::decode(&bytes[..cut]), None);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn blocks_of_the_log_read_back(
            segment: u64,
            rows in prop::collection::vec((any::<u32>(), 0_i64..3, 1_u32..3), 0..BLOCK_RECORDS),
        ) {
            let spot = |(offset, hours, project): (u32, i64, u32)| Spot {
                offset,
                received_at: Timestamp::from_hour_index(hours),
                project: ProjectId(project),
            };
            read_back(&Spots::Log { segment, spots: rows.into_iter().map(spot).collect() })?;
        }

        #[test]
        fn blocks_of_rows_read_back(
            first_segment: u64,
            shift in 0..32_u32,
            rows in prop::collection::vec(prop::option::of(any::<u32>()), 0..BLOCK_RECORDS),
        ) {
            let rows = rows.into_iter().map(|row| row.map(|row| row >> shift)).collect();
            read_back(&Spots::Rows { first_segment, rows })?;
        }
    }
}
