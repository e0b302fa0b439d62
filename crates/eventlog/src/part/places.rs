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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spots {
    /// The segment's number.
    pub segment: u64,
    /// Its records, by sequence.
    pub spots: Vec<Spot>,
}

impl Spots {
    /// Appends the block.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.segment);
        put_number(out, self.spots.len() as u64);
        let (mut offset, mut received_at) = (0_u32, 0_i64);
        let mut rest = self.spots.as_slice();
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

    /// Reads a block.
    pub fn decode(mut input: &[u8]) -> Option<Self> {
        let input = &mut input;
        let segment = take_number(input)?;
        let count = usize::try_from(take_number(input)?).ok().filter(|count| *count <= BLOCK_RECORDS)?;
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
        Some(Self { segment, spots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_read_back(
            segment: u64,
            rows in prop::collection::vec((any::<u32>(), 0_i64..3, 1_u32..3), 0..BLOCK_RECORDS),
        ) {
            let spot = |(offset, hours, project): (u32, i64, u32)| Spot {
                offset,
                received_at: Timestamp::from_hour_index(hours),
                project: ProjectId(project),
            };
            let block = Spots { segment, spots: rows.into_iter().map(spot).collect() };
            let mut bytes = Vec::new();
            block.encode(&mut bytes);
            prop_assert_eq!(Spots::decode(&bytes), Some(block));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Spots::decode(&bytes[..cut]), None);
            }
        }
    }
}
