//! Which server a command talks to, and with what key.
use super::client::{Client, RetryPolicy};
use super::error::CliError;
use clap::Args;
use std::fmt;
use url::Url;

/// Where a server answers when nothing else was said.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Characters at a key's end that are shown.
const SHOWN_CHARS: usize = 4;

/// The server and the key, from flags or the environment.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Where the server answers.
    #[arg(
        long,
        value_name = "URL",
        env = "RECKONER_URL",
        help = "Where the server answers; BASE_URL is read too [default: http://127.0.0.1:8080]"
    )]
    pub url: Option<String>,
    /// The API key.
    #[arg(
        long,
        value_name = "KEY",
        env = "RECKONER_API_KEY",
        hide_env_values = true,
        help = "The API key; API_KEY is read too"
    )]
    pub api_key: Option<ApiKey>,
    /// The second name of the URL, weaker than the first.
    #[arg(long, env = "BASE_URL", hide = true)]
    pub base_url: Option<String>,
    /// The second name of the key, weaker than the first.
    #[arg(long, env = "API_KEY", hide = true, hide_env_values = true)]
    pub env_api_key: Option<ApiKey>,
}

impl Target {
    /// The server's address.
    pub fn url(&self) -> Result<Url, CliError> {
        let given = [&self.url, &self.base_url];
        let text =
            given.into_iter().flatten().find(|text| !text.is_empty()).map_or(DEFAULT_URL, String::as_str);
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err(CliError::usage(format!("`{text}` is no address such as {DEFAULT_URL}"))),
        }
    }

    /// The key, when one was given.
    pub fn key(&self) -> Option<&ApiKey> {
        [&self.api_key, &self.env_api_key].into_iter().flatten().find(|key| !key.0.is_empty())
    }

    /// A client for this server.
    pub fn client(&self, retry: RetryPolicy) -> Result<Client, CliError> {
        Client::new(self.url()?, self.key().cloned(), retry)
    }
}

/// An API key; it is never shown whole.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key itself, for the header only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for ApiKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for ApiKey {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for ApiKey {
    /// `***ab12`: the last four characters, and none of a key so short that they would tell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        let shown = if count > 2 * SHOWN_CHARS { SHOWN_CHARS } else { 0 };
        let end: String = self.0.chars().skip(count - shown).collect();
        write!(f, "***{end}")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: Option<&str>, base_url: Option<&str>) -> Target {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Target { url: owned(url), api_key: None, base_url: owned(base_url), env_api_key: None }
    }

    #[test]
    fn keys_are_masked() {
        assert_eq!(ApiKey::from("rk_live_0123456789ab12").to_string(), "***ab12");
        assert_eq!(format!("{:?}", ApiKey::from("rk_live_0123456789ab12")), "***ab12");
        assert_eq!(ApiKey::from("ab12").to_string(), "***");
        assert_eq!(ApiKey::from("").to_string(), "***");
    }

    #[test]
    fn the_stronger_name_wins() {
        let url = |url, base| target(url, base).url().map(|url| url.to_string()).ok();
        assert_eq!(url(None, None).as_deref(), Some("http://127.0.0.1:8080/"));
        assert_eq!(url(None, Some("http://b")).as_deref(), Some("http://b/"));
        assert_eq!(url(Some("http://a"), Some("http://b")).as_deref(), Some("http://a/"));
        assert_eq!(url(Some(""), Some("http://b")).as_deref(), Some("http://b/"));
        for bad in ["a b", "localhost:8080", "ftp://a", "/x"] {
            assert_eq!(url(Some(bad), None), None, "{bad}");
        }
    }
}
