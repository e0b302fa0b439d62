//! Whom invoices of a customer are made out to, and what it is taxed with.
use crate::invoice::{TaxMode, TaxRate, Taxes};
use crate::key::TaxKey;
use crate::percent::Percent;
use crate::problem::Problems;
use serde::{Deserialize, Serialize};

/// Most bytes of a name, an e-mail address, a tax id or a line of an address.
pub const TEXT_BYTES_MAX: usize = 255;
/// Most lines of an address.
pub const ADDRESS_LINES_MAX: usize = 8;
/// Most rates of tax of a customer.
pub const RATES_MAX: usize = 10;

/// Whom invoices of a customer are made out to, and what it is taxed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BillingDetails {
    /// What invoices say of it.
    pub bill_to: BillTo,
    /// Where mails about invoices go, beside the people of the customer.
    pub email: Option<String>,
    /// What it is taxed with.
    pub taxes: Taxes,
}

/// Whom an invoice is made out to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillTo {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<String>,
    /// The number under which it is known to the tax office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
}

impl BillTo {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The same as written in requests and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillingDetailsForm {
    /// The name on invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where mails about invoices go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The address on invoices, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<String>,
    /// The number under which it is known to the tax office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
    /// `exclusive` (when absent) or `inclusive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_mode: Option<String>,
    /// The rates; the first is that of all that names no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<TaxRateForm>,
}

/// A rate of tax as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRateForm {
    /// Names it.
    pub key: String,
    /// What the line says.
    pub name: String,
    /// The rate.
    pub percent: String,
}

impl BillingDetailsForm {
    /// The details that are meant; what is wrong is noted.
    pub fn read(&self, problems: &mut Problems) -> Option<BillingDetails> {
        for (field, text) in [("name", &self.name), ("email", &self.email), ("tax_id", &self.tax_id)] {
            if let Some(text) = text {
                check_text(field, text, problems);
            }
        }
        if let Some(email) = &self.email
            && !is_address(email)
        {
            problems.note("email", "must be an e-mail address");
        }
        if self.address.len() > ADDRESS_LINES_MAX {
            problems.note("address", format_args!("must be at most {ADDRESS_LINES_MAX} lines"));
        }
        for (index, line) in self.address.iter().enumerate() {
            check_text(&format!("address[{index}]"), line, problems);
        }
        let mode = self.tax_mode.as_deref().unwrap_or("exclusive");
        let mode = problems.choose("tax_mode", mode, &TaxMode::NAMES, &TaxMode::ALL);
        let rates = self.read_rates(problems);
        Some(BillingDetails {
            bill_to: BillTo {
                name: self.name.clone(),
                address: self.address.clone(),
                tax_id: self.tax_id.clone(),
            },
            email: self.email.clone(),
            taxes: Taxes { mode: mode?, rates: rates? },
        })
    }

    fn read_rates(&self, problems: &mut Problems) -> Option<Vec<TaxRate>> {
        if self.taxes.len() > RATES_MAX {
            problems.note("taxes", format_args!("must be at most {RATES_MAX}"));
            return None;
        }
        let mut known: Vec<TaxKey> = Vec::new();
        problems.each("taxes", &self.taxes, |problems, form| {
            let key = problems.keep("key", TaxKey::parse(&form.key));
            check_text("name", &form.name, problems);
            let percent = problems.keep("percent", Percent::parse(&form.percent));
            let key = key?;
            if known.contains(&key) {
                problems.note("key", "must be named once");
            }
            known.push(key.clone());
            Some(TaxRate { key, name: form.name.clone(), percent: percent? })
        })
    }
}

impl From<&BillingDetails> for BillingDetailsForm {
    fn from(details: &BillingDetails) -> Self {
        let BillingDetails { bill_to, email, taxes } = details;
        let rate = |rate: &TaxRate| TaxRateForm {
            key: rate.key.to_string(),
            name: rate.name.clone(),
            percent: rate.percent.to_string(),
        };
        Self {
            name: bill_to.name.clone(),
            email: email.clone(),
            address: bill_to.address.clone(),
            tax_id: bill_to.tax_id.clone(),
            tax_mode: Some(taxes.mode.as_str().to_owned()),
            taxes: taxes.rates.iter().map(rate).collect(),
        }
    }
}

fn check_text(field: &str, text: &str, problems: &mut Problems) {
    if !(1..=TEXT_BYTES_MAX).contains(&text.len()) {
        problems.note(field, format_args!("must be 1 to {TEXT_BYTES_MAX} bytes"));
    } else if text.chars().any(char::is_control) {
        problems.note(field, "must not have control characters");
    }
}

/// Whether a text may be an e-mail address: something on both sides of one `@`, without spaces.
fn is_address(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace) && !part.contains('@');
    text.split_once('@').is_some_and(|(local, domain)| plain(local) && plain(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BillingDetails, Vec<String>> {
        let form: BillingDetailsForm = serde_json::from_str(text).expect("a form");
        let mut problems = Problems::default();
        let details = form.read(&mut problems);
        let shown = |list: Vec<crate::problem::Problem>| list.iter().map(ToString::to_string).collect();
        problems.into_result(details).map_err(shown)
    }

    #[test]
    fn details_are_written_as_they_are_read() {
        let whole = r#"{"name":"Müller GmbH","email":"a@b.example","address":["Weg 1","12345 Ort"],"tax_id":"DE1","tax_mode":"inclusive","taxes":[{"key":"vat","name":"USt.","percent":"19"},{"key":"reduced","name":"USt.","percent":"7"}]}"#;
        let details = read(whole).expect("details");
        let again = serde_json::to_string(&BillingDetailsForm::from(&details)).expect("JSON");
        assert_eq!(again, whole.replace("\\u00fc", "\u{fc}"));
        let named = |text: &str| details.taxes.key_of(TaxKey::parse(text).ok().as_ref()).map(TaxKey::as_str);
        assert_eq!((named("reduced"), named("none")), (Some("reduced"), None));
        assert_eq!(details.taxes.key_of(None).map(TaxKey::as_str), Some("vat"));
        assert_eq!(read("{}"), Ok(BillingDetails::default()));
        assert!(read("{}").expect("details").bill_to.is_empty());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = r#"{"name":"","email":"nobody","address":["a\u0007"],"tax_mode":"both","taxes":[{"key":"a","name":"","percent":"101"},{"key":"a","name":"A","percent":"1"}]}"#;
        let expected = [
            "name: must be 1 to 255 bytes",
            "email: must be an e-mail address",
            "address[0]: must not have control characters",
            "tax_mode: is not known (one of exclusive, inclusive)",
            "taxes[0].name: must be 1 to 255 bytes",
            "taxes[1].key: must be named once",
        ];
        let told = read(bad).expect_err("refused");
        for reason in expected {
            assert!(told.iter().any(|one| one == reason), "{reason} in {told:?}");
        }
    }
}
