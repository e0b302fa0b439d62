//! Sending again, by hand.
use super::endpoints::TEST_TYPE;
use super::service::{Result, WebhookError, Webhooks};
use crate::store::webhook_deliveries::{self, Delivery, State};
use crate::store::webhook_endpoints::{self, Endpoint};
use crate::store::{Cursor, Limit, StoreError, Tx, webhook_messages};
use reckoner_domain::id::{DeliveryId, EndpointId, ProjectId};
use reckoner_domain::time::Timestamp;

/// What a replay did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Deliveries that were queued.
    pub queued: u32,
    /// Where to go on, when the range holds more messages than one call takes.
    pub next: Option<Cursor>,
}

impl Webhooks {
    /// Sends a delivery again: a pending one at once, of any other the message anew, as a further
    /// delivery with all its attempts. Receivers see the same `webhook-id`.
    pub async fn resend(&self, project: ProjectId, id: &DeliveryId) -> Result<Delivery> {
        let (bits, at) = (self.id_bits()?, self.now(project));
        let mut tx = self.db.begin().await?;
        let delivery = webhook_deliveries::get(&mut tx, project, id).await?;
        let endpoint = enabled(&mut tx, project, &delivery.endpoint).await?;
        let again = if delivery.state == State::Pending {
            webhook_deliveries::hasten(&mut tx, id, at).await?;
            id.clone()
        } else {
            let again = DeliveryId::from_bits(bits);
            webhook_deliveries::create(&mut tx, &again, &delivery.message, &endpoint, at).await?;
            again
        };
        let delivery = webhook_deliveries::get(&mut tx, project, &again).await?;
        tx.commit().await?;
        self.waker.wake();
        Ok(delivery)
    }

    /// Sends an endpoint all messages of `[from, to)` (by the project's clock) that it takes, whether
    /// it got them before or not; those that are pending for it are left out. One call goes over
    /// `limit` messages.
    pub async fn replay(
        &self,
        project: ProjectId,
        id: &EndpointId,
        between: (Timestamp, Timestamp),
        after: Option<&Cursor>,
        limit: Limit,
    ) -> Result<Replayed> {
        let (bits, at) = (self.id_bits()?, self.now(project));
        let mut tx = self.db.begin().await?;
        let endpoint = enabled(&mut tx, project, id).await?;
        let page = webhook_messages::list(&mut tx, project, between, after, limit).await?;
        let messages = page
            .items
            .into_iter()
            .filter(|message| message.event_type != TEST_TYPE && endpoint.takes(&message.event_type))
            .map(|message| message.id);
        let ids = (0..).map(|step| DeliveryId::from_bits(bits.wrapping_add(step)));
        let queued = webhook_deliveries::create_many(&mut tx, ids.zip(messages), &endpoint, at).await?;
        tx.commit().await?;
        self.waker.wake();
        Ok(Replayed { queued, next: page.next })
    }
}

async fn enabled(tx: &mut Tx, project: ProjectId, id: &EndpointId) -> Result<Endpoint> {
    let endpoint = match webhook_endpoints::lock(tx, id).await {
        Err(StoreError::NotFound) => return Err(WebhookError::Disabled),
        other => other?,
    };
    if endpoint.project != project {
        return Err(StoreError::NotFound.into());
    }
    if endpoint.disabled.is_some() {
        return Err(WebhookError::Disabled);
    }
    Ok(endpoint)
}
