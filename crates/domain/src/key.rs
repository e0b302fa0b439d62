//! Keys that people give to plans, prices, features and coupons.
use crate::meter::{KeyError, MeterKey};

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads a key: what may be a meter's may be this.
            pub fn parse(text: &str) -> Result<Self, KeyError> {
                MeterKey::parse(text).map(|key| Self(key.as_str().to_owned()))
            }

            /// The key as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = KeyError;
            fn try_from(text: String) -> Result<Self, KeyError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> Self {
                key.0
            }
        }
    )* };
}

keys! {
    /// Names a plan, the same in all versions.
    PlanKey;
    /// Names a price within a plan.
    PriceKey;
    /// Names a feature that plans entitle to.
    FeatureKey;
    /// Names a coupon.
    CouponKey;
    /// Names a rate of tax.
    TaxKey;
}
