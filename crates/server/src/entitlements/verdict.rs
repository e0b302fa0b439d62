//! What is said of a customer's wish to use something.
use reckoner_domain::quota::{Limit, Reset};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;

/// What is said of a customer's wish to use something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it may not be used; `None` where it may.
    pub refused: Option<Refusal>,
    /// What is allowed, and what happens beyond it.
    pub limit: Limit,
    /// What was used since the last reset.
    pub used: Ratio,
    /// What is left without what leases hold; `None` where there is no limit.
    pub remaining: Option<Ratio>,
    /// When counting begins anew, and how often; `None` where nothing is counted.
    pub resets: Option<(Timestamp, Reset)>,
    /// Whether it was asked before, and this is what was said then.
    pub is_repeat: bool,
}

/// Why something may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would pass the limit.
    Limit,
    /// The customer's plan does not have it.
    NotEntitled,
    /// The customer did not pay.
    Suspended,
}

impl Verdict {
    /// Of a limit of which so much was used and leases hold so much.
    pub fn of(
        limit: Limit,
        (used, held): (Ratio, Ratio),
        resets: Option<(Timestamp, Reset)>,
    ) -> Result<Self, Overflow> {
        let remaining = limit.remaining(used.plus(held)?)?;
        Ok(Self { refused: None, limit, used, remaining, resets, is_repeat: false })
    }

    /// Whether leases have no part in it: what they hold may be given back at any moment.
    pub fn is_without_leases(&self) -> bool {
        self.limit.remaining(self.used) == Ok(self.remaining)
    }

    /// Where the customer has nothing.
    pub fn not_entitled() -> Self {
        Self::nothing(Refusal::NotEntitled)
    }

    /// Where the customer did not pay for too long.
    pub fn suspended() -> Self {
        Self::nothing(Refusal::Suspended)
    }

    fn nothing(why: Refusal) -> Self {
        Self {
            refused: Some(why),
            limit: Limit::Block(reckoner_domain::decimal::Decimal::ZERO),
            used: Ratio::ZERO,
            remaining: Some(Ratio::ZERO),
            resets: None,
            is_repeat: false,
        }
    }

    /// Where nothing is limited or counted.
    pub fn unlimited() -> Self {
        Self {
            refused: None,
            limit: Limit::Unlimited,
            used: Ratio::ZERO,
            remaining: None,
            resets: None,
            is_repeat: false,
        }
    }

    /// The same, refused where `refused` says so.
    pub fn refusing(self, refused: Option<Refusal>) -> Self {
        Self { refused, ..self }
    }

    /// Whether it may be used.
    pub fn is_allowed(&self) -> bool {
        self.refused.is_none()
    }
}

/// The one of several that says most: a refusal first, then the one with least left.
pub fn tightest(verdicts: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    verdicts.into_iter().min_by(|a, b| {
        let least = |verdict: &Verdict| (verdict.is_allowed(), verdict.remaining.is_none());
        least(a).cmp(&least(b)).then_with(|| a.remaining.cmp(&b.remaining))
    })
}
