//! When a mail is tried again. Pure.
use super::transport::SendError;
use crate::store::mails::Next;
use reckoner_domain::time::Timestamp;
use reckoner_domain::webhook::retry_delay;

/// What follows from attempt `number`, now. Mails are tried as often as webhooks, but not when the
/// server says that it will never take them, nor longer than anybody wants them.
pub fn next(
    outcome: Result<(), &SendError>,
    number: u32,
    now: Timestamp,
    useless_at: Option<Timestamp>,
    jitter: u16,
) -> Next {
    let error = match outcome {
        Ok(()) => return Next::Sent,
        Err(error) => error,
    };
    if error.is_final {
        return Next::Failed;
    }
    let Some(delay) = retry_delay(number.saturating_add(1), jitter) else { return Next::Failed };
    let due_at = now.plus_micros(delay);
    if useless_at.is_some_and(|end| end <= due_at) { Next::Failed } else { Next::Retry(due_at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::time::{MINUTE, SECOND};

    #[test]
    fn a_mail_is_tried_again_as_long_as_it_is_wanted() {
        let now = Timestamp::from_micros_clamped(1_000);
        let passing = SendError { reason: "refused".into(), is_final: false };
        let last = SendError { reason: "550".into(), is_final: true };
        let after = |micros| Next::Retry(now.plus_micros(micros));
        assert_eq!(next(Ok(()), 1, now, None, 0), Next::Sent);
        assert_eq!(next(Err(&last), 1, now, None, 0), Next::Failed);
        assert_eq!(next(Err(&passing), 1, now, None, 0), after(5 * SECOND));
        assert_eq!(next(Err(&passing), 2, now, None, 0), after(5 * MINUTE));
        assert_eq!(next(Err(&passing), 10, now, None, 0), Next::Failed);
        let end = Some(now.plus_micros(5 * SECOND));
        assert_eq!(next(Err(&passing), 1, now, end, 0), Next::Failed);
    }
}
