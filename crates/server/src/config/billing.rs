//! What concerns plans and what they cost.
use super::reader::{Reader, named};
use super::{SECRET_CHARS_MIN, Secret};
use reckoner_domain::key::PlanKey;

/// What customers have where nobody says otherwise.
#[derive(Clone, Debug)]
pub struct Billing {
    /// The plan of customers without a subscription; they have nothing where there is none.
    pub default_plan: Option<PlanKey>,
    /// How long billing periods stay open after their end, in minutes.
    pub grace_minutes: u64,
    /// How long there is to pay an invoice, in days.
    pub payment_days: u64,
    /// What whoever starts the charging of overage proves itself with; nobody can where there is none.
    pub cron_secret: Option<Secret>,
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
    let grace = named(
        "billing.grace_minutes",
        "Minutes after the end of a billing period until its invoice becomes final: what arrives until then is on it.",
    );
    let grace_minutes = reader.number(grace, 60, 0..=43_200);
    let payment = named("billing.payment_days", "Days after an invoice became final until it is due.");
    let payment_days = reader.number(payment, 14, 0..=365);
    let cron = named(
        "billing.cron_secret",
        "What POST /api/cron/process-overage is called with, as a bearer token; nobody can call it while it is unset.",
    );
    let cron_secret: Option<Secret> = reader.optional(cron.also(&["CRON_SECRET"]).secret(), "a text");
    if cron_secret.as_ref().is_some_and(|secret| secret.expose().chars().count() < SECRET_CHARS_MIN) {
        reader.problem("billing.cron_secret", format!("must have at least {SECRET_CHARS_MIN} characters"));
    }
    Billing { default_plan, grace_minutes, payment_days, cron_secret }
}
