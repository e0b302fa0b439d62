//! Coupons of subscriptions.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A coupon to give to a subscription.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponToGive {
    /// The coupon's key; its newest version is given.
    pub coupon: String,
}

/// A coupon that a subscription was given.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GivenCoupon {
    /// The coupon's key.
    pub coupon: String,
    /// The version that was given.
    pub coupon_version: u32,
    /// When it was given.
    pub given_at: String,
    /// When it was taken away, or had taken off all that it was for; absent while it goes on.
    pub ended_at: Option<String>,
}
