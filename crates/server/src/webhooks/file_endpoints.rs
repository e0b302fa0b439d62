//! Endpoints from the operator's own file: brought in line with it at every start.
use super::endpoints::OVERLAP_HOURS_DEFAULT;
use super::guard::EndpointUrl;
use super::service::{Problem, Result, WebhookError, Webhooks, generate_secret};
use super::vault::Secret;
use crate::config::shown_url;
use crate::store::audit::{self, Change};
use crate::store::changes;
use crate::store::webhook_deliveries;
use crate::store::webhook_endpoints::{self, Disabled, Endpoint, Previous, Source};
use crate::store::{StoreError, Tx, projects};
use reckoner_domain::id::{EndpointId, ProjectId};
use reckoner_domain::time::HOUR;
use std::collections::BTreeMap;

/// How often a start tries again when another process starts at the same moment.
const RETRIES_MAX: u32 = 5;

/// An entry of the operator's file.
#[derive(Clone, Debug)]
pub struct FileEndpoint {
    /// Where deliveries go; private addresses are allowed.
    pub url: String,
    /// The secret; made when absent or empty.
    pub secret: Option<String>,
    /// Whether it gets anything.
    pub enabled: bool,
    /// The project's name; every project when absent.
    pub project: Option<String>,
}

/// An entry, for one project.
#[derive(Debug)]
struct Entry {
    secret: Option<Secret>,
    enabled: bool,
}

impl Webhooks {
    /// Makes the endpoints of the file, changes those that the file changed, and disables those that
    /// left it. An endpoint is known by its project and URL. Run again, it changes nothing.
    pub async fn sync_file(&self, file: &[FileEndpoint]) -> Result<()> {
        let mut retries = 0;
        loop {
            match self.try_sync_file(file).await {
                // Another process does the same at this moment.
                Err(WebhookError::Store(StoreError::Conflict | StoreError::Stale))
                    if retries < RETRIES_MAX =>
                {
                    retries += 1;
                }
                other => break other,
            }
        }
    }

    async fn try_sync_file(&self, file: &[FileEndpoint]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let mut changes = Vec::new();
        self.sync_file_in(&mut tx, file, &mut changes).await?;
        audit::write(&mut tx, &self.clock, changes).await?;
        tx.commit().await?;
        self.waker.wake();
        Ok(())
    }

    /// The same in a transaction, once, with what changed noted. The caller writes that down, commits
    /// and wakes the dispatcher, or begins again where another process was faster
    /// ([`StoreError::Conflict`], [`StoreError::Stale`]).
    pub async fn sync_file_in(
        &self,
        tx: &mut Tx,
        file: &[FileEndpoint],
        noted: &mut Vec<Change>,
    ) -> Result<()> {
        let known: Vec<(ProjectId, String)> =
            projects::list(&mut *tx).await?.into_iter().map(|project| (project.id, project.name)).collect();
        let entries = read(file, &known)?;
        for endpoint in webhook_endpoints::list_of_file(&mut *tx).await? {
            if !entries.contains_key(&(endpoint.project, endpoint.url.clone())) {
                noted.extend(self.remove(tx, endpoint).await?);
            }
        }
        for ((project, url), entry) in entries {
            match webhook_endpoints::get_of_file(&mut *tx, project, &url).await? {
                None => noted.extend(self.add(tx, project, url, entry).await?),
                Some(endpoint) => noted.extend(self.adjust(tx, endpoint, entry).await?),
            }
        }
        Ok(())
    }

    async fn add(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        url: String,
        entry: Entry,
    ) -> Result<Option<Change>> {
        let id = EndpointId::from_bits(self.id_bits()?);
        let secret = entry.secret.map_or_else(generate_secret, Ok)?;
        let now = self.now(project).project;
        let endpoint = Endpoint {
            secret: self.seal(&id, &secret)?,
            id,
            project,
            url,
            event_types: vec![webhook_endpoints::COMPLETED.to_owned()],
            description: None,
            previous: None,
            disabled: (!entry.enabled).then_some(Disabled::File),
            source: Source::File,
            failing_since: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        webhook_endpoints::create(tx, &endpoint).await?;
        Ok(changes::endpoint(&self.actor, "webhook_endpoint.created", None, Some(&endpoint)))
    }

    /// What the file decides follows it; what was decided here (by hand, gone, failing) stays until the
    /// file disables the endpoint and enables it again.
    async fn adjust(&self, tx: &mut Tx, endpoint: Endpoint, entry: Entry) -> Result<Option<Change>> {
        let mut changed = endpoint.clone();
        changed.disabled = match endpoint.disabled {
            _ if !entry.enabled => Some(Disabled::File),
            None | Some(Disabled::File | Disabled::Removed) => None,
            kept => {
                let reason = kept.map_or("", Disabled::as_str);
                tracing::warn!(endpoint = %endpoint.id, url = shown_url(&endpoint.url), reason, "a webhook endpoint of the configuration stays disabled until it is enabled by hand");
                kept
            }
        };
        if endpoint.disabled.is_some() && changed.disabled.is_none() {
            changed.failing_since = None;
        }
        if let Some(secret) = entry.secret {
            let stored = self.open(&endpoint.id, &endpoint.secret).ok();
            if stored.as_ref() != Some(&secret) {
                let sealed = self.seal(&endpoint.id, &secret)?;
                let old = std::mem::replace(&mut changed.secret, sealed);
                // One that does not open signs nothing.
                let expires_at = self.clock.real().plus_micros(i64::from(OVERLAP_HOURS_DEFAULT) * HOUR);
                changed.previous = stored.map(|_| Previous { secret: old, expires_at });
            }
        }
        if changed == endpoint {
            return Ok(None);
        }
        changed.updated_at = self.now(endpoint.project).project;
        webhook_endpoints::save(tx, &changed).await?;
        changed.version = changed.version.saturating_add(1);
        let rotated = changed.secret != endpoint.secret;
        let action = if rotated { "webhook_endpoint.secret_rotated" } else { "webhook_endpoint.updated" };
        Ok(changes::endpoint(&self.actor, action, Some(&endpoint), Some(&changed)))
    }

    async fn remove(&self, tx: &mut Tx, mut endpoint: Endpoint) -> Result<Option<Change>> {
        if endpoint.disabled == Some(Disabled::Removed) {
            return Ok(None);
        }
        let before = endpoint.clone();
        endpoint.disabled = Some(Disabled::Removed);
        endpoint.updated_at = self.now(endpoint.project).project;
        webhook_endpoints::save(&mut *tx, &endpoint).await?;
        webhook_deliveries::cancel_pending(tx, &endpoint.id).await?;
        endpoint.version = endpoint.version.saturating_add(1);
        Ok(changes::endpoint(&self.actor, "webhook_endpoint.removed", Some(&before), Some(&endpoint)))
    }
}

/// The entries by project and URL, or everything that is wrong with them.
fn read(
    file: &[FileEndpoint],
    known: &[(ProjectId, String)],
) -> Result<BTreeMap<(ProjectId, String), Entry>> {
    let mut entries = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, entry) in file.iter().enumerate() {
        let mut problem = |reason: String| {
            problems.push(Problem { field: "webhooks", reason: format!("[{index}]: {reason}") });
        };
        let url = match EndpointUrl::parse(&entry.url) {
            Ok(url) => url,
            Err(refused) => {
                problem(format!("url {refused}"));
                continue;
            }
        };
        let chosen: Vec<ProjectId> = known
            .iter()
            .filter(|(_, name)| entry.project.as_ref().is_none_or(|wanted| wanted == name))
            .map(|(id, _)| *id)
            .collect();
        if chosen.is_empty() {
            let names: Vec<&str> = known.iter().map(|(_, name)| name.as_str()).collect();
            problem(format!("project must be one of: {}", names.join(", ")));
        } else if chosen.len() > 1 {
            let url = shown_url(url.as_str());
            tracing::warn!(
                url,
                "a webhook of the configuration names no project and gets the deliveries of all"
            );
        }
        for project in chosen {
            let secret = entry.secret.as_ref().filter(|secret| !secret.is_empty()).map(Secret::new);
            let value = Entry { secret, enabled: entry.enabled };
            if entries.insert((project, url.as_str().to_owned()), value).is_some() {
                problem("url is there twice for one project".to_owned());
            }
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(WebhookError::Invalid(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str, project: Option<&str>) -> FileEndpoint {
        FileEndpoint { url: url.into(), secret: None, enabled: true, project: project.map(Into::into) }
    }

    #[test]
    fn every_problem_of_the_file_is_told() {
        let known = [(ProjectId(1), "live".to_owned()), (ProjectId(2), "test".to_owned())];
        let file = [entry("http://127.0.0.1:9/a", None), entry("http://127.0.0.1:9/b", Some("test"))];
        let keys: Vec<_> = read(&file, &known).unwrap().into_keys().map(|(id, url)| (id.0, url)).collect();
        let url = |path: &str| format!("http://127.0.0.1:9/{path}");
        assert_eq!(keys, [(1, url("a")), (2, url("a")), (2, url("b"))]);

        let file = [
            entry("ftp://a/", None),
            entry("http://a/", Some("no")),
            entry("http://b/", None),
            entry("http://B", Some("live")),
        ];
        let Err(WebhookError::Invalid(problems)) = read(&file, &known) else { panic!("refused") };
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
