//! Endpoints made by API.
use super::guard::EndpointUrl;
use super::service::{Problem, Result, WebhookError, Webhooks, generate_secret};
use super::vault::Secret;
use crate::store::webhook_deliveries;
use crate::store::webhook_endpoints::{self, Disabled, Endpoint, Previous, Source};
use crate::store::webhook_messages::{self, NewMessage};
use crate::store::{Cursor, Limit, Page, StoreError, Tx, audit, changes};
use reckoner_domain::id::{EndpointId, MessageId, ProjectId};
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::webhook;

/// Endpoints of one project, at most.
pub const ENDPOINTS_MAX: u32 = 100;
/// Event types of one endpoint's filter, at most.
pub const EVENT_TYPES_MAX: usize = 50;
/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 500;
/// Length of a secret given by a client, in bytes.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=255;
/// How long the secret before a rotation signs too when nothing is said, in hours.
pub const OVERLAP_HOURS_DEFAULT: u32 = 24;
/// The same, at most.
pub const OVERLAP_HOURS_MAX: u32 = 24 * 7;
/// The type of a test ping.
pub const TEST_TYPE: &str = "webhook.test";
/// The first words of all types that an endpoint can ask for.
const FAMILIES: [&str; 9] =
    ["aggregation", "quota", "customer", "subscription", "trial", "invoice", "credit_note", "alert", "job"];

/// What a client asks a new endpoint to be.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Where deliveries go.
    pub url: String,
    /// Which types it gets (`invoice.*` for a family); all when empty.
    pub event_types: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The secret; made when absent.
    pub secret: Option<String>,
    /// Whether it waits to be enabled.
    pub disabled: bool,
}

/// What a client asks to be changed; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Where deliveries go.
    pub url: Option<String>,
    /// Which types it gets.
    pub event_types: Option<Vec<String>>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// Whether it gets anything.
    pub enabled: Option<bool>,
    /// Refuse when the endpoint has another version.
    pub if_version: Option<u32>,
}

/// An endpoint with its secret, shown once.
#[derive(Clone, Debug)]
pub struct Revealed {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The secret, for `X-Webhook-Signature`.
    pub secret: Secret,
    /// The secret as libraries of Standard Webhooks take it; mostly the same.
    pub standard_secret: Secret,
}

fn reveal(endpoint: Endpoint, secret: Secret) -> Revealed {
    let standard_secret = Secret::new(webhook::standard_secret(secret.expose()));
    Revealed { endpoint, secret, standard_secret }
}

impl Webhooks {
    /// Makes an endpoint and reveals its secret.
    pub async fn create(&self, project: ProjectId, draft: Draft) -> Result<Revealed> {
        let mut problems = Vec::new();
        let url = self.checked_url(&draft.url, &mut problems);
        check_types(&draft.event_types, &mut problems);
        check_description(draft.description.as_deref(), &mut problems);
        let secret = match draft.secret {
            Some(given) => {
                check_secret(&given, &mut problems);
                Secret::new(given)
            }
            None => generate_secret()?,
        };
        let Some(url) = url.filter(|_| problems.is_empty()) else {
            return Err(WebhookError::Invalid(problems));
        };
        let id = EndpointId::from_bits(self.id_bits()?);
        let now = self.now(project).project;
        let endpoint = Endpoint {
            secret: self.seal(&id, &secret)?,
            id,
            project,
            url: url.as_str().to_owned(),
            event_types: draft.event_types,
            description: draft.description,
            previous: None,
            disabled: draft.disabled.then_some(Disabled::Manual),
            source: Source::Api,
            failing_since: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.db.begin().await?;
        if webhook_endpoints::count(&mut tx, project).await? >= ENDPOINTS_MAX {
            return Err(WebhookError::TooMany);
        }
        webhook_endpoints::create(&mut tx, &endpoint).await?;
        self.note(&mut tx, "webhook_endpoint.created", None, Some(&endpoint)).await?;
        tx.commit().await?;
        Ok(reveal(endpoint, secret))
    }

    /// Changes an endpoint. Enabling it forgets its failures; what is pending waits while it is
    /// disabled by hand. One from the operator's file can only be enabled and disabled, and not
    /// enabled while the file does not want it.
    pub async fn update(&self, project: ProjectId, id: &EndpointId, changes: Changes) -> Result<Endpoint> {
        let (url, problems) = self.checked(&changes);
        if !problems.is_empty() {
            return Err(WebhookError::Invalid(problems));
        }
        let moves = url.is_some() || changes.event_types.is_some() || changes.description.is_some();
        let change = |endpoint: &mut Endpoint| {
            let unwanted = matches!(endpoint.disabled, Some(Disabled::File | Disabled::Removed));
            if endpoint.source == Source::File && (moves || (unwanted && changes.enabled == Some(true))) {
                return Err(WebhookError::OfFile);
            }
            if let Some(url) = &url {
                url.as_str().clone_into(&mut endpoint.url);
            }
            if let Some(event_types) = changes.event_types {
                endpoint.event_types = event_types;
            }
            if let Some(description) = changes.description {
                endpoint.description = description;
            }
            match changes.enabled {
                Some(true) if endpoint.disabled.is_some() => {
                    (endpoint.disabled, endpoint.failing_since) = (None, None);
                }
                Some(false) if endpoint.disabled.is_none() => endpoint.disabled = Some(Disabled::Manual),
                _ => {}
            }
            Ok(())
        };
        let action = "webhook_endpoint.updated";
        let endpoint = self.change(action, (project, id), changes.if_version, change).await?;
        self.waker.wake();
        Ok(endpoint)
    }

    /// What is wrong with changes, whichever endpoint they are for.
    pub fn check(&self, changes: &Changes) -> Vec<Problem> {
        self.checked(changes).1
    }

    fn checked(&self, changes: &Changes) -> (Option<EndpointUrl>, Vec<Problem>) {
        let mut problems = Vec::new();
        let url = changes.url.as_deref().and_then(|url| self.checked_url(url, &mut problems));
        check_types(changes.event_types.as_deref().unwrap_or_default(), &mut problems);
        check_description(changes.description.as_ref().and_then(|text| text.as_deref()), &mut problems);
        (url, problems)
    }

    /// Gives an endpoint a new secret and reveals it; the old one signs too for `overlap_hours`.
    pub async fn rotate(
        &self,
        project: ProjectId,
        id: &EndpointId,
        given: Option<String>,
        overlap_hours: u32,
    ) -> Result<Revealed> {
        let mut problems = Vec::new();
        if overlap_hours > OVERLAP_HOURS_MAX {
            let reason = format!("must be at most {OVERLAP_HOURS_MAX}");
            problems.push(Problem { field: "overlap_hours", reason });
        }
        if let Some(given) = &given {
            check_secret(given, &mut problems);
        }
        if !problems.is_empty() {
            return Err(WebhookError::Invalid(problems));
        }
        let secret = given.map_or_else(generate_secret, |given| Ok(Secret::new(given)))?;
        let sealed = self.seal(id, &secret)?;
        let expires_at = self.clock.real().plus_micros(i64::from(overlap_hours) * HOUR);
        let change = |endpoint: &mut Endpoint| {
            if endpoint.source == Source::File {
                return Err(WebhookError::OfFile);
            }
            let old = std::mem::replace(&mut endpoint.secret, sealed);
            endpoint.previous = (overlap_hours > 0).then_some(Previous { secret: old, expires_at });
            Ok(())
        };
        let action = "webhook_endpoint.secret_rotated";
        Ok(reveal(self.change(action, (project, id), None, change).await?, secret))
    }

    /// Deletes an endpoint and gives up what is pending for it.
    pub async fn delete(&self, project: ProjectId, id: &EndpointId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let endpoint = webhook_endpoints::get(&mut tx, project, id).await?;
        if endpoint.source == Source::File {
            return Err(WebhookError::OfFile);
        }
        webhook_endpoints::delete(&mut tx, project, id, self.now(project).project).await?;
        webhook_deliveries::cancel_pending(&mut tx, id).await?;
        self.note(&mut tx, "webhook_endpoint.deleted", Some(&endpoint), None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sends an endpoint a test message, whatever types it asks for.
    pub async fn ping(&self, project: ProjectId, id: &EndpointId) -> Result<MessageId> {
        let (bits, at) = (self.id_bits()?, self.now(project));
        let mut tx = self.db.begin().await?;
        let endpoint = webhook_endpoints::get(&mut tx, project, id).await?;
        match endpoint {
            Endpoint { source: Source::File, .. } => return Err(WebhookError::OfFile),
            Endpoint { disabled: Some(_), .. } => return Err(WebhookError::Disabled),
            _ => {}
        }
        let payload = test_payload(id, at.project);
        let dedupe_key = format!("{TEST_TYPE}:{bits:032x}");
        let message = NewMessage {
            bits,
            project,
            event_type: TEST_TYPE,
            subject: None,
            dedupe_key: &dedupe_key,
            payload: &payload,
            at,
        };
        webhook_messages::enqueue_for(&mut tx, message, &[&endpoint]).await?;
        tx.commit().await?;
        self.waker.wake();
        Ok(MessageId::from_bits(bits))
    }

    /// The endpoint.
    pub async fn get(&self, project: ProjectId, id: &EndpointId) -> Result<Endpoint> {
        Ok(webhook_endpoints::get(&self.db, project, id).await?)
    }

    /// Endpoints in the order of making.
    pub async fn list(
        &self,
        project: ProjectId,
        after: Option<&Cursor>,
        limit: Limit,
    ) -> Result<Page<Endpoint>> {
        Ok(webhook_endpoints::list(&self.db, project, after, limit).await?)
    }

    /// Changes an endpoint while nobody else does.
    async fn change(
        &self,
        action: &'static str,
        (project, id): (ProjectId, &EndpointId),
        if_version: Option<u32>,
        change: impl FnOnce(&mut Endpoint) -> Result<()>,
    ) -> Result<Endpoint> {
        let mut tx = self.db.begin().await?;
        let mut endpoint = webhook_endpoints::lock(&mut tx, id).await?;
        if endpoint.project != project {
            return Err(StoreError::NotFound.into());
        }
        if if_version.is_some_and(|version| version != endpoint.version) {
            return Err(StoreError::Stale.into());
        }
        let before = endpoint.clone();
        change(&mut endpoint)?;
        endpoint.updated_at = self.now(project).project;
        webhook_endpoints::save(&mut tx, &endpoint).await?;
        endpoint.version = endpoint.version.saturating_add(1);
        self.note(&mut tx, action, Some(&before), Some(&endpoint)).await?;
        tx.commit().await?;
        Ok(endpoint)
    }

    async fn note(
        &self,
        tx: &mut Tx,
        action: &'static str,
        before: Option<&Endpoint>,
        after: Option<&Endpoint>,
    ) -> Result<()> {
        let change = changes::endpoint(&self.actor, action, before, after);
        Ok(audit::write(tx, &self.clock, change.into_iter().collect()).await?)
    }

    fn checked_url(&self, text: &str, problems: &mut Vec<Problem>) -> Option<EndpointUrl> {
        let checked = EndpointUrl::parse(text).and_then(|url| self.guard.check(&url).map(|()| url));
        checked.map_err(|refused| problems.push(refused.into())).ok()
    }
}

fn test_payload(id: &EndpointId, now: Timestamp) -> String {
    let data = serde_json::json!({ "endpoint": id.as_str() });
    serde_json::json!({ "type": TEST_TYPE, "data": data, "created": now.as_seconds() }).to_string()
}

fn check_types(event_types: &[String], problems: &mut Vec<Problem>) {
    let mut problem = |reason: String| problems.push(Problem { field: "event_types", reason });
    if event_types.len() > EVENT_TYPES_MAX {
        problem(format!("must be at most {EVENT_TYPES_MAX}"));
    }
    for event_type in event_types.iter().take(EVENT_TYPES_MAX).filter(|event_type| !is_type(event_type)) {
        let shown: String = event_type.chars().take(80).collect();
        problem(format!("must not hold \"{shown}\": types begin with {}", FAMILIES.join(", ")));
    }
}

/// A family, a dot, and a word or `*`.
fn is_type(text: &str) -> bool {
    let word = |text: &str| {
        (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())
    };
    text.split_once('.')
        .is_some_and(|(family, rest)| FAMILIES.contains(&family) && (rest == "*" || word(rest)))
}

fn check_description(text: Option<&str>, problems: &mut Vec<Problem>) {
    if text.is_some_and(|text| text.len() > DESCRIPTION_BYTES_MAX || text.contains('\0')) {
        let reason = format!("must be a text of at most {DESCRIPTION_BYTES_MAX} bytes");
        problems.push(Problem { field: "description", reason });
    }
}

fn check_secret(secret: &str, problems: &mut Vec<Problem>) {
    if !SECRET_BYTES.contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        let reason = format!("must be {least} to {most} printable ASCII characters without spaces");
        problems.push(Problem { field: "secret", reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_of_a_known_family() {
        for good in ["aggregation.completed", "quota.warning", "invoice.*", "job.failed", "trial.will_end"] {
            assert!(is_type(good), "{good}");
        }
        for bad in
            ["", "*", "aggregation", "aggregation.", "webhook.test", "invoice.Paid", "invoice.a.b", "other.a"]
        {
            assert!(!is_type(bad), "{bad}");
        }
    }

    #[test]
    fn every_problem_is_told() {
        let mut problems = Vec::new();
        check_types(&["a".into(), "b".into()], &mut problems);
        check_description(Some(&"x".repeat(501)), &mut problems);
        check_secret("short", &mut problems);
        let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["event_types", "event_types", "description", "secret"]);
    }
}
