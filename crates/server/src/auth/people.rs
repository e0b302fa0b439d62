//! Finds people by their access tokens.
use super::caller::Person;
use super::tokens::{Signer, TokenError};
use crate::clock::Clock;
use crate::store::{Db, StoreError, TokenHash, memberships, sessions};
use parking_lot::Mutex;
use reckoner_domain::id::SessionId;
use reckoner_domain::time::{SECOND, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// How long a session that was read is trusted without looking again, in seconds: one that is ended on
/// another node ceases to work within this time.
const TRUST_S: i64 = 2;
/// Most sessions remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Finds people by their access tokens. Clones share one state.
#[derive(Clone, Debug)]
pub struct People {
    db: Db,
    clock: Clock,
    signer: Arc<Signer>,
    remembered: Arc<Mutex<Remembered>>,
}

/// By what a session is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum By {
    Id(SessionId),
    Cookie(TokenHash),
}

/// Sessions that were read, and how often all of them were forgotten.
#[derive(Debug, Default)]
struct Remembered {
    people: HashMap<By, (Person, Timestamp)>,
    forgotten: u64,
}

impl People {
    /// Nobody remembered yet.
    pub fn new(db: Db, clock: Clock, signer: Arc<Signer>) -> Self {
        Self { db, clock, signer, remembered: Arc::default() }
    }

    /// Who holds this access token; `None` for one that is not ours, has ended, or whose session has.
    pub async fn person(&self, token: &str) -> Result<Option<Person>, StoreError> {
        let now = self.clock.real();
        let access = match self.signer.read(token, now) {
            Ok(access) => access,
            Err(error) => {
                note(if error == TokenError::Expired { "expired" } else { "invalid" });
                return Ok(None);
            }
        };
        let person = self.find(By::Id(access.session), now).await?;
        let person = person.filter(|one| one.session.user == access.user && one.session.is_valid_at(now));
        note(if person.is_some() { "valid" } else { "ended" });
        Ok(person)
    }

    /// Who holds this cookie; `None` for one that is unknown, or whose session has ended.
    pub async fn person_of_cookie(&self, cookie: &str) -> Result<Option<Person>, StoreError> {
        let now = self.clock.real();
        let person = self.find(By::Cookie(TokenHash::of(cookie)), now).await?;
        Ok(person.filter(|one| one.session.is_valid_at(now)))
    }

    async fn find(&self, by: By, now: Timestamp) -> Result<Option<Person>, StoreError> {
        let (known, forgotten) = {
            let remembered = self.remembered.lock();
            let known = remembered.people.get(&by);
            let known = known.filter(|(_, seen)| now.micros_since(*seen) < TRUST_S * SECOND);
            (known.map(|(person, _)| person.clone()), remembered.forgotten)
        };
        match known {
            Some(person) => Ok(Some(person)),
            None => self.look_up(by, now, forgotten).await,
        }
    }

    async fn look_up(&self, by: By, now: Timestamp, forgotten: u64) -> Result<Option<Person>, StoreError> {
        let session = match &by {
            By::Id(id) => match sessions::get(&self.db, id).await {
                Err(StoreError::NotFound) => None,
                found => Some(found?),
            },
            By::Cookie(hash) => sessions::find_by_cookie(&self.db, *hash).await?,
        };
        let Some(session) = session else { return Ok(None) };
        let memberships = memberships::of_user(&self.db, &session.user).await?;
        let person = Person { session, memberships };
        let mut remembered = self.remembered.lock();
        // What was read before the last change may be wrong by now, and is not remembered.
        if remembered.forgotten == forgotten {
            if remembered.people.len() >= REMEMBERED_MAX {
                remembered.people.clear();
            }
            remembered.people.insert(by, (person.clone(), now));
        }
        Ok(Some(person))
    }

    /// Forgets what was remembered: sessions or memberships changed here.
    pub fn forget(&self) {
        let mut remembered = self.remembered.lock();
        remembered.people.clear();
        remembered.forgotten = remembered.forgotten.wrapping_add(1);
    }
}

fn note(result: &'static str) {
    metrics::counter!("auth_token_validation_total", "result" => result).increment(1);
}
