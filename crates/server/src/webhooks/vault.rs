//! Secrets at rest: sealed with XChaCha20-Poly1305 under a key that is not in the database.
use crate::random::{self, NoRandomness};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of a nonce: long enough to be drawn at random for every secret.
pub const NONCE_BYTES: usize = 24;
/// Fewest bytes of a key given by the operator.
pub const KEY_TEXT_BYTES_MIN: usize = 16;

const KEY_BYTES: usize = 32;
/// The first byte of a sealed secret: how it was sealed.
const FORMAT: u8 = 1;
/// Keeps this use of the operator's key apart from any other.
const KEY_CONTEXT: &[u8] = b"reckoner secrets at rest, version 1\0";

/// A secret in the clear. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for those who sign with it or show it once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// What a secret is for; a sealed secret opens only for the same use and the same owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing what is sent to a webhook endpoint.
    WebhookSecret,
    /// Answering a repeated request as before.
    KeptAnswer,
    /// Filling the template of a queued mail.
    Mail,
    /// Making codes of an authenticator.
    Authenticator,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook secret",
            Self::KeptAnswer => "kept answer",
            Self::Mail => "mail",
            Self::Authenticator => "authenticator",
        }
    }
}

/// Why a secret cannot be sealed, opened, or its key be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Damaged, sealed under another key, or for another use or owner.
    #[error(
        "a stored secret does not open with this key: is RECKONER_SECRET_KEY (or the key file) the one it was stored with?"
    )]
    DoesNotOpen,
    /// Longer than the cipher takes (256 GiB).
    #[error("the secret is too long to be stored")]
    DoesNotSeal,
    /// A key shorter than [`KEY_TEXT_BYTES_MIN`].
    #[error("the secret key must have at least {KEY_TEXT_BYTES_MIN} characters")]
    KeyTooShort,
    /// The key file is not what was written there.
    #[error("{} holds no key: put the right file back, or the stored secrets are lost", .0.display())]
    KeyFile(PathBuf),
    /// The key file can be neither read nor made.
    #[error("{}: {source}", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// There is nothing to make a key or a nonce from.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
    key: [u8; KEY_BYTES],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

impl Vault {
    /// A vault under the operator's own key, whatever text that is.
    pub fn from_text(key: &str) -> Result<Self, VaultError> {
        if key.len() < KEY_TEXT_BYTES_MIN {
            return Err(VaultError::KeyTooShort);
        }
        let digest = Sha256::new().chain_update(KEY_CONTEXT).chain_update(key.as_bytes()).finalize();
        Ok(Self::from_bytes(digest.into()))
    }

    fn from_bytes(key: [u8; KEY_BYTES]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(key)), key }
    }

    /// A key for another use, which tells nothing of the vault's own.
    pub fn derive(&self, context: &[u8]) -> [u8; KEY_BYTES] {
        // The key comes last and has a fixed length, so nothing can be appended to what is hashed.
        Sha256::new().chain_update(context).chain_update([0]).chain_update(self.key).finalize().into()
    }

    /// Seals `secret`: base64 of format, nonce and ciphertext. A nonce is never used twice.
    pub fn seal(
        &self,
        purpose: Purpose,
        owner: &str,
        secret: &Secret,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, VaultError> {
        let bound = associated(purpose, owner);
        let payload = Payload { msg: secret.0.as_bytes(), aad: &bound };
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::DoesNotSeal)?;
        Ok(BASE64.encode([&[FORMAT], nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what [`Vault::seal`] made for the same purpose and owner.
    pub fn open(&self, purpose: Purpose, owner: &str, sealed: &str) -> Result<Secret, VaultError> {
        let bytes = BASE64.decode(sealed).map_err(|_| VaultError::DoesNotOpen)?;
        let Some((&FORMAT, rest)) = bytes.split_first() else { return Err(VaultError::DoesNotOpen) };
        let (nonce, msg) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::DoesNotOpen)?;
        let bound = associated(purpose, owner);
        let opened = self
            .cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad: &bound })
            .map_err(|_| VaultError::DoesNotOpen)?;
        String::from_utf8(opened).map(Secret).map_err(|_| VaultError::DoesNotOpen)
    }
}

fn associated(purpose: Purpose, owner: &str) -> Vec<u8> {
    [purpose.name().as_bytes(), b"\0", owner.as_bytes()].concat()
}

/// The vault of this server: under `given` (from the environment) when there is one, else under the
/// key in `path`, which is made, readable by its owner only, when absent.
pub fn load(path: &Path, given: Option<&str>) -> Result<Vault, VaultError> {
    if let Some(key) = given {
        return Vault::from_text(key);
    }
    let failed = |source| VaultError::Io { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => read_key(path, &text),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let key = random::bytes::<KEY_BYTES>()?;
            match write_key(path, &key) {
                Ok(()) => {
                    tracing::warn!(
                        path = %path.display(),
                        "made a key for secrets at rest; keep a copy, or set RECKONER_SECRET_KEY instead"
                    );
                    Ok(Vault::from_bytes(key))
                }
                // Another process was first.
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                    read_key(path, &std::fs::read_to_string(path).map_err(failed)?)
                }
                Err(why) => Err(failed(why)),
            }
        }
        Err(why) => Err(failed(why)),
    }
}

fn read_key(path: &Path, text: &str) -> Result<Vault, VaultError> {
    let bytes = BASE64.decode(text.trim_end()).unwrap_or_default();
    let key = <[u8; KEY_BYTES]>::try_from(bytes).map_err(|_| VaultError::KeyFile(path.to_owned()))?;
    Ok(Vault::from_bytes(key))
}

/// Written beside its place and linked there, so that no one ever reads half a key.
fn write_key(path: &Path, key: &[u8; KEY_BYTES]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let linked = writeln!(file, "{}", BASE64.encode(key))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&beside, path));
    std::fs::remove_file(&beside)?;
    linked?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vault() -> Vault {
        Vault::from_text("a key of the operator").unwrap()
    }

    #[test]
    fn opens_only_for_the_same_use_owner_and_key() {
        let secret = Secret::new("whsec_abc");
        let sealed = vault().seal(Purpose::WebhookSecret, "whe_1", &secret, [7; NONCE_BYTES]).unwrap();
        assert_eq!(vault().open(Purpose::WebhookSecret, "whe_1", &sealed).unwrap(), secret);
        assert!(vault().open(Purpose::WebhookSecret, "whe_2", &sealed).is_err());
        let other = Vault::from_text("another key of theirs").unwrap();
        assert!(other.open(Purpose::WebhookSecret, "whe_1", &sealed).is_err());
        assert!(matches!(Vault::from_text("short"), Err(VaultError::KeyTooShort)));
        assert_eq!(format!("{secret:?} {:?}", vault()), "Secret(***) Vault(***)");
    }

    #[test]
    fn sealed_form_stays_readable() {
        let empty = "AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==";
        assert!(vault().open(Purpose::WebhookSecret, "whe_1", empty).is_err());
        let sealed = vault()
            .seal(Purpose::WebhookSecret, "whe_1", &Secret::new("whsec_abc"), [7; NONCE_BYTES])
            .unwrap();
        assert_eq!(sealed, "AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB56T5yD9fIZeQwmdhOB+90UEt9yT/sdTC4M=");
    }

    proptest! {
        #[test]
        fn any_change_of_a_byte_is_noticed(text in ".*", nonce: [u8; NONCE_BYTES], at: prop::sample::Index, bit in 0_u8..8) {
            let sealed = vault().seal(Purpose::WebhookSecret, "o", &Secret::new(text.clone()), nonce).unwrap();
            let opened = vault().open(Purpose::WebhookSecret, "o", &sealed).unwrap();
            prop_assert_eq!(opened.expose(), text);
            let mut bytes = BASE64.decode(&sealed).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(vault().open(Purpose::WebhookSecret, "o", &BASE64.encode(bytes)).is_err());
        }
    }

    #[test]
    fn makes_a_key_file_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let made = load(&path, None).unwrap();
        let sealed = made.seal(Purpose::WebhookSecret, "o", &Secret::new("x"), [1; NONCE_BYTES]).unwrap();
        let again = load(&path, None).unwrap();
        assert_eq!(again.open(Purpose::WebhookSecret, "o", &sealed).unwrap().expose(), "x");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let given = load(&path, Some("a key of the operator")).unwrap();
        assert!(given.open(Purpose::WebhookSecret, "o", &sealed).is_err());
        std::fs::write(&path, "nonsense").unwrap();
        assert!(matches!(load(&path, None), Err(VaultError::KeyFile(_))));
    }
}
