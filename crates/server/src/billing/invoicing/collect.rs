//! Charges that a provider collects: each is written down before the provider is asked, and asked for under
//! the same key until it has answered, so that a crash anywhere charges once.
use super::{Invoicing, Result};
use crate::payments::Collectible;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::provider_charges::{self, ProviderCharge};
use reckoner_domain::id::ProjectId;
use reckoner_domain::money::Money;
use reckoner_domain::time::{DAY, Timestamp};
use serde_json::json;

/// How many charges are looked at at once.
const AT_ONCE: u32 = 200;

/// After how long a provider is asked again, in microseconds.
const AGAIN_AFTER: i64 = DAY;

/// What came of asking a provider.
#[derive(Debug, Default)]
pub struct Collected {
    /// Whose charges were taken, and how much.
    pub taken: Vec<(String, Money)>,
    /// Whose were not, and why.
    pub declined: Vec<(String, String)>,
}

impl Invoicing {
    /// Asks the provider for every charge of a project that it has not taken yet. One that it declines keeps
    /// no other.
    pub async fn collect_due(&self, project: ProjectId, now: Timestamp) -> Result<Collected> {
        let (mut collected, mut after) = (Collected::default(), None);
        loop {
            let due = provider_charges::due(&self.db, project, now, (after.as_ref(), AT_ONCE)).await?;
            for (_, charge) in &due {
                let customer = charge.external_id.clone();
                match self.collect(charge, now).await {
                    Ok(Ok(true)) => collected.taken.push((customer, charge.amount)),
                    Ok(Ok(false)) => {}
                    Ok(Err(reason)) => collected.declined.push((customer, reason)),
                    Err(error) => collected.declined.push((customer, error.to_string())),
                }
            }
            if due.len() < AT_ONCE as usize {
                return Ok(collected);
            }
            after = due.into_iter().next_back().map(|(at, charge)| (at, charge.id));
        }
    }

    /// Whether the provider took a charge just now, or why it did not.
    async fn collect(
        &self,
        charge: &ProviderCharge,
        now: Timestamp,
    ) -> Result<std::result::Result<bool, String>> {
        let collectible = Collectible {
            idempotency_key: charge.id.to_string(),
            customer: charge.external_id.clone(),
            amount: charge.amount,
            description: charge.description.clone(),
            period: charge.period,
        };
        let answered = match &self.provider {
            Some(provider) => provider.collect(&collectible).await.map_err(|declined| declined.0),
            None => Err("no payment provider is configured".to_owned()),
        };
        let reference = match answered {
            Ok(reference) => reference,
            Err(reason) => {
                let until = now.plus_micros(AGAIN_AFTER);
                provider_charges::put_off(&self.db, charge, &reason, until).await?;
                return Ok(Err(reason));
            }
        };
        let mut tx = self.db.begin().await?;
        // Two workers may have asked: the provider took it once, and one of them writes it down.
        let first = provider_charges::set_charged(&mut tx, charge, &reference, now).await?;
        if first {
            let details = json!({
                "customer": charge.external_id,
                "amount": charge.amount.amount(),
                "currency": charge.amount.currency().code(),
                "description": charge.description,
                "reference": reference,
            });
            let change =
                Change::new(Some(charge.project), SYSTEM, "charge.collected", &charge.id).after(details);
            audit::write(&mut tx, &self.clock, vec![change]).await?;
        }
        tx.commit().await?;
        Ok(Ok(first))
    }
}
