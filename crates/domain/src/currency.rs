//! Currencies of ISO 4217.
use std::fmt;
use std::str::FromStr;

/// A currency in use: its code and how many digits its minor unit has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Currency {
    code: [u8; 3],
    digits: u8,
}

/// A text is no code of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the ISO 4217 code of a currency in use, such as USD")]
pub struct CurrencyError;

/// Codes by the digits of their minor unit, as ISO 4217's list one of 2026-01-01 has them. Metals,
/// drawing rights and test codes have no minor unit and are left out.
const TABLE: [(u8, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE \
         CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD \
         HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK \
         MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD \
         RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH \
         USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

impl Currency {
    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// Fractional digits of an amount: 0 for yen, 2 for dollars, 3 for dinars.
    pub fn digits(self) -> u32 {
        u32::from(self.digits)
    }

    /// Every currency in use.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().flat_map(|(digits, codes)| {
            codes
                .split(' ')
                .filter_map(|code| Some(Self { code: *code.as_bytes().first_chunk()?, digits: *digits }))
        })
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(code: String) -> Result<Self, CurrencyError> {
        code.parse()
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        Self::all().find(|currency| currency.code() == code).ok_or(CurrencyError)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let all: Vec<_> = Currency::all().collect();
        let codes: std::collections::BTreeSet<_> = all.iter().map(|currency| currency.code()).collect();
        assert_eq!((all.len(), codes.len()), (165, 165));
        assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_uppercase())));
        for (digits, count) in [(0, 17), (2, 139), (3, 7), (4, 2)] {
            assert_eq!(all.iter().filter(|currency| currency.digits() == digits).count(), count, "{digits}");
        }
    }

    #[test]
    fn reads_codes_strictly() {
        for (code, digits) in [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ZWG", 2)] {
            assert_eq!(code.parse::<Currency>().map(Currency::digits), Ok(digits), "{code}");
        }
        for code in ["usd", "US", "USDX", "", "XAU", "XXX", "HRK", "ZWL", "USD "] {
            assert_eq!(code.parse::<Currency>(), Err(CurrencyError), "{code}");
        }
    }
}
