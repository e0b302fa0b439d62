//! Calls that make something: each is written down before, with the key it goes by, and after, with what
//! Stripe calls what was made, so that one that a crash cut off makes nothing twice.
use super::account::Account;
use super::client::Params;
use super::error::CallError;
use crate::store::stripe::requests::{self, Intent, Request};
use crate::store::{Db, StoreError};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{HOUR, SECOND, Timestamp};
use serde_json::Value;

/// For how long a call that was not answered goes by its idempotency key, in microseconds: Stripe remembers
/// keys for a day at least. After that what it made is looked for before another key is taken.
const KEY_MICROS: i64 = 12 * HOUR;
/// How many objects a page has that is looked through.
pub const PAGE_OBJECTS: usize = 100;
/// Most pages that are looked through for what a call made.
const PAGES_MAX: usize = 50;
/// How far Stripe's clock and ours may be apart, in microseconds.
const CLOCKS_APART: i64 = 300 * SECOND;
/// Names a call in the metadata of what it makes.
pub const MARK: &str = "reckoner_request";

/// Something to make.
pub struct Make<'a> {
    /// Whose.
    pub project: ProjectId,
    /// What it does, for people.
    pub operation: &'static str,
    /// Names it for ever.
    pub key: &'a str,
    /// Where it is made.
    pub path: &'a str,
    /// Of what.
    pub params: Params,
    /// Where it is looked for, with what narrows that down; it bears the [`MARK`] there.
    pub among: Option<(&'static str, Params)>,
}

/// What was made.
pub struct Made {
    /// What Stripe calls it.
    pub name: String,
    /// It, where it was made just now.
    pub body: Option<Value>,
}

impl Account {
    /// Makes something once, however often it is asked for and wherever a process dies.
    pub async fn make(&self, db: &Db, make: Make<'_>) -> Result<Made, CallError> {
        let intent = Intent { key: make.key, project: make.project, operation: make.operation };
        let now = self.clock.real();
        let mut request = requests::begin(db, intent, now).await?;
        if let Some(name) = request.reference {
            return Ok(Made { name, body: None });
        }
        if request.answered_at.is_some() {
            // It was refused: nothing was made under that key, which would be refused again.
            request = requests::renew(db, make.key, request.generation, now).await?;
        } else if request.attempts > 1 && now.micros_since(request.first_at) > KEY_MICROS {
            if let Some(name) = self.find_made(&make, request.first_at).await? {
                requests::succeed(db, make.key, &name, now).await?;
                return Ok(Made { name, body: None });
            }
            request = requests::renew(db, make.key, request.generation, now).await?;
        }
        if let Some(name) = request.reference {
            return Ok(Made { name, body: None });
        }
        self.ask(db, make, &request).await
    }

    async fn ask(&self, db: &Db, mut make: Make<'_>, request: &Request) -> Result<Made, CallError> {
        if make.among.is_some() {
            make.params.push((format!("metadata[{MARK}]"), make.key.to_owned()));
        }
        let key = idempotency_key(make.key, request.generation);
        let answer = self.client.post(make.path, &make.params, &key).await;
        let name = |body: &Value| body.get("id").and_then(Value::as_str).map(str::to_owned);
        let answer = answer.and_then(|body| match name(&body) {
            Some(name) => Ok((name, body)),
            None => Err(CallError::Unanswered("what came has no id".to_owned())),
        });
        let now = self.clock.real();
        match answer {
            Ok((name, body)) => {
                requests::succeed(db, make.key, &name, now).await?;
                Ok(Made { name, body: Some(body) })
            }
            Err(error) => {
                let answered_at = error.is_certain().then_some(now);
                let which = (make.key, request.generation);
                requests::fail(db, which, &error.to_string(), answered_at).await?;
                Err(error)
            }
        }
    }

    /// What a call made that was not answered, by its mark.
    async fn find_made(&self, make: &Make<'_>, since: Timestamp) -> Result<Option<String>, CallError> {
        let Some((path, narrowed)) = &make.among else { return Ok(None) };
        let from = since.plus_micros(-CLOCKS_APART).as_seconds();
        let to = since.plus_micros(2 * KEY_MICROS).as_seconds();
        let mut params = narrowed.clone();
        params.push(("created[gte]".to_owned(), from.to_string()));
        params.push(("created[lte]".to_owned(), to.to_string()));
        let mut found = None;
        let is_whole = self
            .walk(path, params, PAGES_MAX, |object| {
                let mark = object.get("metadata").and_then(|all| all.get(MARK)).and_then(Value::as_str);
                if mark == Some(make.key) {
                    found = object.get("id").and_then(Value::as_str).map(str::to_owned);
                }
                found.is_none()
            })
            .await?;
        if found.is_none() && !is_whole {
            let text = format!("too much was made at Stripe meanwhile to tell whether {} is there", make.key);
            return Err(CallError::Unreadable(text));
        }
        Ok(found)
    }

    /// Shows every object of a list, page by page, until there are no more or `look` has seen enough; false
    /// where there are more than so many pages.
    pub(super) async fn walk(
        &self,
        path: &str,
        mut params: Params,
        pages_max: usize,
        mut look: impl FnMut(&Value) -> bool + Send,
    ) -> Result<bool, CallError> {
        params.push(("limit".to_owned(), PAGE_OBJECTS.to_string()));
        let mut after: Option<String> = None;
        for _ in 0..pages_max {
            let mut asked = params.clone();
            asked.extend(after.take().map(|last| ("starting_after".to_owned(), last)));
            let page = self.client.get(path, &asked).await?;
            let objects = page.get("data").and_then(Value::as_array);
            let objects = objects.ok_or_else(|| CallError::Unreadable("a list has no data".to_owned()))?;
            for object in objects {
                if !look(object) {
                    return Ok(true);
                }
            }
            let has_more = page.get("has_more").and_then(Value::as_bool).unwrap_or(false);
            let last = objects.last().and_then(|last| last.get("id")).and_then(Value::as_str);
            match last.filter(|_| has_more) {
                Some(last) => after = Some(last.to_owned()),
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// The key that a generation of a call goes by.
fn idempotency_key(key: &str, generation: u32) -> String {
    if generation == 1 { key.to_owned() } else { format!("{key}:{generation}") }
}

/// What the control plane refuses is its own failure, whatever was asked of Stripe.
impl From<crate::random::NoRandomness> for CallError {
    fn from(error: crate::random::NoRandomness) -> Self {
        Self::Store(StoreError::from(error))
    }
}
