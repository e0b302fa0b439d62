//! How much one client or account may try: counted in windows, in the memory of this process.
use parking_lot::Mutex;
use reckoner_client::rates::client_network;
use reckoner_domain::time::{MINUTE, SECOND, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// How long a window lasts, in microseconds.
pub const WINDOW_MICROS: i64 = 15 * MINUTE;
/// Most windows remembered; beyond them those that have ended go, and then all.
const REMEMBERED_MAX: usize = 100_000;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Registering.
    Register,
    /// Logging in, and failing.
    LoginFailure,
    /// Renewing tokens.
    Refresh,
    /// Mailing an invitation again.
    Invite,
    /// Accepting an invitation.
    AcceptInvitation,
    /// Verifying an address.
    VerifyEmail,
    /// Asking for another link that verifies.
    ResendVerification,
    /// Asking for a link that resets a password.
    RequestReset,
    /// Resetting a password.
    ResetPassword,
}

/// By whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A client's address.
    Client(IpAddr),
    /// An account, by its address or id.
    Account(String),
}

impl Who {
    /// A client; of an IPv6 address only the part that tells networks apart.
    pub fn client(address: IpAddr) -> Self {
        Self::Client(client_network(address))
    }
}

/// A window: when it began, and how often something was tried in it.
#[derive(Clone, Copy, Debug)]
struct Window {
    began_at: Timestamp,
    count: u32,
}

/// Counts what is tried. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    windows: Arc<Mutex<HashMap<(Kind, Who), Window>>>,
}

impl Attempts {
    /// Counts one more, unless there were `max` in this window: then the seconds until it ends.
    pub fn take(&self, kind: Kind, who: Who, max: u32, now: Timestamp) -> Result<(), u64> {
        let mut windows = self.windows.lock();
        if windows.len() >= REMEMBERED_MAX {
            windows.retain(|_, window| is_open(window, now));
            if windows.len() >= REMEMBERED_MAX {
                windows.clear();
            }
        }
        let window = windows.entry((kind, who)).or_insert(Window { began_at: now, count: 0 });
        if !is_open(window, now) {
            *window = Window { began_at: now, count: 0 };
        }
        if window.count >= max {
            return Err(seconds_left(window, now));
        }
        window.count += 1;
        Ok(())
    }

    /// Whether one more would be within `max`; otherwise the seconds until the window ends.
    pub fn check(&self, kind: Kind, who: Who, max: u32, now: Timestamp) -> Result<(), u64> {
        let windows = self.windows.lock();
        match windows.get(&(kind, who)).filter(|window| is_open(window, now)) {
            Some(window) if window.count >= max => Err(seconds_left(window, now)),
            _ => Ok(()),
        }
    }
}

fn is_open(window: &Window, now: Timestamp) -> bool {
    // A clock that was set back ends windows, and locks nobody out for longer.
    (0..WINDOW_MICROS).contains(&now.micros_since(window.began_at))
}

fn seconds_left(window: &Window, now: Timestamp) -> u64 {
    let left = window.began_at.plus_micros(WINDOW_MICROS).micros_since(now);
    u64::try_from(left.saturating_add(SECOND - 1) / SECOND).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_so_many_and_ends() {
        let attempts = Attempts::default();
        let at = |seconds: i64| Timestamp::from_micros_clamped(seconds * SECOND);
        let client = |text: &str| Who::client(text.parse().expect("an address"));
        let take = |who, seconds| attempts.take(Kind::Register, who, 2, at(seconds));
        assert_eq!((take(client("10.0.0.1"), 0), take(client("10.0.0.1"), 1)), (Ok(()), Ok(())));
        assert_eq!(take(client("10.0.0.1"), 2), Err(898));
        assert_eq!(take(client("::ffff:10.0.0.1"), 2), Err(898));
        assert_eq!(attempts.check(Kind::Register, client("10.0.0.1"), 2, at(2)), Err(898));
        assert_eq!(take(client("10.0.0.2"), 2), Ok(()));
        assert_eq!(attempts.take(Kind::VerifyEmail, client("10.0.0.1"), 2, at(2)), Ok(()));
        assert_eq!(take(client("10.0.0.1"), 900), Ok(()));
        assert_eq!((take(client("2001:db8::1"), 0), take(client("2001:db8::2"), 0)), (Ok(()), Ok(())));
        assert_eq!(take(client("2001:db8::3"), 0), Err(900), "one network");
        assert_eq!(take(client("2001:db8:0:1::3"), 0), Ok(()), "another network");
        assert_eq!(take(Who::Account("a".into()), 0), Ok(()));
    }
}
