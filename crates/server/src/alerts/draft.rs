//! What somebody asks an alert to be, checked as a whole.
use crate::ingest::draft::text_fault;
use crate::store::alerts::Terms;
use crate::webhooks::service::Webhooks;
use reckoner_domain::alert::{
    AlertKind, AlertPeriod, Channel, NAME_BYTES_MAX, RECIPIENTS_MAX, ThresholdUnit,
};
use reckoner_domain::currency::Currency;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::email::Email;
use reckoner_domain::event::SUBJECT_BYTES_MAX;
use reckoner_domain::meter::Catalogue;
use reckoner_domain::money::Money;
use reckoner_domain::problem::{Problem, Problems};

/// What an alert is to be, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What people call it.
    pub name: Option<String>,
    /// What it watches.
    pub kind: String,
    /// The customer's own id.
    pub customer: Option<String>,
    /// The subject whose usage it is.
    pub subject: Option<String>,
    /// The meter's key.
    pub meter: Option<String>,
    /// What is to be reached.
    pub threshold: String,
    /// What that is counted in.
    pub unit: Option<String>,
    /// How long usage adds up.
    pub period: Option<String>,
    /// The only currency that it is about.
    pub currency: Option<String>,
    /// What percent are of.
    pub budget: Option<BudgetText>,
    /// How somebody is told.
    pub channels: Vec<String>,
    /// Who gets mails.
    pub recipients: Vec<String>,
    /// Where webhooks go.
    pub webhook_url: Option<String>,
    /// Whether it watches.
    pub enabled: bool,
}

/// An amount of money, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetText {
    /// How much.
    pub amount: String,
    /// In which currency.
    pub currency: String,
}

/// What decides about the other fields.
#[derive(Clone, Copy)]
struct Shape {
    kind: AlertKind,
    unit: ThresholdUnit,
}

impl Draft {
    /// What an alert says, to be changed.
    pub fn of(terms: &Terms) -> Self {
        let Terms { name, customer, subject, meter, recipients, webhook_url, .. } = terms.clone();
        let budget = terms
            .budget
            .map(|money| BudgetText { amount: money.amount(), currency: money.currency().code().to_owned() });
        Self {
            name,
            kind: terms.kind.as_str().to_owned(),
            customer,
            subject,
            meter,
            threshold: terms.threshold.to_string(),
            unit: Some(terms.unit.as_str().to_owned()),
            period: terms.period.map(|period| period.as_str().to_owned()),
            currency: terms.currency.map(|currency| currency.code().to_owned()),
            budget,
            channels: terms.channels.iter().map(|channel| channel.as_str().to_owned()).collect(),
            recipients,
            webhook_url,
            enabled: terms.enabled,
        }
    }

    /// Checks every field. What an alert said `before` may go on, though its meter has gone.
    pub fn check(
        &self,
        meters: &Catalogue,
        webhooks: &Webhooks,
        before: Option<&Terms>,
    ) -> Result<Terms, Vec<Problem>> {
        let mut problems = Problems::default();
        let kind = choice("kind", &self.kind, AlertKind::NAMES, &mut problems);
        let unit = match &self.unit {
            None => Some(ThresholdUnit::Absolute),
            Some(text) => choice("unit", text, ThresholdUnit::NAMES, &mut problems),
        };
        self.check_texts(kind, &mut problems);
        let threshold = self.threshold(kind, &mut problems);
        let channels = self.channels(&mut problems);
        let recipients = self.recipients(&channels, &mut problems);
        let webhook_url = self.webhook_url(&channels, (webhooks, before), &mut problems);
        let budget = self.budget(&mut problems);
        let currency = self.currency(&mut problems);
        let period = self.period.as_ref().and_then(|text| {
            let period: Option<AlertPeriod> = choice("period", text, AlertPeriod::NAMES, &mut problems);
            period
        });
        let shape = kind.zip(unit).map(|(kind, unit)| Shape { kind, unit });
        if let Some(shape) = shape {
            let known = before.and_then(|before| before.meter.as_deref());
            self.check_meter(shape, |key| known == Some(key) || meters.get(key).is_some(), &mut problems);
            self.check_shape(shape, &mut problems);
        }
        let terms = shape.zip(threshold).map(|(shape, threshold)| Terms {
            name: self.name.clone(),
            kind: shape.kind,
            customer: self.customer.clone(),
            subject: self.subject.clone(),
            meter: self.meter.clone(),
            threshold,
            unit: shape.unit,
            period: period.or_else(|| self.usual_period(shape)),
            currency,
            budget,
            channels,
            recipients,
            webhook_url,
            enabled: self.enabled,
        });
        problems.into_result(terms)
    }

    fn usual_period(&self, shape: Shape) -> Option<AlertPeriod> {
        match (shape.kind, shape.unit, &self.subject) {
            (AlertKind::Usage, ThresholdUnit::Absolute, None) => Some(AlertPeriod::BillingPeriod),
            (AlertKind::Usage, ThresholdUnit::Absolute, Some(_)) => Some(AlertPeriod::Month),
            _ => None,
        }
    }

    fn check_texts(&self, kind: Option<AlertKind>, problems: &mut Problems) {
        if let Some(reason) = self.name.as_deref().and_then(|name| text_fault(name, NAME_BYTES_MAX)) {
            problems.note("name", reason);
        }
        let subject = self.subject.as_deref();
        if let Some(reason) = subject.and_then(|subject| text_fault(subject, SUBJECT_BYTES_MAX)) {
            problems.note("subject", reason);
        } else if subject.is_some() && kind.is_some_and(|kind| kind != AlertKind::Usage) {
            problems.note("subject", "is only for usage");
        }
    }

    fn threshold(&self, kind: Option<AlertKind>, problems: &mut Problems) -> Option<Decimal> {
        let threshold = problems.keep("threshold", Decimal::parse(&self.threshold))?;
        match kind {
            Some(kind) if !kind.allows(threshold) => {
                let or = if kind == AlertKind::Balance { "0 or greater" } else { "greater than 0" };
                problems.note("threshold", format!("must be {or}"));
                None
            }
            _ => Some(threshold),
        }
    }

    fn channels(&self, problems: &mut Problems) -> Vec<Channel> {
        if self.channels.is_empty() {
            problems.note("channels", format!("must name at least one of {}", Channel::NAMES.join(", ")));
        }
        let mut channels: Vec<Channel> = Vec::new();
        for (index, text) in self.channels.iter().enumerate().take(Channel::NAMES.len() + 1) {
            let found: Option<Channel> =
                choice(&format!("channels[{index}]"), text, Channel::NAMES, problems);
            channels.extend(found.filter(|found| !channels.contains(found)));
        }
        channels
    }

    fn recipients(&self, channels: &[Channel], problems: &mut Problems) -> Vec<String> {
        if self.recipients.len() > RECIPIENTS_MAX {
            problems.note("recipients", format!("must be at most {RECIPIENTS_MAX}"));
            return Vec::new();
        }
        if !self.recipients.is_empty() && !channels.contains(&Channel::Mail) {
            problems.note("recipients", "are only for the channel mail");
        }
        let mut recipients: Vec<String> = Vec::new();
        for (index, text) in self.recipients.iter().enumerate() {
            let email = problems.keep(&format!("recipients[{index}]"), Email::parse(text));
            let email = email.map(|email| email.as_str().to_owned());
            recipients.extend(email.filter(|email| !recipients.contains(email)));
        }
        recipients
    }

    fn webhook_url(
        &self,
        channels: &[Channel],
        (webhooks, before): (&Webhooks, Option<&Terms>),
        problems: &mut Problems,
    ) -> Option<String> {
        let text = self.webhook_url.as_deref()?;
        if !channels.contains(&Channel::Webhook) {
            problems.note("webhook_url", "is only for the channel webhook");
        }
        if before.is_some_and(|before| before.webhook_url.as_deref() == Some(text)) {
            return Some(text.to_owned());
        }
        problems.keep("webhook_url", webhooks.read_url(text))
    }

    fn budget(&self, problems: &mut Problems) -> Option<Money> {
        let budget = self.budget.as_ref()?;
        let Ok(currency) = budget.currency.parse::<Currency>() else {
            problems.note("budget.currency", "must be an ISO 4217 code");
            return None;
        };
        let money = problems.keep("budget.amount", Money::parse(&budget.amount, currency))?;
        if !money.is_positive() {
            problems.note("budget.amount", "must be greater than 0");
        }
        Some(money)
    }

    fn currency(&self, problems: &mut Problems) -> Option<Currency> {
        let currency = self.currency.as_ref()?.parse::<Currency>();
        if currency.is_err() {
            problems.note("currency", "must be an ISO 4217 code");
        }
        currency.ok()
    }

    fn check_meter(&self, shape: Shape, is_there: impl Fn(&str) -> bool, problems: &mut Problems) {
        let of_usage = shape.kind == AlertKind::Usage;
        match &self.meter {
            None if of_usage => problems.note("meter", "is required for usage"),
            Some(_) if !of_usage => problems.note("meter", "is only for usage"),
            Some(key) if !is_there(key) => problems.note("meter", "no meter has this key"),
            _ => {}
        }
    }

    /// What goes together with what.
    fn check_shape(&self, shape: Shape, problems: &mut Problems) {
        let of_usage = shape.kind == AlertKind::Usage;
        let is_percent = shape.unit == ThresholdUnit::Percent;
        if of_usage && is_percent && self.subject.is_some() {
            problems.note("unit", "must be absolute for a subject: limits are those of customers");
        }
        match &self.budget {
            None if shape.kind == AlertKind::Spend && is_percent => {
                problems.note("budget", "is required: percent of spend are of a budget");
            }
            Some(_) if of_usage || !is_percent => {
                problems.note("budget", "is only for percent of spend or balance");
            }
            _ => {}
        }
        if self.currency.is_some() && (of_usage || is_percent) {
            problems.note("currency", "is only for amounts of spend or balance");
        }
        match self.period.as_deref() {
            Some(_) if !of_usage || is_percent => {
                problems.note("period", "is only for absolute usage");
            }
            Some(period) if self.subject.is_some() && period != AlertPeriod::Month.as_str() => {
                problems.note("period", "must be month for a subject");
            }
            _ => {}
        }
    }
}

fn choice<T: std::str::FromStr>(
    field: &str,
    text: &str,
    names: &'static [&'static str],
    problems: &mut Problems,
) -> Option<T> {
    let found = text.parse().ok();
    if found.is_none() {
        problems.note_choice(field, format!("must be one of {}", names.join(", ")), names);
    }
    found
}
