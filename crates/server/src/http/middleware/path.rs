//! Paths that no object can have: they name nothing, and end here.
use percent_encoding::percent_decode_str;

/// Whether a path is UTF-8 without a NUL, which the databases do not store alike.
pub fn is_text(path: &str) -> bool {
    !path.contains('%') || percent_decode_str(path).decode_utf8().is_ok_and(|decoded| !decoded.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_pass() {
        for good in ["/", "/v1/customers/a%2Fb", "/v1/customers/%C3%BC", "/v1/customers/100%"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["/v1/customers/%FF", "/v1/customers/a%00b", "/v1/customers/%ED%A0%80"] {
            assert!(!is_text(bad), "{bad}");
        }
    }
}
