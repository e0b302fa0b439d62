//! Catalogues: plans and coupons that are applied together.
use crate::coupon::{Coupon, CouponForm};
use crate::plan::{Plan, PlanForm};
use crate::problem::{Problem, Problems};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Most plans, and most coupons, of a catalogue.
pub const CATALOG_ENTRIES_MAX: usize = 1_000;

/// The sample catalogues by name, as JSON.
pub const SAMPLES: [(&str, &str); 3] = [
    ("analytics", include_str!("../data/catalog_analytics.json")),
    ("auth_billing", include_str!("../data/catalog_auth_billing.json")),
    ("workspace", include_str!("../data/catalog_workspace.json")),
];

/// Plans and coupons, each named once. Meters are named, not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The plans, as their first versions.
    pub plans: Vec<Plan>,
    /// The coupons.
    pub coupons: Vec<Coupon>,
}

/// A catalogue as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogForm {
    /// The meters, as the API takes them: whoever applies the catalogue makes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<Value>,
    /// Those that are made where there is none with the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_meters: Vec<Value>,
    /// The plans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<PlanForm>,
    /// The coupons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<CouponForm>,
}

impl CatalogForm {
    /// The catalogue that is meant, or every problem with it.
    pub fn into_catalog(self) -> Result<Catalog, Vec<Problem>> {
        let mut problems = Problems::default();
        let catalog = self.read(&mut problems);
        problems.into_result(catalog)
    }

    fn read(&self, problems: &mut Problems) -> Option<Catalog> {
        for (list, count) in [("plans", self.plans.len()), ("coupons", self.coupons.len())] {
            if count > CATALOG_ENTRIES_MAX {
                problems.note(list, format_args!("must be at most {CATALOG_ENTRIES_MAX}"));
                return None;
            }
        }
        let mut keys = BTreeSet::new();
        let plans = problems.each("plans", &self.plans, |problems, form| {
            let plan = form.read(1, problems)?;
            if !keys.insert(plan.key.clone()) {
                problems.note("key", "must be named once");
            }
            Some(plan)
        });
        let mut keys = BTreeSet::new();
        let coupons = problems.each("coupons", &self.coupons, |problems, form| {
            let coupon = form.read(problems)?;
            if !keys.insert(coupon.key.clone()) {
                problems.note("key", "must be named once");
            }
            Some(coupon)
        });
        Some(Catalog { plans: plans?, coupons: coupons? })
    }
}

/// The sample catalogue of this name.
pub fn sample(name: &str) -> Option<Catalog> {
    let (_, text) = SAMPLES.iter().find(|(known, _)| *known == name)?;
    serde_json::from_str::<CatalogForm>(text).ok()?.into_catalog().ok()
}

#[cfg(test)]
mod tests;
