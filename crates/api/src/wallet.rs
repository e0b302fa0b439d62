//! Wallets.
use crate::invoice::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A customer's prepaid credit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Wallet {
    /// The customer's own id.
    pub customer: String,
    /// What may be used now; none where nothing was ever put in.
    pub available: Option<Money>,
    /// What holds reserve.
    pub held: Option<Money>,
    /// How many entries the wallet has.
    pub entries: u64,
}

/// Credit that is put in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    /// How much.
    pub amount: Money,
    /// When it expires; never when absent.
    pub expires_at: Option<String>,
    /// What the entry says, at most 500 characters.
    pub description: Option<String>,
}

/// Credit that is taken, or given back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WalletAmount {
    /// How much.
    pub amount: Money,
    /// What the entry says, at most 500 characters.
    pub description: Option<String>,
}

/// Credit that is reserved.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// Names the hold in the wallet, at most 128 bytes.
    pub hold: String,
    /// How much.
    pub amount: Money,
    /// What the entry says, at most 500 characters.
    pub description: Option<String>,
}

/// What happened to a wallet.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WalletEntry {
    /// Counts the wallet's entries from 1.
    pub number: u64,
    /// `top_up`, `credit`, `deduct`, `hold`, `release`, `deduct_held` or `expire`.
    pub kind: String,
    /// How much.
    pub amount: Money,
    /// The hold that it concerns.
    pub hold: Option<String>,
    /// When the credit expires.
    pub expires_at: Option<String>,
    /// The invoice that it concerns.
    pub invoice: Option<String>,
    /// What it says.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: String,
}
