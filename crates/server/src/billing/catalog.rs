//! Catalogues are applied whole or not at all; what is in force becomes a new version where it differs.
use crate::clock::Clock;
use crate::store::audit::Change;
use crate::store::catalog::{self, Entry, Stored};
use crate::store::{StoreError, Tx, subscriptions};
use reckoner_domain::entitlement::Grant;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Catalogue, MeterKey};
use reckoner_domain::plan::{Difference, Plan, differences_of};
use reckoner_domain::problem::{Problem, Problems};
use reckoner_domain::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Aggregations that a quota can count.
pub const QUOTA_AGGREGATIONS: [Aggregation; 5] = [
    Aggregation::Sum,
    Aggregation::Count,
    Aggregation::Max,
    Aggregation::UniqueCount,
    Aggregation::TimeWeightedAvg,
];

/// What becomes of a plan or coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryChange {
    /// `plan` or `coupon`.
    pub kind: &'static str,
    /// Its key.
    pub key: String,
    /// What is done.
    pub action: Action,
    /// The version in force then.
    pub version: u32,
    /// Subscriptions that stay on earlier versions.
    pub subscriptions_staying: u64,
    /// The fields that differ.
    pub fields: Vec<Difference>,
}

/// What is done to a plan or coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Create,
    /// It gets a new version.
    Update,
    /// It was archived, and may be had again.
    Restore,
    /// Nobody new gets it.
    Archive,
}

impl Action {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Restore => "restore",
            Self::Archive => "archive",
        }
    }
}

/// Where and by whom entries are changed.
pub struct Place<'a, 'c> {
    /// The transaction; the caller writes `audit` down and commits.
    pub tx: &'a mut Tx,
    /// Time.
    pub clock: &'a Clock,
    /// The project.
    pub project: ProjectId,
    /// Who does it.
    pub by: &'a (dyn Display + Sync),
    /// What is to be written down.
    pub audit: &'c mut Vec<Change>,
}

/// Puts entries in force. Answers what differs from what was, by key; those not named are archived
/// where `prune` says so. [`StoreError::Conflict`] when somebody else makes a version at this moment.
pub async fn put<E: Entry>(
    place: &mut Place<'_, '_>,
    wanted: &[E],
    prune: bool,
) -> Result<Vec<EntryChange>, StoreError> {
    let known: BTreeMap<String, Stored<E>> = catalog::list::<E>(&mut *place.tx, place.project)
        .await?
        .into_iter()
        .map(|stored| (stored.entry.key().to_owned(), stored))
        .collect();
    let mut changes = Vec::new();
    for entry in wanted {
        changes.extend(put_one(place, entry, known.get(entry.key())).await?);
    }
    if prune {
        for (key, stored) in &known {
            if stored.archived_at.is_none() && !wanted.iter().any(|entry| entry.key() == key) {
                changes.push(archive(place, stored).await?);
            }
        }
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(changes)
}

async fn put_one<E: Entry>(
    place: &mut Place<'_, '_>,
    entry: &E,
    known: Option<&Stored<E>>,
) -> Result<Option<EntryChange>, StoreError> {
    let now = place.now();
    let change = |action, version, fields| EntryChange {
        kind: E::KIND,
        key: entry.key().to_owned(),
        action,
        version,
        subscriptions_staying: 0,
        fields,
    };
    let Some(known) = known else {
        catalog::insert(place.tx, place.project, (entry, 1), now).await?;
        place.note::<E>(Action::Create, entry.key(), None, Some((entry, 1)));
        return Ok(Some(change(Action::Create, 1, Vec::new())));
    };
    let archived = known.archived_at.is_some();
    if archived {
        catalog::set_archived::<E>(place.tx, place.project, entry.key(), None).await?;
    }
    let before = Some((&known.entry, known.version));
    if known.entry.says_the_same(entry) {
        if !archived {
            return Ok(None);
        }
        place.note(Action::Restore, entry.key(), before, before);
        return Ok(Some(change(Action::Restore, known.version, Vec::new())));
    }
    let version = known.version + 1;
    catalog::insert(place.tx, place.project, (entry, version), now).await?;
    place.note(Action::Update, entry.key(), before, Some((entry, version)));
    let staying = if E::KIND == Plan::KIND {
        subscriptions::count_open(&mut *place.tx, place.project, entry.key()).await?
    } else {
        0
    };
    let fields = differences_of(&known.entry.form(), &entry.form());
    Ok(Some(EntryChange { subscriptions_staying: staying, ..change(Action::Update, version, fields) }))
}

/// Archives a plan or coupon: those who have it keep it.
pub async fn archive<E: Entry>(
    place: &mut Place<'_, '_>,
    stored: &Stored<E>,
) -> Result<EntryChange, StoreError> {
    let key = stored.entry.key();
    let now = place.now();
    catalog::set_archived::<E>(place.tx, place.project, key, Some(now)).await?;
    place.note(Action::Archive, key, Some((&stored.entry, stored.version)), None);
    Ok(EntryChange {
        kind: E::KIND,
        key: key.to_owned(),
        action: Action::Archive,
        version: stored.version,
        subscriptions_staying: 0,
        fields: Vec::new(),
    })
}

impl Place<'_, '_> {
    fn now(&self) -> Timestamp {
        self.clock.of_project(self.project)
    }

    fn note<E: Entry>(
        &mut self,
        action: Action,
        key: &str,
        before: Option<(&E, u32)>,
        after: Option<(&E, u32)>,
    ) {
        let is_plan = E::KIND == Plan::KIND;
        let name = match action {
            Action::Create if is_plan => "plan.created",
            Action::Update if is_plan => "plan.updated",
            Action::Restore if is_plan => "plan.restored",
            Action::Archive if is_plan => "plan.archived",
            Action::Create => "coupon.created",
            Action::Update => "coupon.updated",
            Action::Restore => "coupon.restored",
            Action::Archive => "coupon.archived",
        };
        let mut change = Change::new(Some(self.project), self.by, name, key);
        if let Some(before) = before {
            change = change.before(shown(before));
        }
        if let Some(after) = after {
            change = change.after(shown(after));
        }
        self.audit.push(change);
    }
}

fn shown<E: Entry>((entry, version): (&E, u32)) -> Value {
    json!({"version": version, "definition": serde_json::to_value(entry.form()).unwrap_or_default()})
}

/// What is wrong between plans and the meters there are: a meter that no plan can count or price by.
pub fn check_meters(plans: &[Plan], meters: &Catalogue) -> Vec<Problem> {
    let mut problems = Problems::default();
    for (index, plan) in plans.iter().enumerate() {
        problems.within(&format!("plans[{index}]"), |problems| check_plan(plan, meters, problems));
    }
    problems.into_result(Some(())).err().unwrap_or_default()
}

fn check_plan(plan: &Plan, meters: &Catalogue, problems: &mut Problems) {
    for (index, entitlement) in plan.entitlements.iter().enumerate() {
        let Grant::Metered(quota) = &entitlement.grant else { continue };
        let field = format!("entitlements[{index}].meter");
        let Some(aggregation) = find(&field, &quota.meter, meters, problems) else { continue };
        if !QUOTA_AGGREGATIONS.contains(&aggregation) {
            let names = QUOTA_AGGREGATIONS.map(Aggregation::as_str).join(", ");
            let reason = format!("is a meter of {}, and a quota counts by {names}", aggregation.as_str());
            problems.note(&field, reason);
        }
    }
    for (index, price) in plan.prices.iter().enumerate() {
        if let Some(meter) = price.meter() {
            find(&format!("prices[{index}].meter"), meter, meters, problems);
        }
    }
}

fn find(field: &str, key: &MeterKey, meters: &Catalogue, problems: &mut Problems) -> Option<Aggregation> {
    let meter = meters.get(key.as_str());
    if meter.is_none() {
        problems.note(
            field,
            format!("names no meter: make {key} first, or name it in `meters` or `missing_meters`"),
        );
    }
    meter.map(|meter| meter.aggregation)
}
