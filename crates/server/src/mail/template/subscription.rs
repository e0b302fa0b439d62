//! Mails about a subscription: its trial ends, it begins, it is cancelled.
use askama::Template as _;
use serde::{Deserialize, Serialize};

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Its trial ends tomorrow.
    TrialEnding,
    /// Its trial has ended.
    TrialEnded,
    /// It has begun.
    Confirmed,
    /// It is cancelled.
    Cancelled,
}

/// A subscription as a mail tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionNews {
    /// What happens.
    pub what: What,
    /// The plan.
    pub plan: String,
    /// When it happens.
    pub at: String,
    /// Whether billing follows a trial.
    pub goes_on: bool,
}

#[derive(askama::Template)]
#[template(path = "mail/subscription.txt")]
struct Text<'a> {
    subject: &'a str,
    news: &'a SubscriptionNews,
}

#[derive(askama::Template)]
#[template(path = "mail/subscription.html")]
struct Html<'a> {
    subject: &'a str,
    news: &'a SubscriptionNews,
}

impl What {
    /// The name of its mail.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TrialEnding => "trial-ending",
            Self::TrialEnded => "trial-ended",
            Self::Confirmed => "subscription-confirmed",
            Self::Cancelled => "subscription-cancelled",
        }
    }

    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::TrialEnding => "Your trial ends tomorrow",
            Self::TrialEnded => "Your trial has ended",
            Self::Confirmed => "Your subscription has begun",
            Self::Cancelled => "Your subscription is cancelled",
        }
    }

    /// The one of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::TrialEnding, Self::TrialEnded, Self::Confirmed, Self::Cancelled]
            .into_iter()
            .find(|what| what.name() == name)
    }
}

impl SubscriptionNews {
    /// An example.
    pub(super) fn example(what: What) -> Self {
        let at = "2026-02-24T13:00:00.000000Z".to_owned();
        Self { what, plan: "Pro".to_owned(), at, goes_on: false }
    }

    /// The words, as text and as HTML.
    pub(super) fn render(&self, subject: &str) -> Result<(String, String), askama::Error> {
        let text = Text { subject, news: self }.render()?;
        Ok((text, Html { subject, news: self }.render()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_trial_is_told() {
        for (what, goes_on, told) in [
            (What::TrialEnding, false, "unless you choose a plan"),
            (What::TrialEnding, true, "billed from then on"),
            (What::TrialEnded, false, "choose a plan to go on"),
            (What::TrialEnded, true, "billed from now on"),
            (What::Cancelled, false, "ends at 2026-02-24"),
        ] {
            let news = SubscriptionNews { goes_on, ..SubscriptionNews::example(what) };
            let (text, html) = news.render(what.subject()).expect("rendered");
            assert!(text.contains(told) && html.contains(told), "{text}");
        }
    }
}
