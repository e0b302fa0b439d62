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
        }

        crate::text::as_text!($name, KeyError);
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
