//! What mails say: each template as text and as HTML, in one layout.
mod alert;
mod invoice;
mod subscription;

pub use alert::AlertWords;
pub use invoice::Invoice;
pub use subscription::{SubscriptionNews, What};

use askama::Template as _;
use serde::{Deserialize, Serialize};

/// A template with what it is filled with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "kebab-case")]
pub enum Template {
    /// Asks whoever reads it to show that the address is theirs.
    VerifyEmail {
        /// The link that shows it.
        link: String,
        /// For how long it works, in hours.
        hours: u32,
    },
    /// Lets whoever reads it set a new password.
    ResetPassword {
        /// The page that asks for the new password, where there is one.
        link: Option<String>,
        /// What the page sends.
        token: String,
        /// Where a client without a page sends it.
        endpoint: String,
        /// For how long it works, in minutes.
        minutes: u32,
    },
    /// Invites whoever reads it to a project.
    Invitation {
        /// The page that accepts it, where there is one.
        link: Option<String>,
        /// What the page sends.
        token: String,
        /// Where a client without a page sends it.
        endpoint: String,
        /// The project.
        project: String,
        /// As what.
        role: String,
        /// For how long it works, in days.
        days: u32,
    },
    /// Tells a customer how much of a quota is used.
    QuotaReached(Quota),
    /// Reminds a customer that owes.
    PaymentOverdue(PaymentOverdue),
    /// Brings a customer an invoice, as PDF.
    InvoiceReady(Invoice),
    /// Tells a customer of its subscription.
    Subscription(SubscriptionNews),
    /// Tells that an alert fired.
    AlertTriggered(AlertWords),
}

/// What a customer owes, as a mail tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentOverdue {
    /// Counts the reminders from 1.
    pub reminder: u32,
    /// How much, with its currency; none where only Stripe knows it.
    pub amount: Option<String>,
    /// The numbers of the invoices.
    pub invoices: Vec<u64>,
    /// Since when.
    pub due_since: String,
    /// When access is suspended.
    pub suspended_at: String,
}

/// A quota of which much is used, as a mail tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// What is counted.
    pub meter: String,
    /// The plan.
    pub plan: String,
    /// The threshold that was reached, in percent.
    pub percent: u32,
    /// What is used.
    pub used: String,
    /// What is allowed.
    pub limit: String,
    /// Whether all of it is used.
    pub exceeded: bool,
    /// Whether more is refused then.
    pub blocks: bool,
    /// When counting begins anew.
    pub resets_at: String,
}

/// A mail's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The subject.
    pub subject: &'static str,
    /// For programs that show text.
    pub text: String,
    /// For programs that show HTML.
    pub html: String,
}

/// A token of examples.
const TOKEN: &str = "kY3vE1s0bYy6l0mP0m2c0qkq7x1h3m8wq9o2f4b6d8e";

/// A name that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such mail: it must be one of {}", Template::NAMES.join(", "))]
pub struct UnknownTemplate;

#[derive(askama::Template)]
#[template(path = "mail/verify_email.txt")]
struct VerifyEmailText<'a> {
    subject: &'a str,
    link: &'a str,
    hours: u32,
}

#[derive(askama::Template)]
#[template(path = "mail/verify_email.html")]
struct VerifyEmailHtml<'a> {
    subject: &'a str,
    link: &'a str,
    hours: u32,
}

#[derive(askama::Template)]
#[template(path = "mail/reset_password.txt")]
struct ResetPasswordText<'a> {
    subject: &'a str,
    link: Option<&'a str>,
    token: &'a str,
    endpoint: &'a str,
    minutes: u32,
}

#[derive(askama::Template)]
#[template(path = "mail/reset_password.html")]
struct ResetPasswordHtml<'a> {
    subject: &'a str,
    link: Option<&'a str>,
    token: &'a str,
    endpoint: &'a str,
    minutes: u32,
}

#[derive(askama::Template)]
#[template(path = "mail/invitation.txt")]
struct InvitationText<'a> {
    subject: &'a str,
    link: Option<&'a str>,
    token: &'a str,
    endpoint: &'a str,
    project: &'a str,
    role: &'a str,
    days: u32,
}

#[derive(askama::Template)]
#[template(path = "mail/invitation.html")]
struct InvitationHtml<'a> {
    subject: &'a str,
    link: Option<&'a str>,
    token: &'a str,
    endpoint: &'a str,
    project: &'a str,
    role: &'a str,
    days: u32,
}

#[derive(askama::Template)]
#[template(path = "mail/quota_reached.txt")]
struct QuotaReachedText<'a> {
    subject: &'a str,
    meter: &'a str,
    plan: &'a str,
    percent: u32,
    used: &'a str,
    limit: &'a str,
    exceeded: bool,
    blocks: bool,
    resets_at: &'a str,
}

#[derive(askama::Template)]
#[template(path = "mail/quota_reached.html")]
struct QuotaReachedHtml<'a> {
    subject: &'a str,
    meter: &'a str,
    plan: &'a str,
    percent: u32,
    used: &'a str,
    limit: &'a str,
    exceeded: bool,
    blocks: bool,
    resets_at: &'a str,
}

#[derive(askama::Template)]
#[template(path = "mail/payment_overdue.txt")]
struct PaymentOverdueText<'a> {
    subject: &'a str,
    about: &'a PaymentOverdue,
}

#[derive(askama::Template)]
#[template(path = "mail/payment_overdue.html")]
struct PaymentOverdueHtml<'a> {
    subject: &'a str,
    about: &'a PaymentOverdue,
}

impl Template {
    /// Every template's name.
    pub const NAMES: [&'static str; 11] = [
        "verify-email",
        "reset-password",
        "invitation",
        "quota-reached",
        "payment-overdue",
        "invoice-ready",
        "trial-ending",
        "trial-ended",
        "subscription-confirmed",
        "subscription-cancelled",
        "alert-triggered",
    ];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify-email",
            Self::ResetPassword { .. } => "reset-password",
            Self::Invitation { .. } => "invitation",
            Self::QuotaReached(_) => "quota-reached",
            Self::PaymentOverdue(_) => "payment-overdue",
            Self::InvoiceReady(_) => "invoice-ready",
            Self::Subscription(news) => news.what.name(),
            Self::AlertTriggered(_) => "alert-triggered",
        }
    }

    /// The template of this name, filled with examples.
    pub fn example(name: &str) -> Result<Self, UnknownTemplate> {
        let token = TOKEN.to_owned();
        match name {
            "verify-email" => Ok(Self::VerifyEmail {
                link: format!("https://billing.example.com/auth/verify-email?token={token}"),
                hours: 24,
            }),
            "reset-password" => Ok(Self::ResetPassword {
                link: Some(format!("https://app.example.com/reset-password?token={token}")),
                token,
                endpoint: "https://billing.example.com/auth/reset-password".to_owned(),
                minutes: 60,
            }),
            "invitation" => Ok(Self::Invitation {
                link: Some(format!("https://app.example.com/accept-invitation?token={token}")),
                token,
                endpoint: "https://billing.example.com/auth/accept-invitation".to_owned(),
                project: "live".to_owned(),
                role: "analyst".to_owned(),
                days: 7,
            }),
            "quota-reached" => Ok(Self::QuotaReached(Quota {
                meter: "llm_tokens".to_owned(),
                plan: "free_trial".to_owned(),
                percent: 80,
                used: "820".to_owned(),
                limit: "1000".to_owned(),
                exceeded: false,
                blocks: true,
                resets_at: "2026-02-01T00:00:00.000000Z".to_owned(),
            })),
            "payment-overdue" => Ok(Self::PaymentOverdue(PaymentOverdue {
                reminder: 1,
                amount: Some("54.00 USD".to_owned()),
                invoices: vec![12, 15],
                due_since: "2026-01-24T12:00:00.000000Z".to_owned(),
                suspended_at: "2026-02-07T12:00:00.000000Z".to_owned(),
            })),
            "invoice-ready" => Ok(Self::InvoiceReady(Invoice::example())),
            "alert-triggered" => Ok(Self::AlertTriggered(AlertWords::example())),
            _ => {
                let what = What::named(name).ok_or(UnknownTemplate)?;
                Ok(Self::Subscription(SubscriptionNews::example(what)))
            }
        }
    }

    fn subject(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "Please confirm your e-mail address",
            Self::ResetPassword { .. } => "Set a new password",
            Self::Invitation { .. } => "You are invited",
            Self::QuotaReached(quota) if quota.exceeded => "You have used up a quota",
            Self::QuotaReached(_) => "You have used most of a quota",
            Self::PaymentOverdue(_) => "Your payment is overdue",
            Self::InvoiceReady(_) => "Your invoice",
            Self::Subscription(news) => news.what.subject(),
            Self::AlertTriggered(_) => "An alert was triggered",
        }
    }

    /// The words.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let subject = self.subject();
        let (text, html) = match self {
            Self::VerifyEmail { link, hours } => {
                let (link, hours) = (link.as_str(), *hours);
                let text = VerifyEmailText { subject, link, hours }.render()?;
                (text, VerifyEmailHtml { subject, link, hours }.render()?)
            }
            Self::ResetPassword { link, token, endpoint, minutes } => {
                let (link, minutes) = (link.as_deref(), *minutes);
                let text = ResetPasswordText { subject, link, token, endpoint, minutes }.render()?;
                (text, ResetPasswordHtml { subject, link, token, endpoint, minutes }.render()?)
            }
            Self::Invitation { link, token, endpoint, project, role, days } => {
                let (link, days) = (link.as_deref(), *days);
                let text = InvitationText { subject, link, token, endpoint, project, role, days }.render()?;
                (text, InvitationHtml { subject, link, token, endpoint, project, role, days }.render()?)
            }
            Self::QuotaReached(quota) => {
                let Quota { meter, plan, percent, used, limit, exceeded, blocks, resets_at } = quota;
                let (percent, exceeded, blocks) = (*percent, *exceeded, *blocks);
                let text = QuotaReachedText {
                    subject,
                    meter,
                    plan,
                    percent,
                    used,
                    limit,
                    exceeded,
                    blocks,
                    resets_at,
                };
                let html = QuotaReachedHtml {
                    subject,
                    meter,
                    plan,
                    percent,
                    used,
                    limit,
                    exceeded,
                    blocks,
                    resets_at,
                };
                (text.render()?, html.render()?)
            }
            Self::PaymentOverdue(about) => {
                let text = PaymentOverdueText { subject, about }.render()?;
                (text, PaymentOverdueHtml { subject, about }.render()?)
            }
            Self::InvoiceReady(invoice) => invoice.render(subject)?,
            Self::Subscription(news) => news.render(subject)?,
            Self::AlertTriggered(alert) => alert.render(subject)?,
        };
        Ok(Rendered { subject, text, html })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_says_its_things_in_both_forms() {
        for name in Template::NAMES {
            let template = Template::example(name).expect("known");
            assert_eq!(template.name(), name);
            let read: Template =
                serde_json::from_str(&serde_json::to_string(&template).expect("JSON")).expect("reads back");
            assert_eq!(read, template);
            let rendered = template.render().expect("rendered");
            for form in [&rendered.text, &rendered.html] {
                let told = match name {
                    "quota-reached" => "820 of 1000",
                    "payment-overdue" => "54.00 USD",
                    "invoice-ready" => "invoice 42 of 54.00 USD",
                    name if What::named(name).is_some() => "Pro",
                    "alert-triggered" => "80 % (800)",
                    _ => TOKEN,
                };
                assert!(form.contains(told), "{form}");
                assert!(!form.contains("{{") && !form.contains("{%"), "{form}");
            }
            assert!(rendered.html.starts_with("<!doctype html>") && rendered.html.contains(rendered.subject));
            assert!(!rendered.text.contains('<') && !rendered.text.contains("&amp;"), "{}", rendered.text);
        }
        assert_eq!(Template::example("no-such"), Err(UnknownTemplate));
    }

    #[test]
    fn what_it_is_filled_with_cannot_break_out() {
        let link = "https://x/?a=1&b=\"><script>".to_owned();
        let rendered = Template::VerifyEmail { link: link.clone(), hours: 1 }.render().expect("rendered");
        assert!(!rendered.html.contains("<script>"), "{}", rendered.html);
        assert!(rendered.text.contains(&link), "{}", rendered.text);
    }

    #[test]
    fn without_a_page_the_reset_tells_how_else() {
        let Ok(Template::ResetPassword { token, endpoint, minutes, .. }) =
            Template::example("reset-password")
        else {
            panic!("known")
        };
        let template = Template::ResetPassword { link: None, token, endpoint: endpoint.clone(), minutes };
        let rendered = template.render().expect("rendered");
        assert!(rendered.text.contains(&endpoint) && rendered.html.contains(&endpoint), "{}", rendered.text);
    }
}
