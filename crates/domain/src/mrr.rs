//! Monthly recurring revenue, and how it moved.
use crate::coupon::{Coupon, Off};
use crate::currency::Currency;
use crate::money::{Money, MoneyError};
use crate::proration::BaseFee;
use crate::ratio::Ratio;
use std::collections::{BTreeMap, BTreeSet};

/// A subscription that counts: active or past due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurring<'a> {
    /// The customer's own id.
    pub customer: &'a str,
    /// What it pays each billing period, in advance.
    pub base: BaseFee,
    /// The coupons that count against it: those that recur, while they last.
    pub coupons: &'a [Coupon],
}

/// Exact monthly amounts of customers, by currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revenue<'a>(BTreeMap<Currency, BTreeMap<&'a str, Ratio>>);

/// How revenue of one currency moved between two instants: customers against themselves, net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movements {
    /// Of customers that had none.
    pub new: Money,
    /// What customers have more.
    pub expansion: Money,
    /// What customers have less and still have, above zero.
    pub contraction: Money,
    /// Of customers that have none any more, above zero.
    pub churn: Money,
}

/// How many customers bring revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Customers {
    /// At the earlier instant.
    pub before: u64,
    /// At the later one.
    pub now: u64,
    /// Of those before, how many bring none any more.
    pub lost: u64,
}

/// What a subscription adds: its base fee without the recurring coupons, percent before amount, at
/// least zero, per month.
fn monthly(subscription: &Recurring<'_>) -> Result<Ratio, MoneyError> {
    let mut fee = subscription.base.amount.exact();
    for coupon in subscription.coupons {
        if let Off::Percent(percent) = coupon.off {
            fee = percent.off(fee)?;
        }
    }
    for coupon in subscription.coupons {
        if let Off::Amount(amount) = coupon.off {
            amount.same_currency(subscription.base.amount)?;
            fee = fee.minus(amount.exact())?.max(Ratio::ZERO);
        }
    }
    Ok(subscription.base.interval.monthly(fee)?)
}

impl<'a> Revenue<'a> {
    /// The revenue of these subscriptions.
    pub fn of(subscriptions: impl IntoIterator<Item = Recurring<'a>>) -> Result<Self, MoneyError> {
        let mut revenue = Self::default();
        for subscription in subscriptions {
            let currency = subscription.base.amount.currency();
            let customers = revenue.0.entry(currency).or_default();
            let sum = customers.entry(subscription.customer).or_default();
            *sum = sum.plus(monthly(&subscription)?)?;
        }
        Ok(revenue)
    }

    /// One figure for each currency; the exact sum, rounded once.
    pub fn totals(&self) -> Result<Vec<Money>, MoneyError> {
        let total = |(currency, customers): (&Currency, &BTreeMap<_, _>)| {
            round(customers.values().copied(), *currency)
        };
        self.0.iter().map(total).collect()
    }

    /// Twelve months of a currency's revenue, the exact sum rounded once.
    pub fn annual(&self, currency: Currency) -> Result<Money, MoneyError> {
        let months = Ratio::from_count(12);
        let amounts = self.0.get(&currency).into_iter().flat_map(BTreeMap::values);
        let year = amounts.copied().try_fold(Ratio::ZERO, Ratio::plus)?.times(months)?;
        Money::rounded(year, currency)
    }

    /// How many customers bring revenue of a currency, and how many of those of `before` bring none any more.
    pub fn customers_since(&self, before: &Self, currency: Currency) -> Customers {
        let paying = |revenue: &Self| -> BTreeSet<&str> {
            let all = revenue.0.get(&currency).into_iter().flatten();
            all.filter(|(_, amount)| !amount.is_zero()).map(|(customer, _)| *customer).collect()
        };
        let (had, has) = (paying(before), paying(self));
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Customers {
            before: count(had.len()),
            now: count(has.len()),
            lost: count(had.difference(&has).count()),
        }
    }

    /// How the revenue of a currency moved from `before` to this.
    pub fn movements_since(&self, before: &Self, currency: Currency) -> Result<Movements, MoneyError> {
        let nobody = BTreeMap::new();
        let (old, new) =
            (before.0.get(&currency).unwrap_or(&nobody), self.0.get(&currency).unwrap_or(&nobody));
        let mut moved: [Vec<Ratio>; 4] = Default::default();
        let [added, expanded, contracted, churned] = &mut moved;
        for customer in old.keys().chain(new.keys().filter(|customer| !old.contains_key(*customer))) {
            let had = old.get(customer).copied().unwrap_or_default();
            let has = new.get(customer).copied().unwrap_or_default();
            match (had.is_zero(), has.is_zero()) {
                (true, _) => added.push(has),
                (_, true) => churned.push(had),
                _ if has >= had => expanded.push(has.minus(had)?),
                _ => contracted.push(had.minus(has)?),
            }
        }
        let [new, expansion, contraction, churn] = moved.map(|amounts| round(amounts, currency));
        Ok(Movements { new: new?, expansion: expansion?, contraction: contraction?, churn: churn? })
    }
}

fn round(amounts: impl IntoIterator<Item = Ratio>, currency: Currency) -> Result<Money, MoneyError> {
    Money::rounded(amounts.into_iter().try_fold(Ratio::ZERO, Ratio::plus)?, currency)
}

#[cfg(test)]
mod tests;
