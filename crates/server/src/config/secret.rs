//! Texts that must not be shown.
use std::fmt;
use std::str::FromStr;

/// A secret; printing it shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A URL as logs show it: its scheme, host and port. Paths, queries and user names may be secrets.
pub fn shown_url(url: &str) -> String {
    let read = url::Url::parse(url).ok().filter(url::Url::has_host);
    read.map_or_else(|| "(no URL)".to_owned(), |url| format!("{}/...", url.origin().ascii_serialization()))
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("https://user:pass@example.com/a/token?key=secret#x", "https://example.com/..."),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/..."),
            ("https://example.com:443/hook", "https://example.com/..."),
            ("secret", "(no URL)"),
            ("mailto:secret@example.com", "(no URL)"),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }
}
