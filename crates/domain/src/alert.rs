//! Alerts: when somebody is to be told of usage, spend or credit.
use crate::decimal::Decimal;
use crate::meter::UnknownName;
use crate::ratio::Ratio;
use crate::sum::Overflow;
use std::str::FromStr;

/// Most alerts of a project.
pub const ALERTS_MAX: u32 = 500;
/// Most addresses that an alert is mailed to.
pub const RECIPIENTS_MAX: usize = 20;
/// Most bytes of an alert's name.
pub const NAME_BYTES_MAX: usize = 255;

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal;)* })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// Every name, in store and API.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The name in store and API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(UnknownName) }
            }
        }
    )* };
}

named! {
    /// What an alert watches.
    AlertKind {
        /// What is used of a meter.
        Usage = "usage";
        /// What the next invoice comes to so far, before the wallet.
        Spend = "spend";
        /// What is available in the wallet.
        Balance = "balance";
    }
    /// What a threshold is counted in.
    ThresholdUnit {
        /// The meter's unit, or money.
        Absolute = "absolute";
        /// Percent of a limit or a budget.
        Percent = "percent";
    }
    /// How long usage adds up.
    AlertPeriod {
        /// The customer's billing period; the calendar month where it has none.
        BillingPeriod = "billing_period";
        /// The calendar month of the billing zone.
        Month = "month";
    }
    /// How somebody is told.
    Channel {
        /// By mail.
        Mail = "mail";
        /// By webhook.
        Webhook = "webhook";
        /// In the list of notices.
        InApp = "in_app";
    }
}

impl AlertKind {
    /// What reaches the threshold: usage and spend at or above it, credit at or below it.
    pub fn is_reached(self, value: Ratio, bound: Ratio) -> bool {
        match self {
            Self::Usage | Self::Spend => value >= bound,
            Self::Balance => value <= bound,
        }
    }

    /// Whether a threshold makes sense: zero is reached by nothing at all, but an empty wallet is worth telling of.
    pub fn allows(self, threshold: Decimal) -> bool {
        match self {
            Self::Usage | Self::Spend => threshold > Decimal::ZERO,
            Self::Balance => threshold >= Decimal::ZERO,
        }
    }
}

impl ThresholdUnit {
    /// What a threshold comes to; of percent, of `whole`, without which it comes to nothing.
    pub fn bound(self, threshold: Decimal, whole: Option<Ratio>) -> Result<Option<Ratio>, Overflow> {
        match self {
            Self::Absolute => Ok(Some(Ratio::from(threshold))),
            Self::Percent => whole.map(|whole| whole.percent(threshold)).transpose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Ratio {
        Ratio::parse(text).expect("a number")
    }

    #[test]
    fn names_read_back() {
        for name in AlertKind::NAMES {
            assert_eq!(AlertKind::from_str(name).map(AlertKind::as_str), Ok(*name));
        }
        assert_eq!(Channel::from_str("sms"), Err(UnknownName));
    }

    #[test]
    fn the_threshold_itself_is_reached() {
        for kind in [AlertKind::Usage, AlertKind::Spend] {
            assert!(
                kind.is_reached(ratio("80"), ratio("80")) && !kind.is_reached(ratio("79.9"), ratio("80"))
            );
        }
        assert!(AlertKind::Balance.is_reached(ratio("5"), ratio("5")));
        assert!(!AlertKind::Balance.is_reached(ratio("5.01"), ratio("5")));
    }

    #[test]
    fn percent_are_of_something_and_exact() {
        let threshold = Decimal::parse("33.3").expect("a number");
        let bound = |whole: Option<&str>| ThresholdUnit::Percent.bound(threshold, whole.map(ratio));
        assert_eq!(bound(Some("1000")), Ok(Some(ratio("333"))));
        assert_eq!(bound(None), Ok(None));
        assert_eq!(ThresholdUnit::Absolute.bound(threshold, None), Ok(Some(ratio("33.3"))));
    }

    #[test]
    fn nothing_reaches_a_threshold_by_itself() {
        let [zero, below] = ["0", "-1"].map(|text| Decimal::parse(text).expect("a number"));
        assert!(!AlertKind::Usage.allows(zero) && !AlertKind::Spend.allows(zero));
        assert!(AlertKind::Balance.allows(zero) && !AlertKind::Balance.allows(below));
    }
}
