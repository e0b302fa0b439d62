//! How often a request may be sent again under the name that its caller gave it.
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// So many requests of one name are one request and its retries; each further one counts.
const REPEATS_MAX: u8 = 5;
/// Names of a generation; two are remembered.
const NAMES_MAX: usize = 100_000;

/// Counts the requests of each name.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, u8>,
    old: HashMap<u64, u8>,
}

impl Repeats {
    /// Whether a request of this name is one more than retries may be.
    pub fn is_beyond(&self, name: (&str, &str, &str, &str)) -> bool {
        let name = self.hasher.hash_one(name);
        let mut generations = self.generations.lock();
        let Generations { young, old } = &mut *generations;
        let before = young.get(&name).or_else(|| old.get(&name)).copied().unwrap_or(0);
        if before >= REPEATS_MAX {
            return true;
        }
        young.insert(name, before + 1);
        if young.len() >= NAMES_MAX {
            *old = std::mem::take(young);
        }
        false
    }
}

#[test]
fn a_name_is_that_of_five_requests_and_remembered_among_many() {
    let repeats = Repeats::default();
    let ask = |name: &str| repeats.is_beyond(("user", "/", "GET", name));
    assert_eq!([(); 6].map(|()| ask("one")), [false, false, false, false, false, true]);
    for other in 0..NAMES_MAX {
        assert!(!ask(&format!("other {other}")));
    }
    assert!(ask("one"));
    assert!(!repeats.is_beyond(("somebody else", "/", "GET", "one")));
}
