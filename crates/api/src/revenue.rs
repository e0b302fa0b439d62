//! Revenue.
use crate::invoice::Money;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Between which instants revenue is held against itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RevenueParams {
    /// The earlier instant; 30 days before the later one when absent.
    pub from: Option<String>,
    /// The later instant; now when absent.
    pub to: Option<String>,
}

/// Monthly recurring revenue, one figure for each currency.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Revenue {
    /// The earlier instant.
    pub from: String,
    /// The later instant.
    pub to: String,
    /// The figures.
    pub data: Vec<RevenueFigure>,
}

/// The revenue of one currency.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevenueFigure {
    /// Per month, at the later instant.
    pub mrr: Money,
    /// Per year, at the later instant: twelve times the exact monthly sum.
    pub arr: Money,
    /// Per month, at the earlier instant.
    pub mrr_before: Money,
    /// Of customers that had none at the earlier one.
    pub new: Money,
    /// What customers have more.
    pub expansion: Money,
    /// What customers have less and still have.
    pub contraction: Money,
    /// Of customers that have none any more.
    pub churn: Money,
    /// What was lost of the earlier revenue: contraction and churn over `mrr_before`, as a decimal; null where there was
    /// none.
    pub revenue_churn_rate: Option<String>,
    /// How many customers brought revenue at the earlier instant.
    pub customers_before: u64,
    /// How many bring some at the later one.
    pub customers: u64,
    /// How many of those before bring none any more.
    pub customers_lost: u64,
    /// The share of them, as a decimal; null where there were none.
    pub customer_churn_rate: Option<String>,
}

/// In which time periods were closed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MeterRevenueParams {
    /// Its beginning; 30 days before its end when absent. At most 366 days are between them.
    pub from: Option<String>,
    /// Its end; now when absent.
    pub to: Option<String>,
}

/// What usage brought, by meter.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MeterRevenues {
    /// Where the time begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// What each meter brought, by its key and currency.
    pub data: Vec<MeterRevenue>,
}

/// What the usage of a meter brought.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MeterRevenue {
    /// The meter's key.
    pub meter: String,
    /// What it was charged: with discounts, minimums and adjustments so far, without tax.
    pub charged: Money,
    /// How many prices of closed periods that is.
    pub periods: u64,
}
