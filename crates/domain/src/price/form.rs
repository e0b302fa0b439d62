//! How prices are written in catalogues and requests, in JSON and TOML alike.
use super::tier::{Tier, Tiers};
use super::{Charges, Metered, Model, Price};
use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::key::PriceKey;
use crate::meter::MeterKey;
use crate::money::{Money, UnitPrice};
use crate::percent::Percent;
use crate::problem::{Problem, Problems};
use serde::{Deserialize, Serialize};

/// A price as written; decimals and amounts are texts. Which fields belong together, `model` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceForm {
    /// Names the price within its plan; the meter's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `flat`, `per_unit`, `package`, `graduated`, `volume` or `percentage`.
    pub model: String,
    /// The meter whose usage is priced; not for `flat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// `flat`: due each billing period, in advance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// `per_unit`: what a unit costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
    /// `package`: units in a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_size: Option<String>,
    /// `package`: what a started package costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_price: Option<String>,
    /// `graduated`, `volume`: the tiers, the lowest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Vec<TierForm>>,
    /// `percentage`: the share of the summed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// `percentage`: due for each event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_fee: Option<String>,
    /// `per_unit`, `graduated`, `volume`: how much usage makes a unit, such as 1073741824 bytes; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_size: Option<String>,
    /// Units of each period that cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<String>,
    /// The least that a period costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<String>,
    /// The most that a period costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<String>,
}

/// A tier as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierForm {
    /// The last unit of the tier; absent for the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<String>,
    /// What a unit costs; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
    /// Due once the tier is entered; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat_fee: Option<String>,
}

impl PriceForm {
    /// The price that is meant, or every problem with it.
    pub fn into_price(self, currency: Currency) -> Result<Price, Vec<Problem>> {
        let mut problems = Problems::default();
        let price = self.read(currency, &mut problems);
        problems.into_result(price)
    }

    /// The price that is meant; what is wrong is noted.
    pub fn read(&self, currency: Currency, problems: &mut Problems) -> Option<Price> {
        let fields = problems.choose("model", &self.model, &Model::NAMES, &FIELDS)?;
        self.refuse_others(fields, problems);
        let meter = self.meter.as_deref();
        if self.model != "flat" {
            problems.required("meter", meter);
        }
        let meter = meter.map(|text| problems.keep("meter", MeterKey::parse(text)));
        let key = self.key.as_deref().or(self.meter.as_deref());
        let key = problems.required("key", key).and_then(|text| problems.keep("key", PriceKey::parse(text)));
        let charges = match meter {
            None => self.read_amount(currency, problems).map(|amount| Charges::Flat { amount }),
            Some(meter) => {
                let metered = self.read_metered(currency, problems);
                meter.zip(metered).map(|(meter, metered)| Charges::Metered { meter, metered })
            }
        };
        Some(Price { key: key?, charges: charges? })
    }

    fn read_amount(&self, currency: Currency, problems: &mut Problems) -> Option<Money> {
        let text = problems.required("amount", self.amount.as_deref())?;
        not_negative("amount", text, currency, problems)
    }

    fn read_metered(&self, currency: Currency, problems: &mut Problems) -> Option<Metered> {
        let model = self.read_model(problems);
        let unit_size = positive("unit_size", self.unit_size.as_deref().unwrap_or("1"), problems);
        let included = problems.keep("included", Decimal::parse(self.included.as_deref().unwrap_or("0")));
        let included = included.filter(|units| {
            if *units < Decimal::ZERO {
                problems.note("included", "must not be negative");
            }
            *units >= Decimal::ZERO
        });
        let mut bound = |field, text: &Option<String>| match text.as_deref() {
            None => Some(None),
            Some(text) => not_negative(field, text, currency, problems).map(Some),
        };
        let (minimum, maximum) = (bound("minimum", &self.minimum), bound("maximum", &self.maximum));
        if let (Some(Some(minimum)), Some(Some(maximum))) = (minimum, maximum)
            && minimum.minor() > maximum.minor()
        {
            problems.note("maximum", "must not be less than the minimum");
            return None;
        }
        Some(Metered {
            model: model?,
            unit_size: unit_size?,
            included: included?,
            minimum: minimum?,
            maximum: maximum?,
        })
    }

    fn read_model(&self, problems: &mut Problems) -> Option<Model> {
        let price = |problems: &mut Problems, field, text: &Option<String>| {
            let text = problems.required(field, text.as_deref())?;
            problems.keep(field, UnitPrice::parse(text))
        };
        match self.model.as_str() {
            "per_unit" => price(problems, "unit_price", &self.unit_price)
                .map(|unit_price| Model::PerUnit { unit_price }),
            "package" => {
                let size = problems.required("package_size", self.package_size.as_deref());
                let size = size.and_then(|text| positive("package_size", text, problems));
                let price = price(problems, "package_price", &self.package_price);
                Some(Model::Package { size: size?, price: price? })
            }
            "graduated" => self.read_tiers(problems).map(Model::Graduated),
            "volume" => self.read_tiers(problems).map(Model::Volume),
            "percentage" => {
                let percent = problems.required("percent", self.percent.as_deref());
                let percent = percent.and_then(|text| problems.keep("percent", Percent::parse(text)));
                let fee = UnitPrice::parse(self.event_fee.as_deref().unwrap_or("0"));
                let event_fee = problems.keep("event_fee", fee);
                Some(Model::Percentage { percent: percent?, event_fee: event_fee? })
            }
            _ => {
                problems.note("meter", "must be absent: a flat price has no usage");
                None
            }
        }
    }

    fn read_tiers(&self, problems: &mut Problems) -> Option<Tiers> {
        let tiers = problems.required("tiers", self.tiers.as_ref())?;
        Tiers::read(tiers, problems)
    }

    /// Notes the fields that the model does not have.
    fn refuse_others(&self, fields: &[&str], problems: &mut Problems) {
        for (field, given) in [
            ("amount", self.amount.is_some()),
            ("unit_price", self.unit_price.is_some()),
            ("package_size", self.package_size.is_some()),
            ("package_price", self.package_price.is_some()),
            ("tiers", self.tiers.is_some()),
            ("percent", self.percent.is_some()),
            ("event_fee", self.event_fee.is_some()),
            ("unit_size", self.unit_size.is_some()),
            ("included", self.included.is_some()),
            ("minimum", self.minimum.is_some()),
            ("maximum", self.maximum.is_some()),
        ] {
            if given && !fields.contains(&field) {
                problems.note(field, format_args!("must be absent: a {} price has none", self.model));
            }
        }
    }
}

/// The fields of each model, in the order of [`Model::NAMES`].
const FIELDS: [&[&str]; 6] = [
    &["amount"],
    &["unit_price", "unit_size", "included", "minimum", "maximum"],
    &["package_size", "package_price", "included", "minimum", "maximum"],
    &["tiers", "unit_size", "included", "minimum", "maximum"],
    &["tiers", "unit_size", "included", "minimum", "maximum"],
    &["percent", "event_fee", "included", "minimum", "maximum"],
];

/// An amount of at least zero.
pub(crate) fn not_negative(
    field: &str,
    text: &str,
    currency: Currency,
    problems: &mut Problems,
) -> Option<Money> {
    let amount = problems.keep(field, Money::parse(text, currency))?;
    if amount.is_negative() {
        problems.note(field, "must not be negative");
        return None;
    }
    Some(amount)
}

/// A decimal above zero.
fn positive(field: &str, text: &str, problems: &mut Problems) -> Option<Decimal> {
    let number = problems.keep(field, Decimal::parse(text))?;
    if number <= Decimal::ZERO {
        problems.note(field, "must be greater than 0");
        return None;
    }
    Some(number)
}

impl From<&Price> for PriceForm {
    fn from(price: &Price) -> Self {
        let form = Self { key: Some(price.key.to_string()), ..Self::default() };
        match &price.charges {
            Charges::Flat { amount } => {
                Self { model: "flat".to_owned(), amount: Some(amount.amount()), ..form }
            }
            Charges::Metered { meter, metered } => {
                let form = Self { meter: Some(meter.to_string()), ..form };
                let some = |number: Decimal, usual: Decimal| (number != usual).then(|| number.to_string());
                let form = Self {
                    unit_size: some(metered.unit_size, Decimal::ONE),
                    included: some(metered.included, Decimal::ZERO),
                    minimum: metered.minimum.map(Money::amount),
                    maximum: metered.maximum.map(Money::amount),
                    ..form
                };
                form.with_model(&metered.model)
            }
        }
    }
}

impl PriceForm {
    fn with_model(mut self, model: &Model) -> Self {
        model.as_str().clone_into(&mut self.model);
        match model {
            Model::PerUnit { unit_price } => self.unit_price = Some(unit_price.to_string()),
            Model::Package { size, price } => {
                (self.package_size, self.package_price) = (Some(size.to_string()), Some(price.to_string()));
            }
            Model::Graduated(tiers) | Model::Volume(tiers) => {
                self.tiers = Some(tiers.list().iter().map(TierForm::from).collect());
            }
            Model::Percentage { percent, event_fee } => {
                (self.percent, self.event_fee) = (Some(percent.to_string()), Some(event_fee.to_string()));
            }
        }
        self
    }
}

impl From<&Tier> for TierForm {
    fn from(tier: &Tier) -> Self {
        Self {
            up_to: tier.up_to.map(|bound| bound.to_string()),
            unit_price: Some(tier.unit_price.to_string()),
            flat_fee: (tier.flat_fee != UnitPrice::ZERO).then(|| tier.flat_fee.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
