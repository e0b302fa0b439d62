//! API keys: how they are made, found and remembered.
use super::caller::{Actor, Caller};
use crate::clock::Clock;
use crate::random::{self, NoRandomness};
use crate::store::Scopes;
use crate::store::api_keys::{self, ApiKey, KeyHash};
use crate::store::{Db, StoreError};
use parking_lot::Mutex;
use reckoner_domain::id::{ApiKeyId, ProjectId};
use reckoner_domain::time::{SECOND, Timestamp};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

/// How long a key that was found is trusted without looking again: a key revoked on another node,
/// or by the command line, ceases to work within this time.
const TRUST_S: i64 = 2;
/// Most keys remembered.
const REMEMBERED_MAX: usize = 10_000;
/// Random bytes of a key.
const KEY_BYTES: usize = 24;

/// Finds callers by their keys. Clones share one state.
#[derive(Clone, Debug)]
pub struct Keys {
    db: Db,
    clock: Clock,
    remembered: Arc<Mutex<Remembered>>,
    used: Arc<Mutex<HashSet<(ProjectId, ApiKeyId)>>>,
}

/// Keys that were found, and how often all of them were forgotten.
#[derive(Debug, Default)]
struct Remembered {
    keys: HashMap<KeyHash, (ApiKey, Timestamp)>,
    forgotten: u64,
}

impl Keys {
    /// Nothing remembered yet.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, remembered: Arc::default(), used: Arc::default() }
    }

    /// Who holds this key; `None` for one that is unknown, revoked or expired. Keys are looked up by
    /// their hash, so that how long it takes says nothing about a key's characters.
    pub async fn caller(&self, key: &str) -> Result<Option<Caller>, StoreError> {
        let hash = KeyHash::of(key);
        let now = self.clock.real();
        let fresh = |seen: &Timestamp| now.micros_since(*seen) < TRUST_S * SECOND;
        let (known, forgotten) = {
            let remembered = self.remembered.lock();
            let known = remembered.keys.get(&hash).filter(|(_, seen)| fresh(seen));
            (known.map(|(key, _)| key.clone()), remembered.forgotten)
        };
        let known = match known {
            Some(known) => known,
            None => match api_keys::find_by_hash(&self.db, hash).await? {
                Some(found) => self.remember(found, now, forgotten),
                None => return Ok(None),
            },
        };
        if !known.is_valid_at(now) {
            return Ok(None);
        }
        self.used.lock().insert((known.project, known.id.clone()));
        let ApiKey { project, id, scopes, customer, .. } = known;
        Ok(Some(Caller { project, actor: Actor::Key(id), scopes, customer }))
    }

    /// What was read before the last change of keys may be wrong by now, and is not remembered.
    fn remember(&self, key: ApiKey, now: Timestamp, forgotten: u64) -> ApiKey {
        let mut remembered = self.remembered.lock();
        if remembered.forgotten != forgotten {
            return key;
        }
        if remembered.keys.len() >= REMEMBERED_MAX {
            remembered.keys.clear();
        }
        remembered.keys.insert(key.hash, (key.clone(), now));
        key
    }

    /// Forgets what was remembered: keys changed here.
    pub fn forget(&self) {
        let mut remembered = self.remembered.lock();
        remembered.keys.clear();
        remembered.forgotten = remembered.forgotten.wrapping_add(1);
    }

    /// Writes down which keys were used since the last call.
    pub async fn note_uses(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock());
        let mut by_project: HashMap<ProjectId, Vec<ApiKeyId>> = HashMap::new();
        for (project, id) in used {
            by_project.entry(project).or_default().push(id);
        }
        let now = self.clock.real();
        for (project, ids) in by_project {
            api_keys::touch(&self.db, project, &ids, now).await?;
        }
        Ok(())
    }
}

/// Makes a new key's value: `rk_live_` or `rk_test_` and 192 random bits.
pub fn make_key(project_name: &str) -> Result<String, NoRandomness> {
    let mut key = format!("rk_{project_name}_");
    for byte in random::bytes::<KEY_BYTES>()? {
        // Writing to a text does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    Ok(key)
}

/// A key's row, from its value.
pub fn to_row(
    key: &str,
    project: ProjectId,
    name: &str,
    scopes: Scopes,
    now: Timestamp,
) -> Result<ApiKey, NoRandomness> {
    Ok(ApiKey {
        id: ApiKeyId::from_bits(random::id_bits(now)?),
        project,
        name: name.to_owned(),
        prefix: api_keys::prefix_of(key),
        hash: KeyHash::of(key),
        scopes,
        customer: None,
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    })
}
