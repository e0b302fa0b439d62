//! Tokens at rest.
use sha2::{Digest, Sha256};

/// The SHA-256 of a token. Tokens have 256 random bits, so nothing slower is needed, and looking one
/// up by its hash tells nothing about another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}
