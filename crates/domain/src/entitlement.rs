//! Entitlements: what a plan lets its customers do.
mod form;

pub use form::EntitlementForm;

use crate::key::FeatureKey;
use crate::quota::Quota;

/// Most bytes of a static value.
pub const VALUE_BYTES_MAX: usize = 255;

/// What a plan grants of one feature; a feature that a plan does not name is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// The feature.
    pub feature: FeatureKey,
    /// What is granted.
    pub grant: Grant,
}

/// What is granted of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The feature itself.
    Boolean,
    /// The feature in this form, such as a level of support.
    Static(String),
    /// Use of a meter.
    Metered(Quota),
}

impl Grant {
    /// Every kind of entitlement, as named in catalogues and API.
    pub const NAMES: [&'static str; 3] = ["boolean", "static", "metered"];

    /// The kind's name in catalogues and API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Static(_) => "static",
            Self::Metered(_) => "metered",
        }
    }
}
