//! Endpoints that belong to alerts: they get what is addressed to them, and nothing else.
use super::guard::{EndpointUrl, Refused};
use super::service::{Result, WebhookError, Webhooks, generate_secret};
use crate::store::audit::Change;
use crate::store::webhook_endpoints::{self, Endpoint, Source};
use crate::store::{StoreError, Tx, changes, webhook_deliveries};
use reckoner_domain::id::{EndpointId, ProjectId};

/// What such an endpoint asks for: a type that no message has.
pub const OWN_TYPE: &str = "alert.own";

impl Webhooks {
    /// Reads a URL that a client gives; the guard decides where it may lead.
    pub fn read_url(&self, text: &str) -> std::result::Result<String, Refused> {
        let url = EndpointUrl::parse(text)?;
        self.guard.check(&url)?;
        Ok(url.as_str().to_owned())
    }

    /// The endpoint for what is addressed to a URL, which was read before: one that is there already, or a new one.
    /// Its secret is found out by rotating it. What is to be noted about it comes last in the transaction.
    pub async fn own_endpoint(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        url: &str,
        noted: &mut Vec<Change>,
    ) -> Result<EndpointId> {
        for id in webhook_endpoints::ids_of_type(&mut *tx, project, url, OWN_TYPE).await? {
            match webhook_endpoints::lock(tx, &id).await {
                Ok(endpoint) if endpoint.disabled.is_none() => return Ok(id),
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if webhook_endpoints::count(&mut *tx, project).await? >= super::endpoints::ENDPOINTS_MAX {
            return Err(WebhookError::TooMany);
        }
        let id = EndpointId::from_bits(self.id_bits()?);
        let now = self.now(project).project;
        let endpoint = Endpoint {
            secret: self.seal(&id, &generate_secret()?)?,
            id,
            project,
            url: url.to_owned(),
            event_types: vec![OWN_TYPE.to_owned()],
            description: Some("Made for alerts".to_owned()),
            previous: None,
            disabled: None,
            source: Source::Api,
            failing_since: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        webhook_endpoints::create(&mut *tx, &endpoint).await?;
        noted.extend(changes::endpoint(&self.actor, "webhook_endpoint.created", None, Some(&endpoint)));
        Ok(endpoint.id)
    }

    /// Deletes such an endpoint, which the caller holds, and gives up what is pending for it.
    pub async fn delete_own(&self, tx: &mut Tx, endpoint: &Endpoint, noted: &mut Vec<Change>) -> Result<()> {
        let now = self.now(endpoint.project).project;
        webhook_endpoints::delete(&mut *tx, endpoint.project, &endpoint.id, now).await?;
        webhook_deliveries::cancel_pending(tx, &endpoint.id).await?;
        noted.extend(changes::endpoint(&self.actor, "webhook_endpoint.deleted", Some(endpoint), None));
        Ok(())
    }
}
