//! The mail that tells of an alert.
use askama::Template as _;
use serde::{Deserialize, Serialize};

/// An alert that fired, as a mail tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertWords {
    /// What people call it.
    pub name: Option<String>,
    /// `usage`, `spend` or `balance`.
    pub kind: String,
    /// The customer.
    pub customer: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The meter, of usage.
    pub meter: Option<String>,
    /// What there is, with its currency.
    pub value: String,
    /// What the threshold comes to, with its currency.
    pub bound: String,
    /// The threshold in percent, where it is.
    pub percent: Option<String>,
    /// When the period began.
    pub period_start: Option<String>,
    /// When it ends.
    pub period_end: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "mail/alert_triggered.txt")]
struct AlertText<'a> {
    subject: &'a str,
    alert: &'a AlertWords,
    what: &'a str,
    how: &'a str,
}

#[derive(askama::Template)]
#[template(path = "mail/alert_triggered.html")]
struct AlertHtml<'a> {
    subject: &'a str,
    alert: &'a AlertWords,
    what: &'a str,
    how: &'a str,
}

impl AlertWords {
    /// An example.
    pub(super) fn example() -> Self {
        Self {
            name: Some("Most of the calls".to_owned()),
            kind: "usage".to_owned(),
            customer: Some("acme".to_owned()),
            subject: None,
            meter: Some("api.calls".to_owned()),
            value: "812".to_owned(),
            bound: "800".to_owned(),
            percent: Some("80".to_owned()),
            period_start: Some("2026-01-01T00:00:00.000000Z".to_owned()),
            period_end: Some("2026-02-01T00:00:00.000000Z".to_owned()),
        }
    }

    /// The words, as text and as HTML.
    pub(super) fn render(&self, subject: &str) -> Result<(String, String), askama::Error> {
        let what = match self.kind.as_str() {
            "spend" => "The next invoice so far",
            "balance" => "The credit in the wallet",
            _ => "Usage",
        };
        let how = if self.kind == "balance" { "at or below" } else { "at or above" };
        let text = AlertText { subject, alert: self, what, how }.render()?;
        Ok((text, AlertHtml { subject, alert: self, what, how }.render()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_has_no_period_and_no_name_is_made_up() {
        let words = AlertWords {
            name: None,
            kind: "balance".to_owned(),
            meter: None,
            value: "4.00 USD".to_owned(),
            bound: "5 USD".to_owned(),
            percent: None,
            period_start: None,
            period_end: None,
            ..AlertWords::example()
        };
        let (text, html) = words.render("An alert was triggered").expect("rendered");
        let told = "The credit in the wallet of acme is 4.00 USD, at or below the threshold of 5 USD.";
        assert!(text.contains(told), "{text}");
        assert!(
            !text.contains("The period") && !html.contains("The period") && !text.contains("\"\""),
            "{html}"
        );
    }
}
