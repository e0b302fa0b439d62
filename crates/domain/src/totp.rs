//! Codes of authenticators: RFC 6238 with SHA-1, six digits and steps of 30 seconds, which is what all
//! authenticators take.
use crate::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Bytes of a secret: as many as the hash has.
pub const SECRET_BYTES: usize = 20;
/// Digits of a code.
pub const DIGITS: usize = 6;
/// How long a code is shown, in seconds.
pub const STEP_S: u64 = 30;
/// How many steps the authenticator's clock may be behind or ahead.
const DRIFT_STEPS: u64 = 1;
/// The letters of base 32 (RFC 4648).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step that an instant lies in, counted from 1970.
pub fn step_at(now: Timestamp) -> u64 {
    u64::try_from(now.as_seconds()).unwrap_or(0) / STEP_S
}

/// The code of a step.
pub fn code(secret: &[u8; SECRET_BYTES], step: u64) -> u32 {
    // A key of any length is taken.
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(secret) else { return 0 };
    let digest: [u8; 20] = mac.chain_update(step.to_be_bytes()).finalize().into_bytes().into();
    let [.., last] = digest;
    let start = usize::from(last & 0xf);
    let chosen = digest.get(start..start.saturating_add(4)).and_then(|four| four.try_into().ok());
    (u32::from_be_bytes(chosen.unwrap_or_default()) & 0x7fff_ffff) % 1_000_000
}

/// The step whose code this is, now or a step around it, and after `used`; `None` for a wrong code and
/// for one that was used.
pub fn matching_step(secret: &[u8; SECRET_BYTES], sent: &str, now: Timestamp, used: u64) -> Option<u64> {
    if sent.len() != DIGITS || !sent.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let sent: u32 = sent.parse().ok()?;
    let step = step_at(now);
    let steps = step.saturating_sub(DRIFT_STEPS)..=step.saturating_add(DRIFT_STEPS);
    // All of them are computed, whichever it is.
    steps.fold(None, |found, step| if code(secret, step) == sent && step > used { Some(step) } else { found })
}

/// Base 32 without padding, as authenticators take secrets.
pub fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits = bits.saturating_add(8);
        while bits >= 5 {
            bits = bits.saturating_sub(5);
            text.push(letter(held.wrapping_shr(bits)));
        }
    }
    if bits > 0 {
        text.push(letter(held.wrapping_shl(5_u32.saturating_sub(bits))));
    }
    text
}

fn letter(bits: u32) -> char {
    ALPHABET.get((bits & 31) as usize).map_or('A', |letter| char::from(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8; SECRET_BYTES] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros_clamped(seconds * 1_000_000)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // Appendix B of RFC 6238, whose codes have eight digits.
        for (seconds, eight) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000_i64, 65_353_130),
        ] {
            assert_eq!(code(SECRET, step_at(at(seconds))), eight % 1_000_000, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_a_step_around_and_once() {
        let now = at(1_111_111_111);
        let step = step_at(now);
        let sent = |step| format!("{:06}", code(SECRET, step));
        for near in [step - 1, step, step + 1] {
            assert_eq!(matching_step(SECRET, &sent(near), now, 0), Some(near));
        }
        assert_eq!(matching_step(SECRET, &sent(step), now, step), None, "it was used");
        assert_eq!(matching_step(SECRET, &sent(step - 1), now, step), None, "one after it was");
        assert_eq!(matching_step(SECRET, &sent(step + 1), now, step), Some(step + 1));
        for wrong in
            [sent(step - 2), sent(step + 2), String::new(), format!("{} ", sent(step)), "٠٠٠٠٠٠".into()]
        {
            assert_eq!(matching_step(SECRET, &wrong, now, 0), None, "{wrong}");
        }
    }

    #[test]
    fn base_32_is_that_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(to_base32(bytes.as_bytes()), text);
        }
        assert_eq!(to_base32(SECRET), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
