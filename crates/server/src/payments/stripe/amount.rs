//! Amounts as Stripe counts them (docs.stripe.com/currencies): mostly minor units as ISO 4217 has them.
use super::error::CallError;
use reckoner_domain::money::Money;

/// Counted in hundredths, though there are none of them.
const WITH_NOUGHTS: [&str; 2] = ["ISK", "UGX"];
/// Counted in wholes, though ISO 4217 has hundredths.
const IN_WHOLES: [&str; 1] = ["MGA"];
/// Counted in thousandths, of which only tens are taken.
const IN_TENS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// Without minor units, counted as they are.
const WHOLE: [&str; 14] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];

/// An amount as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How much.
    pub minor: i64,
    /// The currency, in lower case.
    pub currency: String,
}

/// An amount as Stripe counts. What it does not count is rounded half to even: dinars to ten thousandths,
/// ariary to wholes.
pub fn to_sent(amount: Money) -> Result<Sent, CallError> {
    let currency = amount.currency();
    let code = currency.code();
    let rounded = |digits| amount.exact().to_parts_half_even(digits).ok();
    let minor = if WITH_NOUGHTS.contains(&code) {
        amount.minor().checked_mul(100)
    } else if IN_WHOLES.contains(&code) {
        rounded(0)
    } else if IN_TENS.contains(&code) {
        rounded(2).and_then(|hundredths| hundredths.checked_mul(10))
    } else if WHOLE.contains(&code) || currency.digits() == 2 {
        Some(amount.minor())
    } else {
        return Err(CallError::Amount(format!("Stripe takes no {code}")));
    };
    let minor = minor.and_then(|minor| i64::try_from(minor).ok());
    let minor = minor.ok_or_else(|| CallError::Amount("Stripe takes no amount of this size".to_owned()))?;
    Ok(Sent { minor, currency: code.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(amount: &str, code: &str) -> Result<(i64, String), String> {
        let money = Money::parse(amount, code.parse().expect("a currency")).expect("an amount");
        to_sent(money).map(|sent| (sent.minor, sent.currency)).map_err(|error| error.to_string())
    }

    #[test]
    fn amounts_are_counted_as_stripe_does() {
        for (amount, code, minor) in [
            ("5.00", "USD", 500),
            ("-5.01", "EUR", -501),
            ("500", "JPY", 500),
            ("5", "ISK", 500),
            ("5", "UGX", 500),
            ("5.124", "KWD", 5_120),
            ("5.125", "KWD", 5_120),
            ("5.135", "KWD", 5_140),
            ("0.004", "BHD", 0),
            ("7.50", "MGA", 8),
            ("6.50", "MGA", 6),
            ("10.45", "HUF", 1_045),
        ] {
            assert_eq!(sent(amount, code), Ok((minor, code.to_ascii_lowercase())), "{amount} {code}");
        }
        for code in ["CLF", "IQD", "UYI"] {
            assert_eq!(sent("5", code), Err(format!("Stripe takes no {code}")));
        }
        assert!(sent("999999999999999999.00", "USD").is_err());
    }
}
