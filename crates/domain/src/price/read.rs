//! From prices as written to prices, with everything that is wrong.
use super::form::PriceForm;
use super::tier::Tiers;
use super::{Charges, Metered, Model, Price};
use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::key::{PriceKey, TaxKey};
use crate::meter::MeterKey;
use crate::money::{Money, UnitPrice};
use crate::percent::Percent;
use crate::problem::{Problem, Problems};

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
        let tax = problems.keep("tax", self.tax.as_deref().map(TaxKey::parse).transpose());
        if self.model == "flat" {
            let key = problems.required("key", self.key.as_deref());
            let key = key.and_then(|text| problems.keep("key", PriceKey::parse(text)));
            if self.meter.is_some() {
                problems.note("meter", "must be absent: a flat price has no usage");
            }
            let amount = self.read_amount(currency, problems)?;
            return Some(Price { key: key?, tax: tax?, charges: Charges::Flat { amount } });
        }
        let meter = problems.required("meter", self.meter.as_deref());
        let meter = meter.and_then(|text| problems.keep("meter", MeterKey::parse(text)));
        let key = match self.key.as_deref() {
            Some(text) => problems.keep("key", PriceKey::parse(text)),
            None => self.meter.as_deref().and_then(|text| PriceKey::parse(text).ok()),
        };
        let metered = self.read_metered(currency, problems);
        Some(Price { key: key?, tax: tax?, charges: Charges::Metered { meter: meter?, metered: metered? } })
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
            _ => {
                let percent = problems.required("percent", self.percent.as_deref());
                let percent = percent.and_then(|text| problems.keep("percent", Percent::parse(text)));
                let fee = UnitPrice::parse(self.event_fee.as_deref().unwrap_or("0"));
                let event_fee = problems.keep("event_fee", fee);
                Some(Model::Percentage { percent: percent?, event_fee: event_fee? })
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

#[cfg(test)]
mod tests;
