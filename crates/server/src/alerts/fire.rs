//! An alert is held against what there is, and fires once in a period.
use super::read::Reading;
use super::{AlertError, Alerts};
use crate::billing::messages::{self, Message};
use crate::mail::{self, About, Template};
use crate::random;
use crate::store::alert_notices::{self, Notice, OPEN, Turn};
use crate::store::alerts::{self, Alert, Terms};
use crate::store::{StoreError, Tx, memberships, webhook_endpoints};
use reckoner_domain::alert::{AlertKind, Channel, ThresholdUnit};
use reckoner_domain::id::AlertNoticeId;
use reckoner_domain::money::Money;
use reckoner_domain::ratio::Ratio;
use serde_json::{Value, json};

/// An alert fired.
const ALERT_TRIGGERED: &str = "alert.triggered";

impl Alerts {
    /// Holds an alert against a customer, or against a subject alone; says how often it fired.
    pub(super) async fn hold(&self, alert: &Alert, customer: Option<&str>) -> Result<u64, AlertError> {
        let now = self.clock.of_project(alert.project);
        let mut fired = 0;
        match (alert.terms.kind, customer) {
            (AlertKind::Usage, customer) => {
                for span in self.spans(alert, customer, now).await? {
                    let turn = span.period.start.as_micros().to_string();
                    let turn = turn_of(alert, customer, &turn);
                    if alert_notices::is_told(&self.db, turn).await? {
                        continue;
                    }
                    if let Some(reading) = self.usage(alert, customer, &span, now).await? {
                        fired += self.fire_where_reached(alert, turn, &reading).await?;
                    }
                }
            }
            (AlertKind::Spend, Some(name)) => {
                let Some(reading) = self.spend(alert, name).await? else { return Ok(0) };
                let start = reading.period.map(|period| period.start.as_micros().to_string());
                let start = start.unwrap_or_default();
                fired += self.fire_where_reached(alert, turn_of(alert, customer, &start), &reading).await?;
            }
            (AlertKind::Balance, Some(name)) => {
                let Some(reading) = self.balance(alert, name, now).await? else { return Ok(0) };
                let turn = turn_of(alert, customer, OPEN);
                fired += self.fire_where_reached(alert, turn, &reading).await?;
                let is_enough = !alert.terms.kind.is_reached(reading.value, reading.bound);
                if is_enough && alert_notices::is_told(&self.db, turn).await? {
                    alert_notices::close(&self.db, turn).await?;
                }
            }
            (AlertKind::Spend | AlertKind::Balance, None) => {}
        }
        Ok(fired)
    }

    async fn fire_where_reached(
        &self,
        alert: &Alert,
        turn: Turn<'_>,
        reading: &Reading,
    ) -> Result<u64, AlertError> {
        if !alert.terms.kind.is_reached(reading.value, reading.bound)
            || alert_notices::is_told(&self.db, turn).await?
        {
            return Ok(0);
        }
        Ok(u64::from(self.fire(alert, turn, reading).await?))
    }

    /// Notes that an alert fires, with everything that tells of it: all or nothing, and once.
    async fn fire(&self, alert: &Alert, turn: Turn<'_>, reading: &Reading) -> Result<bool, AlertError> {
        let notice = self.notice(alert, turn, reading)?;
        let mut tx = self.db.begin().await?;
        let held = match alerts::lock(&mut tx, alert.project, &alert.id).await {
            Err(StoreError::NotFound) => return Ok(false),
            held => held?,
        };
        let is_as_read = held.terms.enabled && held.revision == alert.revision;
        if !is_as_read || !alert_notices::insert(&mut tx, turn, &notice).await? {
            return Ok(false);
        }
        alerts::set_triggered(&mut tx, alert.project, &alert.id, notice.triggered_at).await?;
        for channel in &notice.channels {
            match channel {
                Channel::Webhook => self.tell(&mut tx, &held, &notice).await?,
                Channel::Mail => self.mail(&mut tx, &held.terms, &notice).await?,
                Channel::InApp => {}
            }
        }
        tx.commit().await?;
        for channel in &notice.channels {
            let labels = [("kind", notice.kind.as_str()), ("channel", channel.as_str())];
            metrics::counter!("alerts_triggered_total", &labels).increment(1);
        }
        self.waker.wake();
        self.mailer.wake();
        Ok(true)
    }

    fn notice(&self, alert: &Alert, turn: Turn<'_>, reading: &Reading) -> Result<Notice, AlertError> {
        let Terms { name, kind, subject, meter, threshold, unit, channels, .. } = alert.terms.clone();
        let shown = |amount: Ratio| match reading.currency {
            Some(currency) => Money::rounded(amount, currency).map(Money::amount),
            None => Ok(amount.to_shown()),
        };
        Ok(Notice {
            id: AlertNoticeId::from_bits(random::id_bits(self.clock.real())?),
            project: alert.project,
            alert: alert.id.clone(),
            name,
            kind,
            customer: Some(turn.customer.to_owned()).filter(|customer| !customer.is_empty()),
            subject,
            meter,
            threshold,
            unit,
            bound: reading.bound.to_shown(),
            value: shown(reading.value)?,
            currency: reading.currency,
            channels,
            period: reading.period,
            triggered_at: self.clock.of_project(alert.project),
            read_at: None,
        })
    }

    /// Puts the message into the outbox: for the alert's own endpoint where it has one, which may be
    /// disabled, else for all that take its type.
    async fn tell(&self, tx: &mut Tx, alert: &Alert, notice: &Notice) -> Result<(), AlertError> {
        let message = Message {
            project: notice.project,
            event_type: ALERT_TRIGGERED,
            subject: notice.id.as_str(),
            dedupe_key: format!("{ALERT_TRIGGERED}:{}", notice.id),
            data: shown(notice),
        };
        let Some(endpoint) = &alert.endpoint else {
            messages::enqueue(tx, &self.clock, message).await?;
            return Ok(());
        };
        let endpoint = match webhook_endpoints::get(&mut *tx, notice.project, endpoint).await {
            Err(StoreError::NotFound) => None,
            found => Some(found?),
        };
        let takers: Vec<_> = endpoint.iter().filter(|endpoint| endpoint.disabled.is_none()).collect();
        messages::enqueue_for(tx, &self.clock, message, &takers).await?;
        Ok(())
    }

    /// Queues a mail to each recipient.
    async fn mail(&self, tx: &mut Tx, terms: &Terms, notice: &Notice) -> Result<(), AlertError> {
        let mut people: Vec<_> = terms.recipients.iter().map(|address| (None, address.clone())).collect();
        if people.is_empty() {
            let admins = memberships::addresses_of_admins(&mut *tx, notice.project).await?;
            people.extend(admins.into_iter().map(|(user, address)| (Some(user), address)));
        }
        if people.is_empty() {
            tracing::warn!(alert = %notice.alert, "an alert is to be mailed, and the project has nobody to mail it to");
        }
        let template = Template::AlertTriggered(words(notice));
        let mut mails = Vec::new();
        for (user, address) in &people {
            let about = About { project: notice.project, user: user.as_ref(), recipient: address };
            mails.push(self.mailer.queue(tx, about, &template, self.clock.real(), None).await?.to_string());
        }
        Ok(alert_notices::set_mails(tx, &notice.id, &mails).await?)
    }
}

fn turn_of<'a>(alert: &'a Alert, customer: Option<&'a str>, turn: &'a str) -> Turn<'a> {
    Turn { alert: &alert.id, revision: alert.revision, customer: customer.unwrap_or_default(), turn }
}

/// A notice as webhooks show it.
fn shown(notice: &Notice) -> Value {
    json!({
        "id": notice.id.as_str(),
        "alert": notice.alert.as_str(),
        "name": notice.name,
        "kind": notice.kind.as_str(),
        "customer": notice.customer,
        "subject": notice.subject,
        "meter": notice.meter,
        "threshold": notice.threshold.to_string(),
        "unit": notice.unit.as_str(),
        "bound": notice.bound,
        "value": notice.value,
        "currency": notice.currency.map(|currency| currency.code().to_owned()),
        "period_start": notice.period.map(|period| period.start.to_string()),
        "period_end": notice.period.map(|period| period.end.to_string()),
        "triggered_at": notice.triggered_at.to_string(),
    })
}

/// A notice as mails tell of it.
fn words(notice: &Notice) -> mail::AlertWords {
    let unit = notice.currency.map(|currency| format!(" {}", currency.code())).unwrap_or_default();
    let percent = (notice.unit == ThresholdUnit::Percent).then(|| notice.threshold.to_string());
    mail::AlertWords {
        name: notice.name.clone(),
        kind: notice.kind.as_str().to_owned(),
        customer: notice.customer.clone(),
        subject: notice.subject.clone(),
        meter: notice.meter.clone(),
        value: format!("{}{unit}", notice.value),
        bound: format!("{}{unit}", notice.bound),
        percent,
        period_start: notice.period.map(|period| period.start.to_string()),
        period_end: notice.period.map(|period| period.end.to_string()),
    }
}
