//! Everything that a customer's plan grants, with how much of it is used.
use super::{DecideError, Entitlements, Verdict};
use crate::billing::standing::Has;
use reckoner_domain::entitlement::{Entitlement, Grant};
use reckoner_domain::id::ProjectId;
use reckoner_domain::key::FeatureKey;
use reckoner_domain::meter::MeterKey;
use reckoner_domain::ratio::Ratio;

/// A feature that a customer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The feature.
    pub feature: FeatureKey,
    /// What is granted of it.
    pub granted: Granted,
}

/// What is granted of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The feature itself.
    Boolean,
    /// The feature in this form.
    Static(String),
    /// Use of a meter, and how it stands.
    Metered(MeterKey, Box<Verdict>),
}

impl Entitlements {
    /// What a customer has, in the order of its plan; only this feature where one is named. Nothing for a
    /// customer without a plan.
    pub async fn held(
        &self,
        project: ProjectId,
        customer: &str,
        feature: Option<&str>,
    ) -> Result<Vec<Held>, DecideError> {
        let standing = self.standing.of(project, customer).await?;
        let Has::Plan { plan, resets, .. } = &standing.has else { return Ok(Vec::new()) };
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let asked = |one: &&Entitlement| feature.is_none_or(|feature| one.feature.as_str() == feature);
        let mut held = Vec::with_capacity(plan.entitlements.len());
        for entitlement in plan.entitlements.iter().filter(asked) {
            let granted = match &entitlement.grant {
                Grant::Boolean => Granted::Boolean,
                Grant::Static(value) => Granted::Static(value.clone()),
                Grant::Metered(quota) => {
                    let meter = catalogue.get(quota.meter.as_str());
                    let limited =
                        meter.map(|meter| self.limited(project, customer, (quota, meter), resets, now));
                    let verdict = match limited {
                        Some(limited) => {
                            let used = limited.counter.used(&self.events, now).await?;
                            limited.verdict((used, self.held_of(&limited)))?
                        }
                        // Nothing counts by a meter that is archived.
                        None => Verdict::of(quota.limit, (Ratio::ZERO, Ratio::ZERO), None)?,
                    };
                    Granted::Metered(quota.meter.clone(), Box::new(verdict))
                }
            };
            held.push(Held { feature: entitlement.feature.clone(), granted });
        }
        Ok(held)
    }
}
