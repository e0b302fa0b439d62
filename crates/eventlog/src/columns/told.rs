//! What a file of columns says of itself beside its rows: enough to tell from it alone what its
//! segments held.
use crate::part::index::Covered;
use parquet::file::metadata::KeyValue;
use reckoner_domain::id::ProjectId;

/// The version of the format of columns.
const VERSION: &str = "1";
const VERSION_KEY: &str = "reckoner.version";
const STORE_KEY: &str = "reckoner.store";
const SEGMENTS_KEY: &str = "reckoner.segments";
const LAST_KEY: &str = "reckoner.last";
const CLEARED_KEY: &str = "reckoner.cleared";
const CHECKSUM_KEY: &str = "reckoner.checksum";

/// What is true of the segments whose events a file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The store they belong to.
    pub store_id: u128,
    /// The segments, in order.
    pub segments: Vec<Covered>,
    /// The sequence of the last record.
    pub last_sequence: u64,
    /// The number of the last commit group.
    pub last_group: u64,
    /// The sequences of projects' last clearings, where they were cleared.
    pub cleared: Vec<(ProjectId, u64)>,
}

/// What tells the checksum of all rows: how many bytes they take from the front, and their CRC-32C.
pub fn checksum_pair(bytes: u64, checksum: u32) -> KeyValue {
    KeyValue::new(CHECKSUM_KEY.to_owned(), format!("{bytes}:{checksum}"))
}

/// The bytes and the checksum.
pub fn checksum_of(pairs: &[KeyValue]) -> Option<(u64, u32)> {
    let pair = pairs.iter().find(|pair| pair.key == CHECKSUM_KEY)?;
    let [bytes, checksum] = numbers(pair.value.as_deref()?)?;
    Some((bytes, u32::try_from(checksum).ok()?))
}

impl Told {
    /// Whether segments and sequences follow each other, and are not more than a file can tell of.
    fn is_sound(&self) -> bool {
        let follow = |pair: &[Covered]| match pair {
            [a, b] => a.number + 1 == b.number && a.first_sequence <= b.first_sequence,
            _ => false,
        };
        let first = self.first_sequence();
        first > 0
            && self.segments.windows(2).all(follow)
            && self.segments.last().is_some_and(|last| last.first_sequence <= self.last_sequence + 1)
            && self.last_sequence - first < u64::from(u32::MAX)
    }

    /// The sequence of the last clearing of a project; 0 when it never was.
    pub fn cleared_at(&self, project: ProjectId) -> u64 {
        self.cleared.iter().find(|(of, _)| *of == project).map_or(0, |(_, at)| *at)
    }

    /// Whether a record is among those of the segments.
    pub fn has(&self, sequence: u64) -> bool {
        (self.first_sequence()..=self.last_sequence).contains(&sequence)
    }

    /// The sequence of the first record.
    pub fn first_sequence(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.first_sequence)
    }

    /// As it is written.
    pub fn to_pairs(&self) -> Vec<KeyValue> {
        let segment = |of: &Covered| format!("{}:{}:{}", of.number, of.first_sequence, of.bytes);
        let cleared = |(project, at): &(ProjectId, u64)| format!("{}:{at}", project.0);
        let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        vec![
            pair(VERSION_KEY, VERSION.to_owned()),
            pair(STORE_KEY, format!("{:032x}", self.store_id)),
            pair(SEGMENTS_KEY, self.segments.iter().map(segment).collect::<Vec<_>>().join(",")),
            pair(LAST_KEY, format!("{}:{}", self.last_sequence, self.last_group)),
            pair(CLEARED_KEY, self.cleared.iter().map(cleared).collect::<Vec<_>>().join(",")),
        ]
    }

    /// Reads what was written; `None` where it was not written so.
    pub fn from_pairs(pairs: &[KeyValue]) -> Option<Self> {
        let value = |key: &str| pairs.iter().find(|pair| pair.key == key)?.value.as_deref();
        if value(VERSION_KEY)? != VERSION {
            return None;
        }
        let segment = |[number, first_sequence, bytes]: [u64; 3]| Covered { number, first_sequence, bytes };
        let [last_sequence, last_group] = numbers(value(LAST_KEY)?)?;
        let cleared = |[project, at]: [u64; 2]| Some((ProjectId(u32::try_from(project).ok()?), at));
        let told = Self {
            store_id: u128::from_str_radix(value(STORE_KEY)?, 16).ok()?,
            segments: list(value(SEGMENTS_KEY)?)?.into_iter().map(segment).collect(),
            last_sequence,
            last_group,
            cleared: list(value(CLEARED_KEY)?)?.into_iter().map(cleared).collect::<Option<_>>()?,
        };
        told.is_sound().then_some(told)
    }
}

fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = text.split(':').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn list<const N: usize>(text: &str) -> Option<Vec<[u64; N]>> {
    text.split(',').filter(|item| !item.is_empty()).map(numbers).collect()
}
