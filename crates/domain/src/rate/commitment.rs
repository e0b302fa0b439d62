//! Prepaid commitments: usage draws on what was paid in advance.
use crate::money::{Money, MoneyError};

/// How much of a commitment each line draws, in their order; lines below zero draw nothing. What is
/// left afterwards lapses.
pub fn draw(commitment: Money, lines: &[Money]) -> Result<Vec<Money>, MoneyError> {
    let nothing = Money::zero(commitment.currency());
    let mut left = commitment;
    let mut draws = Vec::with_capacity(lines.len());
    for line in lines {
        let drawn = if line.is_positive() { line.least(left)? } else { nothing };
        left = left.minus(drawn)?;
        draws.push(drawn);
    }
    Ok(draws)
}
