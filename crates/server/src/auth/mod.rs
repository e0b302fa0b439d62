//! Who is calling, and what they may do; and what people do to become callers.
pub mod access;
pub mod accounts;
pub mod attempts;
pub mod bootstrap;
pub mod caller;
pub mod cookies;
pub mod error;
pub mod key_changes;
pub mod keys;
pub mod passwords;
pub mod people;
pub mod services;
pub mod tokens;

use crate::config::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Whether what was sent is a secret of the configuration; how long that takes tells nothing of either.
pub fn secret_matches(secret: &Secret, sent: &str) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(secret.expose()).ct_eq(&digest(sent)).into()
}
