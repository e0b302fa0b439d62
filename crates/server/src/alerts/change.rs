//! Alerts are made, changed and deleted, on the record of changes.
use super::draft::Draft;
use super::{AlertError, Alerts};
use crate::random;
use crate::store::alerts::{self, Alert, Terms};
use crate::store::audit::{self, Change};
use crate::store::{StoreError, Tx, changes, webhook_endpoints};
use crate::webhooks::service::{WebhookError, Webhooks};
use reckoner_domain::alert::ALERTS_MAX;
use reckoner_domain::id::{AlertId, EndpointId, ProjectId};
use reckoner_domain::problem::Problem;
use std::fmt::Display;

/// Why an alert is not made or changed; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Fields that are wrong, all of them.
    #[error("invalid")]
    Invalid(Vec<Problem>),
    /// The project has as many as it may have.
    #[error("a project has at most {ALERTS_MAX} alerts")]
    TooMany,
    /// It cannot be stored, or is not there.
    #[error(transparent)]
    Alert(#[from] AlertError),
    /// Its own endpoint cannot be made.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Alert(error.into())
    }
}

type Result<T> = std::result::Result<T, ChangeError>;

impl Alerts {
    /// Makes an alert, which is held at once against what there is.
    pub async fn create(
        &self,
        by: &(impl Display + Sync),
        project: ProjectId,
        draft: &Draft,
        webhooks: &Webhooks,
    ) -> Result<Alert> {
        let terms =
            draft.check(&self.catalogues.of(project), webhooks, None).map_err(ChangeError::Invalid)?;
        let bits = random::id_bits(self.clock.real()).map_err(AlertError::from)?;
        let now = self.clock.of_project(project);
        let mut alert = Alert {
            id: AlertId::from_bits(bits),
            project,
            terms,
            endpoint: None,
            created_by: by.to_string(),
            revision: 1,
            armed_at: now,
            last_triggered_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.db.begin().await?;
        if alerts::count(&mut tx, project).await? >= ALERTS_MAX {
            return Err(ChangeError::TooMany);
        }
        let mut noted = Vec::new();
        if let Some(url) = &alert.terms.webhook_url {
            alert.endpoint = Some(webhooks.own_endpoint(&mut tx, project, url, &mut noted).await?);
        }
        alerts::insert(&mut tx, &alert).await?;
        noted.extend(changes::alert(by, "alert.created", None, Some(&alert)));
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.changed(&alert).await?;
        Ok(alert)
    }

    /// Changes an alert. A change of what it watches lets it fire anew in the period that goes on.
    pub async fn update(
        &self,
        by: &(impl Display + Sync),
        (project, id): (ProjectId, &AlertId),
        wanted: &Changes,
        webhooks: &Webhooks,
    ) -> Result<Alert> {
        let mut tx = self.db.begin().await?;
        let before = alerts::lock(&mut tx, project, id).await?;
        let draft = wanted.applied_to(Draft::of(&before.terms));
        let terms = draft
            .check(&self.catalogues.of(project), webhooks, Some(&before.terms))
            .map_err(ChangeError::Invalid)?;
        if wanted.if_version.is_some_and(|version| version != before.version) {
            return Err(StoreError::Stale.into());
        }
        let now = self.clock.of_project(project);
        let mut after = Alert { terms, updated_at: now, ..before.clone() };
        if watched(&before.terms) != watched(&after.terms) {
            after.revision = before.revision.saturating_add(1);
            after.armed_at = now;
        }
        let mut noted = Vec::new();
        if before.terms.webhook_url != after.terms.webhook_url {
            after.endpoint = match &after.terms.webhook_url {
                Some(url) => Some(webhooks.own_endpoint(&mut tx, project, url, &mut noted).await?),
                None => None,
            };
        }
        alerts::save(&mut tx, &after).await?;
        after.version = before.version.saturating_add(1);
        self.let_go(&mut tx, &before, after.endpoint.as_ref(), webhooks, &mut noted).await?;
        noted.extend(changes::alert(by, "alert.updated", Some(&before), Some(&after)));
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.changed(&after).await?;
        Ok(after)
    }

    /// What would be wrong with a change.
    pub async fn check(
        &self,
        (project, id): (ProjectId, &AlertId),
        wanted: &Changes,
        webhooks: &Webhooks,
    ) -> Result<Vec<Problem>> {
        let before = alerts::get(&self.db, project, id).await?;
        let draft = wanted.applied_to(Draft::of(&before.terms));
        let checked = draft.check(&self.catalogues.of(project), webhooks, Some(&before.terms));
        Ok(checked.err().unwrap_or_default())
    }

    /// Deletes an alert; what it told of stays.
    pub async fn delete(
        &self,
        by: &(impl Display + Sync),
        (project, id): (ProjectId, &AlertId),
        webhooks: &Webhooks,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let alert = alerts::lock(&mut tx, project, id).await?;
        alerts::delete(&mut tx, project, id).await?;
        let mut noted = Vec::new();
        self.let_go(&mut tx, &alert, None, webhooks, &mut noted).await?;
        noted.extend(changes::alert(by, "alert.deleted", Some(&alert), None));
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        Ok(self.note_whether_any(project).await?)
    }

    /// Deletes the endpoint that an alert had of its own, where no alert has it any more.
    async fn let_go(
        &self,
        tx: &mut Tx,
        before: &Alert,
        kept: Option<&EndpointId>,
        webhooks: &Webhooks,
        noted: &mut Vec<Change>,
    ) -> Result<()> {
        let Some(endpoint) = before.endpoint.as_ref().filter(|endpoint| Some(*endpoint) != kept) else {
            return Ok(());
        };
        // Held, so that no new alert comes to it meanwhile.
        let held = match webhook_endpoints::lock(tx, endpoint).await {
            Err(StoreError::NotFound) => return Ok(()),
            held => held?,
        };
        if alerts::count_of_endpoint(&mut *tx, before.project, endpoint).await? == 0 {
            webhooks.delete_own(tx, &held, noted).await?;
        }
        Ok(())
    }

    async fn changed(&self, alert: &Alert) -> Result<()> {
        self.note_whether_any(alert.project).await?;
        if alert.terms.enabled {
            self.want(alert.project, Some(alert.id.clone()));
        }
        Ok(())
    }
}

/// What an alert watches: a change of it begins anew.
fn watched(terms: &Terms) -> impl PartialEq + use<> {
    let Terms { meter, threshold, unit, period, currency, budget, .. } = terms.clone();
    (meter, threshold, unit, period, currency, budget)
}

/// What is to be changed; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What people call it.
    pub name: Option<Option<String>>,
    /// The meter's key.
    pub meter: Option<String>,
    /// What is to be reached.
    pub threshold: Option<String>,
    /// What that is counted in.
    pub unit: Option<String>,
    /// How long usage adds up.
    pub period: Option<Option<String>>,
    /// The only currency that it is about.
    pub currency: Option<Option<String>>,
    /// What percent are of.
    pub budget: Option<Option<super::BudgetText>>,
    /// How somebody is told.
    pub channels: Option<Vec<String>>,
    /// Who gets mails.
    pub recipients: Option<Vec<String>>,
    /// Where webhooks go.
    pub webhook_url: Option<Option<String>>,
    /// Whether it watches.
    pub enabled: Option<bool>,
    /// Refuse when it has another version.
    pub if_version: Option<u32>,
}

impl Changes {
    /// What comes of changing this. What only a channel needs goes with the channel.
    fn applied_to(&self, mut draft: Draft) -> Draft {
        let changes = self.clone();
        draft.name = changes.name.unwrap_or(draft.name);
        draft.meter = changes.meter.or(draft.meter);
        draft.threshold = changes.threshold.unwrap_or(draft.threshold);
        if let Some(unit) = changes.unit.filter(|unit| draft.unit.as_ref() != Some(unit)) {
            // What the other unit needed says nothing any more.
            (draft.unit, draft.period, draft.currency, draft.budget) = (Some(unit), None, None, None);
        }
        draft.period = changes.period.unwrap_or(draft.period);
        draft.currency = changes.currency.unwrap_or(draft.currency);
        draft.budget = changes.budget.unwrap_or(draft.budget);
        if let Some(channels) = changes.channels {
            let has = |name: &str| channels.iter().any(|channel| channel == name);
            if !has("mail") {
                draft.recipients = Vec::new();
            }
            if !has("webhook") {
                draft.webhook_url = None;
            }
            draft.channels = channels;
        }
        draft.recipients = changes.recipients.unwrap_or(draft.recipients);
        draft.webhook_url = changes.webhook_url.unwrap_or(draft.webhook_url);
        draft.enabled = changes.enabled.unwrap_or(draft.enabled);
        draft
    }
}
