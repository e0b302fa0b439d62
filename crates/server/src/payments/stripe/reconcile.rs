//! What Stripe has of what was sent, held against what is written down; nothing changes by it but the list of
//! differences.
use super::account::Account;
use super::error::CallError;
use crate::store::stripe::charges::{self, Item};
use crate::store::stripe::differences::{self, Difference, Kind};
use crate::store::{Db, StoreError};
use reckoner_domain::id::ChargeId;
use reckoner_domain::time::{DAY, HOUR, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// How far back is looked, in microseconds of real time.
pub const LOOK_BACK: i64 = 35 * DAY;
/// What was sent within this time is not held to be missing, in microseconds.
const FRESH: i64 = HOUR;
/// Most pages of Stripe's list that are looked through.
const PAGES_MAX: usize = 500;
/// How many rows are read at a time.
const ROWS_AT_ONCE: u32 = 500;
/// Most differences of earlier looks that are looked at one by one.
const AGAIN_MAX: u32 = 200;

/// What a look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Since when.
    pub since: Timestamp,
    /// How many charges are written down as sent.
    pub here: u64,
    /// How many items of ours Stripe has.
    pub there: u64,
    /// How many differences there are.
    pub differences: u64,
    /// How many of these are new.
    pub new: u64,
    /// How many of earlier looks are gone.
    pub resolved: u64,
    /// Whether all of Stripe's list was seen; otherwise nothing is held to be missing there.
    pub is_whole: bool,
}

/// An item as Stripe has it.
struct There {
    charge: Option<ChargeId>,
    currency: String,
    minor: Option<i64>,
    created_s: i64,
}

impl Account {
    /// Looks, and writes differences down.
    pub async fn reconcile(&self, db: &Db) -> Result<Looked, CallError> {
        let now = self.clock.real();
        let since = now.plus_micros(-LOOK_BACK);
        let here = self.sent_since(db, since).await?;
        let (there, is_whole) = self.items_since(since).await?;
        let mut found = Vec::new();
        for (name, item) in &here {
            match there.get(name) {
                Some(one) => found.extend(other_amount(item, name, one, now)),
                None if is_whole && item.sent_at.is_some_and(|at| now.micros_since(at) > FRESH) => {
                    found.extend(self.look_at(item, name, now).await?);
                }
                None => {}
            }
        }
        for (name, one) in there.iter().filter(|(name, _)| !here.contains_key(*name)) {
            let is_fresh = now.as_seconds().saturating_sub(one.created_s) < FRESH / 1_000_000;
            // It may have been sent just before the time that is looked at.
            if !is_fresh && charges::by_name(db, self.project, name).await?.is_none() {
                found.push(missing_here(name, one, now));
            }
        }
        let mut looked = Looked {
            since,
            here: here.len() as u64,
            there: there.len() as u64,
            is_whole,
            ..Looked::default()
        };
        looked.differences = found.len() as u64;
        let gone = self.gone(db, now, &found).await?;
        looked.resolved = gone.len() as u64;
        looked.new = self.write(db, &found, &gone, now).await?;
        Ok(looked)
    }

    async fn sent_since(&self, db: &Db, since: Timestamp) -> Result<BTreeMap<String, Item>, StoreError> {
        let (mut all, mut after) = (BTreeMap::new(), None::<(Timestamp, ChargeId)>);
        loop {
            let last = after.as_ref().map(|(at, id)| (*at, id));
            let some = charges::sent(db, self.project, since, (last, ROWS_AT_ONCE)).await?;
            let is_last = some.len() < ROWS_AT_ONCE as usize;
            after = some.last().and_then(|one| Some((one.sent_at?, one.charge.clone())));
            all.extend(some.into_iter().filter_map(|one| Some((one.name.clone()?, one))));
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Items of ours that Stripe has, by name, and whether these are all.
    async fn items_since(&self, since: Timestamp) -> Result<(BTreeMap<String, There>, bool), CallError> {
        let ours = self.project.0.to_string();
        let mut there = BTreeMap::new();
        let params = vec![("created[gte]".to_owned(), since.as_seconds().to_string())];
        let is_whole = self
            .walk("/v1/invoiceitems", params, PAGES_MAX, |object| {
                let is_ours = object.pointer("/metadata/reckoner_project").and_then(Value::as_str);
                let name = object.get("id").and_then(Value::as_str);
                if let Some(name) = name.filter(|_| is_ours == Some(ours.as_str())) {
                    there.insert(name.to_owned(), read_there(object));
                }
                true
            })
            .await?;
        Ok((there, is_whole))
    }

    /// An item that the list does not have: whether Stripe knows it by name.
    async fn look_at(
        &self,
        item: &Item,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Difference>, CallError> {
        let missing = Difference {
            kind: Kind::MissingThere,
            item: name.to_owned(),
            charge: Some(item.charge.clone()),
            currency: item.currency.clone(),
            here_minor: Some(item.minor),
            there_minor: None,
            first_seen_at: now,
            last_seen_at: now,
            resolved_at: None,
        };
        match self.client.get(&format!("/v1/invoiceitems/{name}"), &Vec::new()).await {
            Ok(object) if object.get("deleted").and_then(Value::as_bool) == Some(true) => Ok(Some(missing)),
            Ok(object) => Ok(other_amount(item, name, &read_there(&object), now)),
            Err(CallError::Refused { .. }) => Ok(Some(missing)),
            Err(error) => Err(error),
        }
    }

    /// Differences of earlier looks that are not there any more.
    async fn gone(
        &self,
        db: &Db,
        now: Timestamp,
        found: &[Difference],
    ) -> Result<Vec<Difference>, CallError> {
        let mut gone = Vec::new();
        for old in differences::unseen(db, self.project, now, AGAIN_MAX).await? {
            if found.iter().any(|one| (one.kind, &one.item) == (old.kind, &old.item)) {
                continue;
            }
            let item = charges::by_name(db, self.project, &old.item).await?;
            let is_gone = match (&item, old.kind) {
                (Some(_), Kind::MissingHere) => true,
                (Some(item), _) => self.look_at(item, &old.item, now).await?.is_none(),
                (None, _) => false,
            };
            if is_gone {
                gone.push(old);
            }
        }
        Ok(gone)
    }

    async fn write(
        &self,
        db: &Db,
        found: &[Difference],
        gone: &[Difference],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut new = 0;
        let mut tx = db.begin().await?;
        for one in found {
            new += u64::from(differences::see(&mut tx, self.project, one).await?);
        }
        for one in gone {
            differences::resolve(&mut tx, self.project, one, now).await?;
        }
        tx.commit().await?;
        Ok(new)
    }
}

fn read_there(object: &Value) -> There {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    There {
        charge: text("/metadata/reckoner_charge").and_then(|id| ChargeId::parse(id).ok()),
        currency: text("/currency").unwrap_or_default().to_owned(),
        minor: object.get("amount").and_then(Value::as_i64),
        created_s: ["created", "date"].iter().find_map(|name| object.get(*name)?.as_i64()).unwrap_or(0),
    }
}

fn other_amount(item: &Item, name: &str, there: &There, now: Timestamp) -> Option<Difference> {
    let same = there.minor == Some(item.minor) && there.currency == item.currency;
    (!same).then(|| Difference {
        kind: Kind::OtherAmount,
        item: name.to_owned(),
        charge: Some(item.charge.clone()),
        currency: there.currency.clone(),
        here_minor: Some(item.minor),
        there_minor: there.minor,
        first_seen_at: now,
        last_seen_at: now,
        resolved_at: None,
    })
}

fn missing_here(name: &str, there: &There, now: Timestamp) -> Difference {
    Difference {
        kind: Kind::MissingHere,
        item: name.to_owned(),
        charge: there.charge.clone(),
        currency: there.currency.clone(),
        here_minor: None,
        there_minor: there.minor,
        first_seen_at: now,
        last_seen_at: now,
        resolved_at: None,
    }
}
