//! Services: how they prove themselves, and what their tokens open.
use super::caller::{Actor, Caller, scopes_for};
use super::error::AuthError;
use super::tokens::{ServiceAccess, Signer};
use crate::clock::Clock;
use crate::config::{self, Secret};
use crate::store::Scopes;
use crate::webhooks::vault::Vault;
use reckoner_domain::id::ProjectId;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What the derived key is for.
const KEY_CONTEXT: &[u8] = b"reckoner secrets of services, version 1";
/// Bytes of a secret's hash that a token carries.
const MARK_BYTES: usize = 8;
/// The label of services that are not known: a client must not make series at will.
const UNKNOWN: &str = "unknown";

/// The services there are.
#[derive(Debug)]
pub struct Services {
    known: BTreeMap<String, Known>,
    allow_unproven: bool,
    key: Key,
    signer: Arc<Signer>,
    clock: Clock,
}

/// A service.
#[derive(Debug)]
struct Known {
    has_secret: bool,
    /// What its secret comes to under the key; that of no secret where it has none.
    proof: [u8; 32],
    mark: String,
    scopes: Scopes,
}

/// What secrets are hashed under, so that a hash tells nothing to those who see it.
struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    fn proof(&self, secret: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.0).chain_update(secret).finalize().into()
    }
}

impl Services {
    /// Those of the configuration.
    pub fn new(config: &config::Services, signer: Arc<Signer>, clock: Clock, vault: &Vault) -> Self {
        let key = Key(vault.derive(KEY_CONTEXT));
        let known = config.known.iter().map(|(name, service)| {
            let secret = service.secret.as_ref().map_or("", Secret::expose);
            let proof = key.proof(secret);
            let mark = mark(&proof);
            let scopes = scopes_for(&service.permissions);
            (name.clone(), Known { has_secret: service.secret.is_some(), proof, mark, scopes })
        });
        let known = known.collect();
        Self { known, allow_unproven: config.allow_unproven, key, signer, clock }
    }

    /// A token for the service of this name, which proves itself with its secret. Somebody unknown and
    /// somebody with a wrong secret are told the same, after the same work.
    pub fn issue(&self, name: &str, secret: Option<&str>) -> Result<Secret, AuthError> {
        let found = self.known.get_key_value(name);
        let sent = self.key.proof(secret.unwrap_or_default());
        let expected = found.map_or([0; 32], |(_, known)| known.proof);
        let matches = bool::from(expected.ct_eq(&sent));
        let proved = found.is_some_and(|(_, known)| match secret {
            Some(_) if known.has_secret => matches,
            Some(_) | None => self.allow_unproven,
        });
        note(found.map(|(name, _)| name.as_str()), proved);
        if !proved {
            return Err(AuthError::Service);
        }
        self.renew(name)
    }

    /// Another token for a service that has shown who it is.
    pub fn renew(&self, name: &str) -> Result<Secret, AuthError> {
        let known = self.known.get(name).ok_or(AuthError::Service)?;
        let access = ServiceAccess { name: name.to_owned(), mark: known.mark.clone() };
        Ok(Secret::new(self.signer.sign_service(&access, self.clock.real())?))
    }

    /// The name of the service that holds this token; `None` for a token that is not ours or has ended,
    /// whose service is not known any more, or has another secret since.
    pub fn holder(&self, token: &str) -> Option<&str> {
        self.find(token).map(|(name, _)| name)
    }

    /// Who holds this token, in a project.
    pub fn caller(&self, token: &str, project: ProjectId) -> Option<Caller> {
        let (name, known) = self.find(token)?;
        Some(Caller { project, actor: Actor::Service(name.to_owned()), scopes: known.scopes.clone() })
    }

    fn find(&self, token: &str) -> Option<(&str, &Known)> {
        let access = self.signer.read_service(token, self.clock.real()).ok();
        let named = access.as_ref().and_then(|access| self.known.get_key_value(&access.name));
        let good = |mark: &str| access.as_ref().is_some_and(|access| access.mark == mark);
        let found = named.filter(|(_, known)| good(&known.mark));
        note(named.map(|(name, _)| name.as_str()), found.is_some());
        found.map(|(name, known)| (name.as_str(), known))
    }
}

/// The part of a proof that tells one secret from another.
fn mark(proof: &[u8; 32]) -> String {
    let mut text = String::new();
    for byte in proof.iter().take(MARK_BYTES) {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Counts an attempt of a service, if it is one.
fn note(service: Option<&str>, good: bool) {
    let service = service.unwrap_or(UNKNOWN).to_owned();
    let result = if good { "success" } else { "failure" };
    metrics::counter!("service_auth_attempts_total", "service" => service, "result" => result).increment(1);
}
