//! What concerns plans and what they cost.
use super::reader::{Reader, named};
use reckoner_domain::key::PlanKey;

/// What customers have where nobody says otherwise.
#[derive(Clone, Debug)]
pub struct Billing {
    /// The plan of customers without a subscription; they have nothing where there is none.
    pub default_plan: Option<PlanKey>,
}

pub(super) fn read_billing(reader: &mut Reader<'_>) -> Billing {
    let about = named(
        "billing.default_plan",
        "The plan of customers without a subscription. Without it they are entitled to nothing once the project has plans.",
    );
    let name: Option<String> = reader.optional(about, "the key of a plan");
    let default_plan = name.and_then(|name| match PlanKey::parse(&name) {
        Ok(key) => Some(key),
        Err(error) => {
            reader.problem("billing.default_plan", error.to_string());
            None
        }
    });
    Billing { default_plan }
}
