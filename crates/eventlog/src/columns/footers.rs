//! What lies where in files of columns: looked up when a file is first read, and held as long as there is
//! room, of those read last.
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Bytes of all that are held: some hundred files' of two million events each.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Those of the process.
pub static FOOTERS: Footers = Footers::new(BYTES_MAX);

/// The footers that are held.
pub struct Footers {
    bytes_max: usize,
    /// Counts uses.
    uses: AtomicU64,
    held: Mutex<Vec<Held>>,
}

struct Held {
    slot: Weak<Slot>,
    bytes: usize,
}

/// The footer of one file, while it is held.
#[derive(Default)]
pub struct Slot {
    metadata: Mutex<Option<ArrowReaderMetadata>>,
    /// The number of its last use.
    used: AtomicU64,
}

impl Footers {
    /// Holds so many bytes, or one that has more alone.
    const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, uses: AtomicU64::new(0), held: Mutex::new(Vec::new()) }
    }

    /// A file's footer; it is looked up where it is not held.
    pub fn get<E>(
        &self,
        slot: &Arc<Slot>,
        look_up: impl FnOnce() -> Result<ArrowReaderMetadata, E>,
    ) -> Result<ArrowReaderMetadata, E> {
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let metadata = {
            let mut held = slot.metadata.lock();
            if let Some(metadata) = &*held {
                return Ok(metadata.clone());
            }
            held.insert(look_up()?).clone()
        };
        self.hold(slot, metadata.metadata().memory_size());
        Ok(metadata)
    }

    /// Counts one more, and lets go of those used longest ago while they are too many.
    fn hold(&self, slot: &Arc<Slot>, bytes: usize) {
        let mut held = self.held.lock();
        held.retain(|known| known.slot.strong_count() > 0);
        held.push(Held { slot: Arc::downgrade(slot), bytes });
        while held.iter().map(|known| known.bytes).sum::<usize>() > self.bytes_max {
            let used =
                |known: &Held| known.slot.upgrade().map_or(0, |slot| slot.used.load(Ordering::Relaxed));
            let others =
                held.iter().enumerate().filter(|(_, known)| known.slot.as_ptr() != Arc::as_ptr(slot));
            let Some((oldest, _)) = others.min_by_key(|(_, known)| used(known)) else { break };
            if let Some(gone) = held.swap_remove(oldest).slot.upgrade() {
                *gone.metadata.lock() = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::arrow::arrow_reader::ArrowReaderOptions;
    use parquet::file::metadata::{FileMetaData, ParquetMetaData};
    use parquet::schema::types::{SchemaDescriptor, Type};

    /// A footer that tells nothing, but has some bytes.
    fn footer() -> ArrowReaderMetadata {
        let schema = Type::group_type_builder("schema").build().expect("a schema");
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        let file = FileMetaData::new(2, 0, None, None, schema, None);
        let metadata = Arc::new(ParquetMetaData::new(file, Vec::new()));
        ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::default()).expect("metadata")
    }

    /// Whether a footer had to be looked up.
    fn is_new(footers: &Footers, slot: &Arc<Slot>) -> bool {
        let mut looked_up = false;
        let got = footers.get(slot, || {
            looked_up = true;
            Ok::<_, ()>(footer())
        });
        got.map(|_| looked_up).expect("a footer")
    }

    #[test]
    fn those_used_longest_ago_go_where_there_is_no_room() {
        let footers = Footers::new(2 * footer().metadata().memory_size());
        let slots = [(); 3].map(|()| Arc::new(Slot::default()));
        let asked =
            |order: &[usize]| order.iter().map(|slot| is_new(&footers, &slots[*slot])).collect::<Vec<_>>();
        assert_eq!(asked(&[0, 1, 0, 2]), [true, true, false, true]);
        // The second was used before the first.
        assert_eq!(asked(&[0, 2, 1, 2, 0]), [false, false, true, false, true]);
        assert_eq!(footers.held.lock().len(), 2);
    }

    #[test]
    fn one_that_is_larger_than_all_may_be_is_held_alone() {
        let footers = Footers::new(1);
        let slots = [(); 2].map(|()| Arc::new(Slot::default()));
        let asked = [0, 0, 1, 0].map(|slot: usize| is_new(&footers, &slots[slot]));
        assert_eq!(asked, [true, false, true, true]);
    }

    #[test]
    fn files_that_are_gone_take_no_room() {
        let footers = Footers::new(footer().metadata().memory_size());
        let kept = Arc::new(Slot::default());
        assert!(is_new(&footers, &Arc::new(Slot::default())));
        assert!(is_new(&footers, &kept));
        assert!(!is_new(&footers, &kept));
        assert!(is_new(&footers, &Arc::new(Slot::default())));
        assert!(is_new(&footers, &kept));
    }

    #[test]
    fn one_that_could_not_be_looked_up_is_looked_up_again() {
        let (footers, slot) = (Footers::new(BYTES_MAX), Arc::new(Slot::default()));
        assert_eq!(footers.get(&slot, || Err::<ArrowReaderMetadata, _>("no")).map(drop), Err("no"));
        assert!(is_new(&footers, &slot));
    }
}
