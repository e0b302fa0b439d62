//! Five failures lock an address, whether anybody has it or not.
use super::Accounts;
use crate::auth::error::AuthError;
use crate::store::TokenHash;
use crate::store::audit::{self, ANONYMOUS, Change};
use crate::store::login_failures::{self, Rule};
use parking_lot::Mutex;
use reckoner_domain::audit::hex;
use reckoner_domain::id::UserId;
use reckoner_domain::time::{MINUTE, SECOND, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// When an address is locked, and for how long.
pub const RULE: Rule = Rule { failures_max: 5, lock_micros: 15 * MINUTE };
/// When to try again while as many guesses as are left are being checked, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// Guesses that are being checked, by address.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<Mutex<HashMap<TokenHash, u32>>>);

/// The right to check one guess; over when dropped.
#[derive(Debug)]
pub struct Guess {
    under_way: UnderWay,
    address: TokenHash,
}

impl UnderWay {
    /// Begins a guess, and says how many are under way with it.
    fn begin(&self, address: TokenHash) -> (Guess, u32) {
        let mut all = self.0.lock();
        let count = all.entry(address).or_default();
        *count = count.saturating_add(1);
        (Guess { under_way: self.clone(), address }, *count)
    }
}

impl Drop for Guess {
    fn drop(&mut self) {
        let mut all = self.under_way.0.lock();
        if let Some(count) = all.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

impl Accounts {
    /// Lets a guess at a password through, unless the address is locked. Of those that come at once no
    /// more are let through than may fail: waiting for their outcome is the others' turn.
    pub(super) async fn begin_guess(&self, email: &str) -> Result<Guess, AuthError> {
        let address = TokenHash::of(email);
        let (guess, under_way) = self.under_way.begin(address);
        let now = self.clock.real();
        let standing = login_failures::standing(&self.db, address, now).await?;
        if let Some(end) = standing.locked_until.filter(|end| *end > now) {
            return Err(AuthError::Locked(seconds_until(end, now)));
        }
        if standing.failures.saturating_add(under_way) > RULE.failures_max {
            return Err(AuthError::TooOften(RETRY_AFTER_S));
        }
        Ok(guess)
    }

    /// Counts a guess that was wrong, about an address that this user has, or nobody.
    pub(super) async fn guessed_wrong(&self, guess: Guess, user: Option<&UserId>) -> Result<(), AuthError> {
        let now = self.clock.real();
        let mut tx = self.db.begin().await?;
        let standing = login_failures::fail(&mut tx, guess.address, RULE, now).await?;
        if let Some(end) = standing.locked_until {
            tracing::warn!("an address is locked after {} failed logins", standing.failures);
            let object = user.map_or_else(|| format!("address:{}", hex(&guess.address.0)), UserId::to_string);
            let after = json!({"failures": standing.failures, "locked_until": end.to_string()});
            let change = Change::new(None, ANONYMOUS, "login.locked", object).after(after);
            audit::write(&mut tx, &self.clock, vec![change]).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Forgets what was guessed wrong before a guess that was right.
    pub(super) async fn guessed_right(&self, guess: Guess) -> Result<(), AuthError> {
        Ok(login_failures::forget(&self.db, guess.address).await?)
    }

    /// Forgets the failures of an address whose holder has shown to be one otherwise.
    pub(super) async fn unlock(&self, email: &str) -> Result<(), AuthError> {
        Ok(login_failures::forget(&self.db, TokenHash::of(email)).await?)
    }
}

fn seconds_until(end: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(end.micros_since(now).saturating_add(SECOND - 1) / SECOND).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_under_way_are_counted_by_address() {
        let under_way = UnderWay::default();
        let (one, two) = (TokenHash::of("one"), TokenHash::of("two"));
        let (first, count) = under_way.begin(one);
        assert_eq!(count, 1);
        let (second, count) = under_way.begin(one);
        assert_eq!((count, under_way.begin(two).1), (2, 1));
        drop(first);
        assert_eq!(under_way.begin(one).1, 2);
        drop(second);
        assert!(under_way.0.lock().is_empty());
    }

    #[test]
    fn seconds_are_rounded_up() {
        let at = Timestamp::from_micros_clamped;
        assert_eq!(seconds_until(at(1_500_000), at(0)), 2);
        assert_eq!((seconds_until(at(2_000_000), at(0)), seconds_until(at(0), at(5))), (2, 1));
    }
}
