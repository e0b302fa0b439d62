//! What concerns plans and what they cost.
use super::reader::{Named, Reader, named};
use super::seller::{Seller, read_seller};
use super::{SECRET_CHARS_MIN, Secret};
use reckoner_domain::key::PlanKey;

/// The plan that is tried where none is named.
const TRIAL_PLAN: &str = "free_trial";
/// The plan that follows a trial where none is named.
const TRIAL_END_PLAN: &str = "free_restricted";

/// What customers have where nobody says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Billing {
    /// The plan of customers without a subscription; they have nothing where there is none.
    pub default_plan: Option<PlanKey>,
    /// The plan that registration starts a trial of.
    pub trial_plan: Option<PlanKey>,
    /// The plan that customers get whose trial has ended without another.
    pub trial_end_plan: Option<PlanKey>,
    /// How long billing periods stay open after their end, in minutes.
    pub grace_minutes: u64,
    /// How long there is to pay an invoice, in days.
    pub payment_days: u64,
    /// What whoever starts the charging of overage proves itself with; nobody can where there is none.
    pub cron_secret: Option<Secret>,
    /// Who sells, as invoices show it.
    pub seller: Seller,
    /// Whether final invoices are mailed to the people of their customers.
    pub invoice_mails: bool,
}

impl Billing {
    /// The plan that is tried; no matter where the project has none of this key.
    pub fn trial_plan(&self) -> Option<PlanKey> {
        self.trial_plan.clone().or_else(|| PlanKey::parse(TRIAL_PLAN).ok())
    }

    /// The plan that follows a trial; no matter where the project has none of this key.
    pub fn trial_end_plan(&self) -> Option<PlanKey> {
        self.trial_end_plan.clone().or_else(|| PlanKey::parse(TRIAL_END_PLAN).ok())
    }

    /// Every plan that the operator named, with the setting.
    pub fn named_plans(&self) -> impl Iterator<Item = (&'static str, &PlanKey)> {
        [
            ("billing.default_plan", &self.default_plan),
            ("billing.trial_plan", &self.trial_plan),
            ("billing.trial_end_plan", &self.trial_end_plan),
        ]
        .into_iter()
        .filter_map(|(setting, plan)| Some((setting, plan.as_ref()?)))
    }
}

pub(super) fn read_billing(reader: &mut Reader<'_>) -> Billing {
    let default_plan = named(
        "billing.default_plan",
        "The plan of customers without a subscription. Without it they are entitled to nothing once the project has plans.",
    );
    let trial_plan = named(
        "billing.trial_plan",
        "The plan that whoever registers tries, `free_trial` when unset; nothing where the project has no such plan.",
    );
    let trial_end_plan = named(
        "billing.trial_end_plan",
        "The plan that customers get at 02:00 UTC after a trial that expired, `free_restricted` when unset; none where the project has no such plan.",
    );
    let grace = named(
        "billing.grace_minutes",
        "Minutes after the end of a billing period until its invoice becomes final: what arrives until then is on it.",
    );
    let payment = named("billing.payment_days", "Days after an invoice became final until it is due.");
    let mails = named(
        "billing.invoice_mails",
        "Whether final invoices are mailed to the people of their customers, as PDF.",
    );
    Billing {
        default_plan: read_plan(reader, default_plan, "billing.default_plan"),
        trial_plan: read_plan(reader, trial_plan, "billing.trial_plan"),
        trial_end_plan: read_plan(reader, trial_end_plan, "billing.trial_end_plan"),
        grace_minutes: reader.number(grace, 60, 0..=43_200),
        payment_days: reader.number(payment, 14, 0..=365),
        cron_secret: read_cron_secret(reader),
        seller: read_seller(reader),
        invoice_mails: reader.flag(mails, true),
    }
}

fn read_cron_secret(reader: &mut Reader<'_>) -> Option<Secret> {
    let cron = named(
        "billing.cron_secret",
        "What POST /api/cron/process-overage is called with, as a bearer token; nobody can call it while it is unset.",
    );
    let secret: Option<Secret> = reader.optional(cron.also(&["CRON_SECRET"]).secret(), "a text");
    if secret.as_ref().is_some_and(|secret| secret.expose().chars().count() < SECRET_CHARS_MIN) {
        reader.problem("billing.cron_secret", format!("must have at least {SECRET_CHARS_MIN} characters"));
    }
    secret
}

fn read_plan(reader: &mut Reader<'_>, setting: Named, name: &'static str) -> Option<PlanKey> {
    let text: Option<String> = reader.optional(setting, "the key of a plan");
    text.and_then(|text| match PlanKey::parse(&text) {
        Ok(key) => Some(key),
        Err(error) => {
            reader.problem(name, error.to_string());
            None
        }
    })
}
