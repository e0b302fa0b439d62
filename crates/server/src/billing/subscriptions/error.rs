//! Why nothing was done to a subscription.
use crate::billing::debts::DebtError;
use crate::mail::MailError;
use crate::random::NoRandomness;
use crate::store::StoreError;
use reckoner_domain::currency::Currency;
use reckoner_domain::money::MoneyError;
use reckoner_domain::subscription::InvalidTransition;

/// Why nothing was done to a subscription.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The control plane failed, or there is no such subscription.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The customer has a subscription that is not over.
    #[error("the customer has a subscription that is not over: change that one, or cancel it first")]
    Open,
    /// No such plan.
    #[error("no such plan")]
    NoSuchPlan,
    /// No such version of the plan.
    #[error("the plan has no such version")]
    NoSuchVersion,
    /// The plan is archived.
    #[error("the plan is archived: nobody subscribes to it any more")]
    Archived,
    /// The customer has another currency.
    #[error("the customer's currency is {has}, the plan's is {wants}: a customer has one currency")]
    Currency {
        /// The customer's.
        has: Currency,
        /// The plan's.
        wants: Currency,
    },
    /// The change cannot be invoiced at once.
    #[error("the change cannot be invoiced at once: it {0}")]
    InvoiceNow(&'static str),
    /// It is over.
    #[error("the subscription is over")]
    Over,
    /// No such coupon.
    #[error("no such coupon")]
    NoSuchCoupon,
    /// The coupon is archived.
    #[error("the coupon is archived: nobody is given it any more")]
    CouponArchived,
    /// The coupon's amount is in another currency than the plan.
    #[error("the coupon takes off {coupon}, the plan is in {plan}")]
    CouponCurrency {
        /// The coupon's.
        coupon: Currency,
        /// The plan's.
        plan: Currency,
    },
    /// The subscription has it.
    #[error("the subscription has this coupon already")]
    CouponGiven,
    /// The subscription does not have it.
    #[error("the subscription does not have this coupon")]
    CouponNotGiven,
    /// It has as many as it may.
    #[error("the subscription has as many coupons as it may: {max} at once", max = super::coupons::COUPONS_MAX)]
    TooManyCoupons,
    /// That cannot happen to it as it stands.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// Base prices cannot be compared.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A mail could not be queued.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// No id could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl From<DebtError> for SubscriptionError {
    fn from(error: DebtError) -> Self {
        match error {
            DebtError::Store(error) => Self::Store(error),
            DebtError::Mail(error) => Self::Mail(error),
            DebtError::Money(error) => Self::Money(error),
        }
    }
}

impl SubscriptionError {
    /// What a new subscription conflicts with is the customer's other one.
    pub(super) fn of_create(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Open,
            error => Self::Store(error),
        }
    }
}
