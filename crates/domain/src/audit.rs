//! The record of changes: entries that are chained by their hashes, so that one that was changed,
//! removed or put elsewhere is found.
use crate::time::Timestamp;
use sha2::{Digest, Sha256};

/// What the hash of an entry begins with: the form of what follows, and its version.
const ENTRY_FORM: &[u8] = b"reckoner audit entry 1\n";
/// The same of the hash of its details.
const DETAILS_FORM: &[u8] = b"reckoner audit details 1\n";
/// The hash before the first entry of a chain.
pub const FIRST: Hash = [0; 32];

/// A SHA-256.
pub type Hash = [u8; 32];
/// Keeps details from being guessed from their hash.
pub type Salt = [u8; 16];

/// A hash as it is written: 64 lower-case hexadecimal digits.
pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of an entry's details: SHA-256 over its form, the salt and the text. The chain holds this
/// hash and not the details, so that these can be replaced where a person has to be forgotten, and
/// every other entry goes on standing where it stood.
pub fn details_hash(salt: &Salt, details: &str) -> Hash {
    Sha256::new_with_prefix(DETAILS_FORM).chain_update(salt).chain_update(details).finalize().into()
}

/// One change, as the chain holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The chain: the number of a project, 0 for what belongs to none.
    pub chain: u32,
    /// Its place in the chain, from 1, without gaps.
    pub number: u64,
    /// When it was made, in real time.
    pub at: Timestamp,
    /// When it was made, by the project's clock.
    pub project_time: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What was done, such as `api_key.revoked`.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// The hash of what it was before and is after.
    pub details_hash: Hash,
    /// The hash of the entry before; [`FIRST`] for the first.
    pub previous: Hash,
}

impl Entry {
    /// Its hash: SHA-256 over its form and then each field in the order above, as its length in bytes
    /// (8 bytes, big-endian) and its bytes; numbers and times (microseconds since 1970) as decimal
    /// text, hashes as hexadecimal digits.
    pub fn hash(&self) -> Hash {
        let numbers = [
            self.chain.to_string(),
            self.number.to_string(),
            self.at.as_micros().to_string(),
            self.project_time.as_micros().to_string(),
        ];
        let hashes = [hex(&self.details_hash), hex(&self.previous)];
        let texts = [&self.actor, &self.action, &self.object];
        let mut hasher = Sha256::new_with_prefix(ENTRY_FORM);
        for field in numbers.iter().chain(texts).chain(&hashes) {
            // Lengths keep the end of one field from being taken for the beginning of the next.
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field.as_bytes());
        }
        hasher.finalize().into()
    }
}

/// What is wrong with a chain, at its first bad entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Another number was to come.
    #[error("entry {expected} is missing: entry {found} comes in its place")]
    Missing {
        /// The number that was to come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// Its contents have another hash than it carries.
    #[error("entry {0} was changed: its hash is another")]
    Changed(u64),
    /// Its details have another hash than it carries.
    #[error("the details of entry {0} were changed")]
    Details(u64),
    /// The hash of the entry before that it carries is another.
    #[error("entry {0} does not continue the one before it: one of the two was replaced")]
    Replaced(u64),
    /// The chain ends before its head.
    #[error("entry {missing} is missing: the chain's head is entry {head}")]
    Truncated {
        /// The first number that is missing.
        missing: u64,
        /// The head's number.
        head: u64,
    },
    /// The head carries another hash than the entry of its number.
    #[error("entry {0} has another hash than the chain's head: one of the two was replaced")]
    Head(u64),
    /// Entries lie behind the head.
    #[error("entry {0} lies behind the chain's head: it was put there, or the head was set back")]
    Beyond(u64),
    /// The entry that somebody kept the hash of is another or gone.
    #[error("entry {0} is not the one that was given: the chain was made anew, or cut off and continued")]
    Anchor(u64),
}

/// An entry by its number and hash: the head of a chain, or one that was written down elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number.
    pub number: u64,
    /// The hash.
    pub hash: Hash,
}

impl Place {
    /// Where a chain without entries ends.
    pub const START: Self = Self { number: 0, hash: FIRST };
}

/// Walks a chain from its first entry on.
#[derive(Clone, Copy, Debug)]
pub struct Walk(Place);

impl Default for Walk {
    fn default() -> Self {
        Self(Place::START)
    }
}

impl Walk {
    /// The last entry that was taken.
    pub fn place(&self) -> Place {
        self.0
    }

    /// Takes the next entry, with its hash, its details and their salt as they are stored; `None` where
    /// they were taken away, which the chain allows and whoever asks has to allow as well.
    pub fn take(
        &mut self,
        entry: &Entry,
        stored: Hash,
        details: Option<(&Salt, &str)>,
    ) -> Result<(), Broken> {
        let (number, expected) = (entry.number, self.0.number.saturating_add(1));
        if number != expected {
            return Err(Broken::Missing { expected, found: number });
        }
        if entry.hash() != stored {
            return Err(Broken::Changed(number));
        }
        if details.is_some_and(|(salt, details)| details_hash(salt, details) != entry.details_hash) {
            return Err(Broken::Details(number));
        }
        if entry.previous != self.0.hash {
            return Err(Broken::Replaced(number));
        }
        self.0 = Place { number, hash: stored };
        Ok(())
    }

    /// Ends at the head that is stored beside the chain.
    pub fn end(&self, head: Place) -> Result<(), Broken> {
        if self.0.number < head.number {
            let missing = self.0.number.saturating_add(1);
            return Err(Broken::Truncated { missing, head: head.number });
        }
        if self.0.number > head.number {
            return Err(Broken::Beyond(head.number.saturating_add(1)));
        }
        if self.0.hash == head.hash { Ok(()) } else { Err(Broken::Head(head.number)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = [7; 16];
    type Entries = Vec<(Entry, Hash)>;

    fn chain(length: u64) -> Entries {
        let mut previous = FIRST;
        let entry = |number| {
            let at = Timestamp::from_micros_clamped(1_768_383_000_000_000);
            let entry = Entry {
                chain: 1,
                number,
                at,
                project_time: at,
                actor: "key_1".to_owned(),
                action: "api_key.created".to_owned(),
                object: format!("key_{number}"),
                details_hash: details_hash(&SALT, "{}"),
                previous,
            };
            previous = entry.hash();
            (entry, previous)
        };
        (1..=length).map(entry).collect()
    }

    fn verify(entries: &[(Entry, Hash)], head: Place) -> Result<(), Broken> {
        let mut walk = Walk::default();
        entries.iter().try_for_each(|(entry, hash)| walk.take(entry, *hash, Some((&SALT, "{}"))))?;
        walk.end(head)
    }

    #[test]
    fn a_chain_as_it_was_written_is_whole() {
        let entries = chain(3);
        let head = Place { number: 3, hash: entries[2].1 };
        assert_eq!(verify(&entries, head), Ok(()));
        assert_eq!(verify(&[], Place::START), Ok(()));
        assert_eq!(hex(&FIRST), "0".repeat(64));
    }

    #[test]
    fn the_first_bad_entry_is_named() {
        let entries = chain(4);
        let head = Place { number: 4, hash: entries[3].1 };
        let with = |change: &dyn Fn(&mut Entries)| {
            let mut entries = entries.clone();
            change(&mut entries);
            verify(&entries, head).expect_err("broken")
        };
        assert_eq!(with(&|all| all[1].0.actor = "another".to_owned()), Broken::Changed(2));
        assert_eq!(with(&|all| drop(all.remove(1))), Broken::Missing { expected: 2, found: 3 });
        assert_eq!(with(&|all| all.swap(1, 2)), Broken::Missing { expected: 2, found: 3 });
        assert_eq!(with(&|all| all.truncate(3)), Broken::Truncated { missing: 4, head: 4 });
        let anew = |all: &mut Entries| {
            all[1].0.actor = "another".to_owned();
            all[1].1 = all[1].0.hash();
        };
        assert_eq!(with(&anew), Broken::Replaced(3));
        assert_eq!(verify(&entries, Place { number: 3, ..head }), Err(Broken::Beyond(4)));
        assert_eq!(verify(&entries, Place { hash: FIRST, ..head }), Err(Broken::Head(4)));
        let (first, hash) = &entries[0];
        assert_eq!(Walk::default().take(first, *hash, Some((&SALT, "{ }"))), Err(Broken::Details(1)));
        assert_eq!(Walk::default().take(first, *hash, Some((&[8; 16], "{}"))), Err(Broken::Details(1)));
        assert_eq!(Walk::default().take(first, *hash, None), Ok(()), "details may have been taken away");
    }

    #[test]
    fn every_field_counts_and_none_runs_into_the_next() {
        let (entry, hash) = chain(1).remove(0);
        let later = Timestamp::from_micros_clamped(1);
        for other in [
            Entry { chain: 2, ..entry.clone() },
            Entry { number: 2, ..entry.clone() },
            Entry { at: later, ..entry.clone() },
            Entry { project_time: later, ..entry.clone() },
            Entry { actor: "key_".to_owned(), action: "1api_key.created".to_owned(), ..entry.clone() },
            Entry { object: String::new(), ..entry.clone() },
            Entry { details_hash: FIRST, ..entry.clone() },
            Entry { previous: hash, ..entry.clone() },
        ] {
            assert_ne!(other.hash(), hash, "{other:?}");
        }
    }

    #[test]
    fn the_form_of_the_hash_stays_what_it_is() {
        let (_, hash) = chain(1).remove(0);
        assert_eq!(hex(&hash), "6553ad0bb6af39b7bc37f91a1d276cd597d72c98c96f7d5dcac79e624389f01c");
    }
}
