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
    /// Of customers that had none at the earlier one.
    pub new: Money,
    /// What customers have more.
    pub expansion: Money,
    /// What customers have less and still have.
    pub contraction: Money,
    /// Of customers that have none any more.
    pub churn: Money,
}
