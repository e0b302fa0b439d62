//! Charges that a provider collects: each is written down before the provider is asked, and asked for under
//! the same key until it has answered, so that a crash anywhere charges once.
use super::{Invoicing, Result};
use crate::payments::{Collectible, Declined};
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::provider_charges::{self, ProviderCharge};
use futures_util::future::join_all;
use reckoner_domain::id::ProjectId;
use reckoner_domain::money::Money;
use reckoner_domain::time::{DAY, HOUR, Timestamp};
use serde_json::json;

/// How many charges are looked at at once.
const AT_ONCE: u32 = 200;

/// How many charges a provider is asked for at the same time.
const TOGETHER: usize = 4;

/// After how long a provider is asked again for a charge that it declined, in microseconds.
const AGAIN_AFTER: i64 = DAY;

/// The same for one that it could not be asked for.
const SOON_AFTER: i64 = HOUR;

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
            for some in due.chunks(TOGETHER) {
                let answers = join_all(some.iter().map(|(_, charge)| self.collect(charge, now))).await;
                for ((_, charge), answer) in some.iter().zip(answers) {
                    let customer = charge.external_id.clone();
                    match answer {
                        Ok(Ok(true)) => collected.taken.push((customer, charge.amount)),
                        Ok(Ok(false)) => {}
                        Ok(Err(declined)) => collected.declined.push((customer, declined.reason)),
                        Err(error) => collected.declined.push((customer, error.told())),
                    }
                }
            }
            if due.len() < AT_ONCE as usize {
                break;
            }
            after = due.into_iter().next_back().map(|(at, charge)| (at, charge.id));
        }
        if let Some(provider) = &self.provider {
            let failed = provider.finish(project, now).await;
            collected.declined.extend(failed.into_iter().map(|(customer, one)| (customer, one.reason)));
        }
        Ok(collected)
    }

    /// Whether the provider took a charge just now, or why it did not.
    async fn collect(
        &self,
        charge: &ProviderCharge,
        now: Timestamp,
    ) -> Result<std::result::Result<bool, Declined>> {
        let collectible = Collectible {
            idempotency_key: charge.id.to_string(),
            project: charge.project,
            customer_id: charge.customer.clone(),
            customer: charge.external_id.clone(),
            closing: (charge.subscription.clone(), charge.ordinal),
            amount: charge.amount,
            description: charge.description.clone(),
            period: charge.period,
        };
        let answered = match &self.provider {
            Some(provider) => provider.collect(&collectible).await,
            None => Err(Declined::charge("no payment provider is configured")),
        };
        let reference = match answered {
            Ok(reference) => reference,
            Err(declined) => {
                let until = now.plus_micros(if declined.is_passing { SOON_AFTER } else { AGAIN_AFTER });
                provider_charges::put_off(&self.db, charge, &declined.reason, until).await?;
                return Ok(Err(declined));
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
