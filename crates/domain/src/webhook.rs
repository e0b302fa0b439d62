//! Signatures of webhooks and when deliveries are tried again.
use crate::time::{HOUR, MINUTE, SECOND};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use subtle::{Choice, ConstantTimeEq as _};

/// What secrets begin with.
pub const SECRET_PREFIX: &str = "whsec_";
/// How far a signature's time may lie from the receiver's, either way, in seconds.
pub const TOLERANCE_S: i64 = 300;
/// Attempts of one delivery, the first among them.
pub const ATTEMPTS_MAX: u32 = 10;

/// What each attempt waits after the one before, in microseconds.
const DELAYS: [i64; ATTEMPTS_MAX as usize] =
    [0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/// The greatest jitter is the delay divided by this.
const JITTER_DIVISOR: i64 = 10;
/// Bytes of an HMAC-SHA256 key before it is hashed.
const HMAC_BLOCK_BYTES: usize = 64;

/// Base 64 with its padding; the bits beyond the last byte may be anything.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Why a delivery's signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The time is not a whole number of seconds.
    #[error("the timestamp is not a number of seconds")]
    Timestamp,
    /// The time lies more than five minutes back.
    #[error("the timestamp is too old")]
    TooOld,
    /// The time lies more than five minutes ahead.
    #[error("the timestamp is in the future")]
    TooNew,
    /// The signature is not the secret's over this body.
    #[error("the signature does not match")]
    Mismatch,
}

/// `X-Webhook-Signature`: `v1=` and the hexadecimal HMAC-SHA256 of `timestamp.body`, keyed with the
/// UTF-8 bytes of the whole secret, its prefix included.
///
/// Receivers compare the whole header, so it carries one signature, of the current secret.
pub fn signature_v1(secret: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mac = hmac_sha256(secret.as_bytes(), &[timestamp_s.to_string().as_bytes(), b".", body]);
    mac.iter().fold("v1=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One signature of `webhook-signature` (Standard Webhooks 1.0): `v1,` and the base 64 of the
/// HMAC-SHA256 of `message_id.timestamp.body`, keyed with the bytes that the secret's base 64 stands for.
pub fn standard_signature(secret: &str, message_id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let seconds = timestamp_s.to_string();
    let mac =
        hmac_sha256(&standard_key(secret), &[message_id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
    format!("v1,{}", LENIENT.encode(mac))
}

/// `webhook-signature`: one signature for each secret in force, the current one first, with spaces between.
pub fn standard_signatures<'a>(
    secrets: impl IntoIterator<Item = &'a str>,
    message_id: &str,
    timestamp_s: i64,
    body: &[u8],
) -> String {
    let sign = |secret| standard_signature(secret, message_id, timestamp_s, body);
    secrets.into_iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// The secret as receivers of Standard Webhooks take it: `whsec_` and base 64. A secret that is no
/// base 64 (after its prefix, if any) is encoded whole.
pub fn standard_secret(secret: &str) -> String {
    format!("{SECRET_PREFIX}{}", LENIENT.encode(standard_key(secret)))
}

fn standard_key(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
    let decoded = LENIENT.decode(encoded).ok().filter(|key| !key.is_empty());
    decoded.unwrap_or_else(|| secret.as_bytes().to_vec())
}

/// Checks `X-Webhook-Signature` and `X-Webhook-Timestamp` of a delivery received at `now_s`.
pub fn verify_v1(
    secret: &str,
    signature: &str,
    timestamp: &str,
    body: &[u8],
    now_s: i64,
) -> Result<(), VerifyError> {
    let timestamp_s = recent(timestamp, now_s)?;
    accept(same(&signature_v1(secret, timestamp_s, body), signature))
}

/// The headers of a delivery by Standard Webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardHeaders<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

/// Checks the headers of a delivery received at `now_s`; one matching signature is enough.
pub fn verify_standard(
    secret: &str,
    headers: StandardHeaders<'_>,
    body: &[u8],
    now_s: i64,
) -> Result<(), VerifyError> {
    let timestamp_s = recent(headers.timestamp, now_s)?;
    let expected = standard_signature(secret, headers.id, timestamp_s, body);
    let signatures = headers.signature.split(' ');
    accept(signatures.fold(Choice::from(0), |found, signature| found | same(&expected, signature)))
}

fn recent(timestamp: &str, now_s: i64) -> Result<i64, VerifyError> {
    let timestamp_s: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    match now_s.saturating_sub(timestamp_s) {
        age if age > TOLERANCE_S => Err(VerifyError::TooOld),
        age if age < TOLERANCE_S.saturating_neg() => Err(VerifyError::TooNew),
        _ => Ok(timestamp_s),
    }
}

fn same(expected: &str, given: &str) -> Choice {
    expected.as_bytes().ct_eq(given.as_bytes())
}

fn accept(matches: Choice) -> Result<(), VerifyError> {
    if bool::from(matches) { Ok(()) } else { Err(VerifyError::Mismatch) }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key longer than a block counts as its hash (RFC 2104).
    let hashed = Sha256::digest(key);
    let key = if key.len() > HMAC_BLOCK_BYTES { hashed.as_slice() } else { key };
    let mut block = [0; HMAC_BLOCK_BYTES];
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// How long attempt `attempt` (counted from 1) waits after the one before, in microseconds; `None`
/// when there is no such attempt. `jitter`, evenly distributed, adds up to 10 %.
pub fn retry_delay(attempt: u32, jitter: u16) -> Option<i64> {
    let delay = *DELAYS.get(usize::try_from(attempt.checked_sub(1)?).ok()?)?;
    let parts = i64::from(u16::MAX).saturating_mul(JITTER_DIVISOR);
    Some(delay.saturating_add(delay.saturating_mul(i64::from(jitter)).checked_div(parts)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const NOW_S: i64 = 1_614_265_330;
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

    #[test]
    fn signs_as_both_kinds_of_receivers_expect() {
        // The example of the Standard Webhooks libraries, and Python's hmac for the first.
        let standard = standard_signature(SECRET, ID, NOW_S, BODY);
        assert_eq!(standard, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(signature_v1(SECRET, NOW_S, BODY), V1_GOLDEN);
        let long = "k".repeat(65);
        assert_eq!(signature_v1(&long, 1, b"{}"), V1_LONG_GOLDEN);
        let both = standard_signatures([SECRET, "old"], ID, NOW_S, BODY);
        assert_eq!(both, format!("{standard} {}", standard_signature("old", ID, NOW_S, BODY)));
    }

    #[test]
    fn secrets_that_are_no_base_64_are_encoded() {
        for (secret, shown) in [
            (SECRET, SECRET),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SECRET),
            ("whsec_test_secret", "whsec_d2hzZWNfdGVzdF9zZWNyZXQ="),
            ("my-secret", "whsec_bXktc2VjcmV0"),
            ("whsec_", "whsec_d2hzZWNf"),
            ("whsec_YWI", "whsec_d2hzZWNfWVdJ"),
            ("whsec_YWK=", "whsec_YWI="),
        ] {
            assert_eq!(standard_secret(secret), shown, "{secret}");
            assert_eq!(standard_secret(shown), shown);
            let sign = |secret| standard_signature(secret, ID, NOW_S, BODY);
            assert_eq!(sign(secret), sign(shown), "{secret}");
        }
    }

    #[test]
    fn verifies_both_within_five_minutes() {
        let v1 = signature_v1(SECRET, NOW_S, BODY);
        let signature = standard_signatures(["new", SECRET], ID, NOW_S, BODY);
        let stamp = NOW_S.to_string();
        let headers = StandardHeaders { id: ID, timestamp: &stamp, signature: &signature };
        let check = |now_s, expected| {
            assert_eq!(verify_v1(SECRET, &v1, &stamp, BODY, now_s), expected);
            assert_eq!(verify_standard(SECRET, headers, BODY, now_s), expected);
        };
        check(NOW_S, Ok(()));
        check(NOW_S + 300, Ok(()));
        check(NOW_S - 300, Ok(()));
        check(NOW_S + 301, Err(VerifyError::TooOld));
        check(NOW_S - 301, Err(VerifyError::TooNew));
        check(i64::MIN, Err(VerifyError::TooNew));
    }

    #[test]
    fn refuses_what_was_changed() {
        let stamp = NOW_S.to_string();
        let later = (NOW_S + 1).to_string();
        let v1 = signature_v1(SECRET, NOW_S, BODY);
        let bad = Err(VerifyError::Mismatch);
        assert_eq!(verify_v1("whsec_other", &v1, &stamp, BODY, NOW_S), bad);
        assert_eq!(verify_v1(SECRET, &v1, &later, BODY, NOW_S), bad);
        assert_eq!(verify_v1(SECRET, &v1, &stamp, b"{}", NOW_S), bad);
        assert_eq!(verify_v1(SECRET, &v1[..v1.len() - 1], &stamp, BODY, NOW_S), bad);
        assert_eq!(verify_v1(SECRET, "", &stamp, BODY, NOW_S), bad);
        assert_eq!(verify_v1(SECRET, &v1, "soon", BODY, NOW_S), Err(VerifyError::Timestamp));
        let signature = standard_signature(SECRET, ID, NOW_S, BODY);
        let headers = StandardHeaders { id: "msg_other", timestamp: &stamp, signature: &signature };
        assert_eq!(verify_standard(SECRET, headers, BODY, NOW_S), bad);
        let headers = StandardHeaders { id: ID, timestamp: &stamp, signature: "" };
        assert_eq!(verify_standard(SECRET, headers, BODY, NOW_S), bad);
    }

    #[test]
    fn ten_attempts_over_three_days() {
        let seconds = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (attempt, seconds) in (1..).zip(seconds) {
            assert_eq!(retry_delay(attempt, 0), Some(seconds * SECOND));
            assert_eq!(retry_delay(attempt, u16::MAX), Some(seconds * SECOND * 11 / 10));
        }
        assert_eq!(retry_delay(2, 32_768), Some(5_250_003));
        assert_eq!((retry_delay(0, 0), retry_delay(11, 0), retry_delay(u32::MAX, 9)), (None, None, None));
    }

    const V1_GOLDEN: &str = "v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964";
    const V1_LONG_GOLDEN: &str = "v1=a2cba6b6fdd47d636c414dd5b0595fb020fd19798f80c392eabfe6dbbb945c31";
}
