//! How prices are written in catalogues and requests, in JSON and TOML alike.
use super::tier::Tier;
use super::{Charges, Model, Price};
use crate::decimal::Decimal;
use crate::money::{Money, UnitPrice};
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
    /// Which of the customer's rates of tax it is taxed at; the plan's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<String>,
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

impl From<&Price> for PriceForm {
    fn from(price: &Price) -> Self {
        let tax = price.tax.as_ref().map(ToString::to_string);
        let form = Self { key: Some(price.key.to_string()), tax, ..Self::default() };
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
