//! `Stripe-Signature`: `t=SECONDS,v1=HEX,...` over `SECONDS.BODY` (docs.stripe.com/webhooks).
use reckoner_domain::webhook::signature_v1;
use subtle::ConstantTimeEq;

/// How old a signature may be, and how far ahead, in seconds of real time.
pub const TOLERANCE_S: i64 = 300;
/// Most signatures that are looked at: one for each secret in force.
const SIGNATURES_MAX: usize = 10;

/// Why a signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It is no such header.
    #[error("No valid Stripe-Signature header")]
    Malformed,
    /// It is too old, or of the future.
    #[error("The timestamp of the signature is outside of the tolerance")]
    Stale,
    /// It is of other content, or made with another secret.
    #[error("The signature does not match the payload")]
    Wrong,
}

/// Checks a header over a raw body that came at `now_s`; one signature with one of the secrets is enough.
/// All of them are looked at, in constant time.
pub fn verify<'a>(
    body: &[u8],
    header: &str,
    secrets: impl IntoIterator<Item = &'a str>,
    now_s: i64,
) -> Result<(), BadSignature> {
    let (mut timestamp, mut given) = (None, Vec::new());
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" => timestamp = value.parse::<i64>().ok(),
            "v1" if given.len() < SIGNATURES_MAX => given.push(value),
            _ => {}
        }
    }
    let timestamp = timestamp.filter(|_| !given.is_empty()).ok_or(BadSignature::Malformed)?;
    let mut matches = subtle::Choice::from(0);
    for secret in secrets {
        let expected = signature_v1(secret, timestamp, body);
        let expected = expected.trim_start_matches("v1=");
        for one in &given {
            matches |= one.as_bytes().ct_eq(expected.as_bytes());
        }
    }
    if !bool::from(matches) {
        return Err(BadSignature::Wrong);
    }
    // What nobody signed is told nothing of the clock.
    if now_s.abs_diff(timestamp) > TOLERANCE_S.unsigned_abs() { Err(BadSignature::Stale) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn header(secret: &str, at: i64) -> String {
        format!("t={at},{}", signature_v1(secret, at, BODY))
    }

    #[test]
    fn one_good_signature_is_enough() {
        let check =
            |header: &str, secrets: &[&'static str]| verify(BODY, header, secrets.iter().copied(), 1_000_000);
        let good = header("a", 1_000_000);
        assert_eq!(check(&good, &["a"]), Ok(()));
        assert_eq!(check(&good, &["new", "a"]), Ok(()));
        assert_eq!(check(&good, &["b"]), Err(BadSignature::Wrong));
        assert_eq!(check(&good, &[]), Err(BadSignature::Wrong));
        let two = format!("{},{},v0=x", header("b", 1_000_000), signature_v1("a", 1_000_000, BODY));
        assert_eq!(check(&two, &["a"]), Ok(()));
        for (at, expected) in
            [(999_700, Ok(())), (999_699, Err(BadSignature::Stale)), (1_000_301, Err(BadSignature::Stale))]
        {
            assert_eq!(check(&header("a", at), &["a"]), expected, "{at}");
        }
        for bad in ["", "t=1", "v1=00", "t=x,v1=00", "t=1000000", "garbage"] {
            assert_eq!(check(bad, &["a"]), Err(BadSignature::Malformed), "{bad}");
        }
        assert_eq!(verify(b"{}", &good, ["a"], 1_000_000), Err(BadSignature::Wrong));
    }
}
