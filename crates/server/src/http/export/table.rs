//! Rows of exports.
use reckoner_domain::decimal::{Decimal, SCALE};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text. JSON is one, and so is a fraction.
    Text,
    /// An instant.
    Time,
    /// An exact decimal: a quantity or an amount of money.
    Decimal,
    /// A whole number.
    Whole,
    /// Yes or no.
    Truth,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may have nothing there.
    pub optional: bool,
}

impl Column {
    /// A column that every row has.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: false }
    }

    /// A column that not every row has.
    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: true }
    }
}

/// What a row has in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// An instant.
    Time(Timestamp),
    /// A quantity.
    Decimal(Decimal),
    /// An amount; its currency has a column of its own.
    Money(Money),
    /// A whole number.
    Whole(u64),
    /// Yes or no.
    Truth(bool),
}

impl Cell {
    /// What there may be.
    pub fn of<T: Into<Self>>(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }

    /// As CSV has it.
    pub fn into_text(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text,
            Self::Time(time) => time.to_string(),
            Self::Decimal(decimal) => decimal.to_string(),
            Self::Money(money) => money.amount(),
            Self::Whole(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }

    /// As a whole number of units of the last decimal place, where it is a decimal.
    pub fn decimal_units(&self) -> Option<i128> {
        match self {
            Self::Decimal(decimal) => Some(decimal.units()),
            Self::Money(money) => {
                let places = SCALE.checked_sub(money.currency().digits())?;
                money.minor().checked_mul(10_i128.checked_pow(places)?)
            }
            _ => None,
        }
    }
}

macro_rules! cells {
    ($($kind:ident($type:ty);)*) => { $(
        impl From<$type> for Cell {
            fn from(value: $type) -> Self {
                Self::$kind(value)
            }
        }
    )* };
}
cells! {
    Text(String);
    Time(Timestamp);
    Decimal(Decimal);
    Money(Money);
    Whole(u64);
    Truth(bool);
}

/// A row of an export.
pub trait Row: Send + 'static {
    /// The columns of its table, in their order: further ones are added at the end.
    const COLUMNS: &'static [Column];

    /// What it has in each column.
    fn into_cells(self) -> Vec<Cell>;

    /// The same as a JSON object on one line, in the form of the list.
    fn into_json(self) -> String;
}
