//! Passwords: Argon2id, away from the threads that serve requests, and a few at a time, so that a
//! storm of logins leaves the processor to ingest.
use crate::config::Secret;
use crate::random::{self, NoRandomness};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Memory of a hash, in KiB (with [`PASSES`] and [`LANES`], what OWASP asks for at least).
pub const MEMORY_KIB: u32 = 19 * 1_024;
/// Passes over the memory.
pub const PASSES: u32 = 2;
/// Lanes, each of which one thread fills.
pub const LANES: u32 = 1;
/// Bytes of a salt.
const SALT_BYTES: usize = 16;
/// Most hashes at once, however many processors there are.
const SLOTS_MAX: usize = 4;
/// Most that wait for their turn; more are turned away.
const WAITING_MAX: usize = 64;
/// What passwords of nobody are held against: as dear as any other, and matched by none.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWhhcy10aGlzLg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was neither hashed nor verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait for their turn: try again soon.
    #[error("too many passwords are being checked")]
    Busy,
    /// No salt.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// A stored hash does not read back, or there was no memory.
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

/// Hashes and verifies passwords. Clones share its slots.
#[derive(Clone, Debug)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Passwords {
    /// One slot for every two processors.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with((processors / 2).clamp(1, SLOTS_MAX), WAITING_MAX)
    }

    fn with(slots: usize, waiting: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), waiting: Arc::new(Semaphore::new(slots + waiting)) }
    }

    /// The PHC string of a password, with a salt of its own.
    pub async fn hash(&self, password: Secret) -> Result<String, PasswordError> {
        let salt = random::bytes::<SALT_BYTES>()?;
        self.run(move || {
            let hash = hasher().and_then(|hasher| {
                hasher.hash_password_with_salt(password.expose().as_bytes(), &salt).map_err(|e| e.to_string())
            });
            hash.map(|hash| hash.to_string())
        })
        .await
    }

    /// Whether a password is the one of this PHC string. Without one it takes as long, and is not.
    pub async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool, PasswordError> {
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            let hash = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
            let matches = hasher()?.verify_password(password.expose().as_bytes(), &hash).is_ok();
            Ok(matches && known)
        })
        .await
    }

    /// Runs work in a slot. It keeps its slot even when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop((slot, turn));
            outcome
        });
        done.await.map_err(|error| PasswordError::Failed(error.to_string()))?.map_err(PasswordError::Failed)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hasher() -> Result<Argon2<'static>, String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash(secret("correct horse")).await.expect("hashed");
        assert!(hash.starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")), "{hash}");
        assert_ne!(hash, passwords.hash(secret("correct horse")).await.expect("hashed"), "salted");
        let verify = async |password: &str, hash: Option<&str>| {
            passwords.verify(secret(password), hash.map(str::to_owned)).await
        };
        assert!(verify("correct horse", Some(&hash)).await.expect("verified"));
        assert!(!verify("battery staple", Some(&hash)).await.expect("verified"));
        assert!(!verify("correct horse", None).await.expect("verified"));
        assert!(matches!(verify("x", Some("nonsense")).await, Err(PasswordError::Failed(_))));
    }

    #[test]
    fn nobody_has_a_hash_that_costs_the_same() {
        let hash = PasswordHash::new(NOBODY).expect("a PHC string");
        let params = Params::try_from(&hash).expect("parameters");
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(hash.salt.map(|salt| salt.len()), Some(SALT_BYTES));
        assert_eq!(hash.hash.map(|hash| hash.len()), Some(Params::DEFAULT_OUTPUT_LEN));
    }

    #[tokio::test]
    async fn those_beyond_the_queue_are_turned_away() {
        let passwords = Passwords::with(1, 1);
        let held = Arc::clone(&passwords.slots).acquire_owned().await.expect("a slot");
        let waiting = Arc::clone(&passwords.waiting).try_acquire_many_owned(2).expect("both turns");
        assert!(matches!(passwords.hash(secret("x")).await, Err(PasswordError::Busy)));
        drop((held, waiting));
        assert!(passwords.hash(secret("x")).await.is_ok());
    }
}
