//! Amounts of money: a whole number of a currency's minor units.
use crate::currency::{Currency, CurrencyError};
use crate::decimal::Decimal;
use crate::ratio::Ratio;
use crate::sum::Overflow;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most digits before the decimal point.
const INTEGER_DIGITS: u32 = 18;
/// Most fractional digits of a price.
const PRICE_DIGITS: u32 = 12;

/// An amount in a currency, never finer than the currency's minor unit, with at most 18 digits before
/// the decimal point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "MoneyForm", try_from = "MoneyForm")]
pub struct Money {
    minor: i128,
    currency: Currency,
}

/// Why a result or a text is no [`Money`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amount has more than 18 digits before the decimal point, or needs more than 256 bits.
    #[error("the amount exceeds 18 digits before the decimal point")]
    TooLarge,
    /// Amounts of two currencies met.
    #[error("amounts in {0} and {1} do not add up")]
    Currencies(Currency, Currency),
    /// Not digits with an optional point between them.
    #[error("must be a plain decimal amount such as 49.00")]
    Syntax,
    /// Finer than the minor unit.
    #[error("must have at most {digits} digits after the decimal point: {currency} has no finer unit")]
    TooPrecise {
        /// The currency.
        currency: Currency,
        /// Digits of its minor unit.
        digits: u32,
    },
    /// An unknown currency.
    #[error("currency {0}")]
    Currency(#[from] CurrencyError),
}

impl From<Overflow> for MoneyError {
    fn from(_: Overflow) -> Self {
        Self::TooLarge
    }
}

impl Money {
    /// Nothing, in a currency.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// A whole number of minor units, such as cents.
    pub fn from_minor(minor: i128, currency: Currency) -> Result<Self, MoneyError> {
        let limit = 10_u128.checked_pow(INTEGER_DIGITS.saturating_add(currency.digits()));
        let fits = limit.is_some_and(|limit| minor.unsigned_abs() < limit);
        if fits { Ok(Self { minor, currency }) } else { Err(MoneyError::TooLarge) }
    }

    /// An exact amount rounded, half to even, to the currency's minor unit.
    pub fn rounded(amount: Ratio, currency: Currency) -> Result<Self, MoneyError> {
        Self::from_minor(amount.to_parts_half_even(currency.digits())?, currency)
    }

    /// Reads plain decimal notation with at most the currency's digits after the point.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let digits = currency.digits();
        let exact = plain(amount).ok_or(MoneyError::Syntax)?;
        let minor = exact.to_parts_half_even(digits)?;
        if Ratio::from_parts(minor, digits) != Some(exact) {
            return Err(MoneyError::TooPrecise { currency, digits });
        }
        Self::from_minor(minor, currency)
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The amount in minor units, such as cents.
    pub fn minor(self) -> i128 {
        self.minor
    }

    /// The amount for exact arithmetic.
    pub fn exact(self) -> Ratio {
        Ratio::from_parts(self.minor, self.currency.digits()).unwrap_or_default()
    }

    /// The amount in plain notation with all digits of the minor unit: `49.00`.
    pub fn amount(self) -> String {
        let width = (self.currency.digits() as usize).saturating_add(1);
        let digits = format!("{:0>width$}", self.minor.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(width.saturating_sub(1)));
        let sign = if self.minor < 0 { "-" } else { "" };
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::TooLarge)?;
        Self::from_minor(minor, self.currency)
    }

    /// This without the other.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.plus(other.negated())
    }

    /// The amount with the other sign.
    pub fn negated(self) -> Self {
        Self { minor: self.minor.saturating_neg(), ..self }
    }

    /// The smaller of two amounts.
    pub fn least(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(if other.minor < self.minor { other } else { self })
    }

    /// The sum of amounts of one currency.
    pub fn total(amounts: impl IntoIterator<Item = Self>, currency: Currency) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// Whether the amount is below zero.
    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// Whether the amount is zero.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether the amount is above zero.
    pub fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Whether two amounts may be added.
    pub fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        let same = self.currency == other.currency;
        if same { Ok(()) } else { Err(MoneyError::Currencies(self.currency, other.currency)) }
    }
}

/// A text without signs but minus, without exponents and without superfluous zeros in front.
fn plain(text: &str) -> Option<Ratio> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let fits = text.len() <= 64 && !padded && !text.contains('/');
    Ratio::parse(text).ok().filter(|_| fits)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

/// How money is written in JSON: `{"amount":"49.00","currency":"USD"}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyForm {
    amount: String,
    currency: String,
}

impl From<Money> for MoneyForm {
    fn from(money: Money) -> Self {
        Self { amount: money.amount(), currency: money.currency.to_string() }
    }
}

impl TryFrom<MoneyForm> for Money {
    type Error = MoneyError;
    fn try_from(form: MoneyForm) -> Result<Self, MoneyError> {
        Self::parse(&form.amount, form.currency.parse()?)
    }
}

/// What one unit costs: not negative, with at most 12 fractional digits, in the currency of its plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPrice(Decimal);

/// A text is no price of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal of at least 0 with at most 18 digits before and 12 after the decimal point")]
pub struct UnitPriceError;

impl UnitPrice {
    /// Free.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads plain decimal notation.
    pub fn parse(text: &str) -> Result<Self, UnitPriceError> {
        let plain = plain(text).ok_or(UnitPriceError)?;
        let parts = plain.to_parts_half_even(PRICE_DIGITS).ok();
        let whole = parts.is_some_and(|parts| Ratio::from_parts(parts, PRICE_DIGITS) == Some(plain));
        let price = plain.to_decimal().filter(|price| whole && *price >= Decimal::ZERO);
        price.map(Self).ok_or(UnitPriceError)
    }

    /// The price for exact arithmetic.
    pub fn exact(self) -> Ratio {
        Ratio::from(self.0)
    }
}

impl fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
