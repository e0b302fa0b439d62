//! Services: how they prove themselves, and what their tokens open.
use super::caller::{Actor, Caller, scopes_for};
use super::error::AuthError;
use super::tokens::{ServiceAccess, Signer};
use crate::clock::Clock;
use crate::config::{self, Secret};
use crate::store::Scopes;
use crate::store::projects::{LIVE, TEST};
use crate::webhooks::vault::Vault;
use parking_lot::RwLock;
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
    /// Replaced as a whole when the configuration is read again.
    table: RwLock<Arc<Table>>,
    key: Key,
    signer: Arc<Signer>,
    clock: Clock,
}

/// The services of one reading of the configuration.
#[derive(Debug, Default)]
struct Table {
    known: BTreeMap<String, Known>,
    allow_unproven: bool,
}

/// A service.
#[derive(Debug)]
struct Known {
    has_secret: bool,
    /// What its secret comes to under the key; that of no secret where it has none.
    proof: [u8; 32],
    mark: String,
    scopes: Scopes,
    /// Where it acts; everywhere where none is named.
    projects: Vec<ProjectId>,
}

impl Known {
    fn acts_in(&self, project: ProjectId) -> bool {
        self.projects.is_empty() || self.projects.contains(&project)
    }

    /// Where it acts when it names no project.
    fn default_project(&self) -> ProjectId {
        if self.acts_in(LIVE) { LIVE } else { self.projects.first().copied().unwrap_or(LIVE) }
    }
}

/// What became of a service's token.
#[derive(Debug)]
pub enum Found {
    /// It opens this.
    Caller(Caller),
    /// It is good, and the service does not act in the project.
    Elsewhere,
    /// It is not good.
    Nobody,
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
        let services = Self { table: RwLock::default(), key: Key(vault.derive(KEY_CONTEXT)), signer, clock };
        services.replace(config);
        services
    }

    /// Those of a configuration that was read again. Tokens of services that are gone, or have another
    /// secret, cease to work.
    pub fn replace(&self, config: &config::Services) {
        let known = config.known.iter().map(|(name, service)| {
            let secret = service.secret.as_ref().map_or("", Secret::expose);
            let proof = self.key.proof(secret);
            let mark = mark(&proof);
            let (has_secret, scopes) = (service.secret.is_some(), scopes_for(&service.permissions));
            let projects = service.projects.iter().map(|name| if name == "test" { TEST } else { LIVE });
            (name.clone(), Known { has_secret, proof, mark, scopes, projects: projects.collect() })
        });
        let table = Table { known: known.collect(), allow_unproven: config.allow_unproven };
        *self.table.write() = Arc::new(table);
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read())
    }

    /// A token for the service of this name, which proves itself with its secret. Somebody unknown and
    /// somebody with a wrong secret are told the same, after the same work.
    pub fn issue(&self, name: &str, secret: Option<&str>) -> Result<Secret, AuthError> {
        let table = self.table();
        let found = table.known.get(name);
        let sent = self.key.proof(secret.unwrap_or_default());
        let expected = found.map_or([0; 32], |known| known.proof);
        let matches = bool::from(expected.ct_eq(&sent));
        let proved = found.filter(|known| match secret {
            Some(_) if known.has_secret => matches,
            Some(_) | None => table.allow_unproven,
        });
        note(found.map(|_| name), proved.is_some());
        proved.map_or(Err(AuthError::Service), |known| self.sign(name, known))
    }

    /// Another token for a service that has shown who it is.
    pub fn renew(&self, name: &str) -> Result<Secret, AuthError> {
        let table = self.table();
        let known = table.known.get(name).ok_or(AuthError::Service)?;
        self.sign(name, known)
    }

    fn sign(&self, name: &str, known: &Known) -> Result<Secret, AuthError> {
        let access = ServiceAccess { name: name.to_owned(), mark: known.mark.clone() };
        Ok(Secret::new(self.signer.sign_service(&access, self.clock.real())?))
    }

    /// The name of the service that holds this token; `None` for a token that is not ours or has ended,
    /// whose service is not known any more, or has another secret since.
    pub fn holder(&self, token: &str) -> Option<String> {
        self.find(&self.table(), token)
    }

    /// Who holds this token, in the named project, or in that where the service acts by itself.
    pub fn caller(&self, token: &str, named: Option<ProjectId>) -> Found {
        let table = self.table();
        let Some(name) = self.find(&table, token) else { return Found::Nobody };
        let Some(known) = table.known.get(&name) else { return Found::Nobody };
        let project = named.unwrap_or_else(|| known.default_project());
        if !known.acts_in(project) {
            return Found::Elsewhere;
        }
        let scopes = known.scopes.clone();
        Found::Caller(Caller { project, actor: Actor::Service(name), scopes, customer: None })
    }

    fn find(&self, table: &Table, token: &str) -> Option<String> {
        let access = self.signer.read_service(token, self.clock.real()).ok();
        let named = access.as_ref().and_then(|access| table.known.get_key_value(&access.name));
        let good = |mark: &str| access.as_ref().is_some_and(|access| access.mark == mark);
        let found = named.filter(|(_, known)| good(&known.mark));
        note(named.map(|(name, _)| name.as_str()), found.is_some());
        found.map(|(name, _)| name.clone())
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
