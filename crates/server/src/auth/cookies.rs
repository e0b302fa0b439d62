//! What a browser keeps of a session: a cookie that no script reads, and a token that no other site
//! has, without which the cookie changes nothing.
use super::tokens::REFRESH_MICROS;
use crate::config::Secret;
use crate::webhooks::vault::Vault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reckoner_domain::id::SessionId;
use reckoner_domain::time::SECOND;
use subtle::ConstantTimeEq;

/// The cookie where connections are protected: browsers take it from this very host only.
const SECURE_NAME: &str = "__Host-reckoner_session";
/// The cookie elsewhere.
const PLAIN_NAME: &str = "reckoner_session";
/// What the derived tokens are for.
const CSRF_CONTEXT: &str = "reckoner requests of pages, version 1";

/// Writes and reads cookies of sessions.
#[derive(Clone, Debug)]
pub struct Cookies {
    is_secure: bool,
    origin: String,
    vault: Vault,
}

impl Cookies {
    /// For a server that is reached there.
    pub fn new(public_url: &str, vault: Vault) -> Self {
        let origin = url::Url::parse(public_url).map(|url| url.origin().ascii_serialization());
        Self { is_secure: public_url.starts_with("https://"), origin: origin.unwrap_or_default(), vault }
    }

    /// Whether the server is reached by https.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether this is the origin of the server's own pages.
    pub fn is_own_origin(&self, origin: &[u8]) -> bool {
        self.origin.as_bytes() == origin
    }

    fn name(&self) -> &'static str {
        if self.is_secure { SECURE_NAME } else { PLAIN_NAME }
    }

    fn line(&self, value: &str, seconds: i64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name())
    }

    /// `Set-Cookie` of a session that begins.
    pub fn set(&self, token: &Secret) -> String {
        self.line(token.expose(), REFRESH_MICROS / SECOND)
    }

    /// `Set-Cookie` of a session that ends.
    pub fn clear(&self) -> String {
        self.line("", 0)
    }

    /// The session's token in a `Cookie` header.
    pub fn read<'h>(&self, header: &'h str) -> Option<&'h str> {
        let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name()).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// What pages of this session send with each change.
    pub fn csrf_token(&self, session: &SessionId) -> String {
        URL_SAFE_NO_PAD.encode(self.vault.derive(format!("{CSRF_CONTEXT}\0{session}").as_bytes()))
    }

    /// Whether a page of this session sent that.
    pub fn is_csrf_token(&self, session: &SessionId, sent: &str) -> bool {
        self.csrf_token(session).as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(url: &str) -> Cookies {
        Cookies::new(url, Vault::from_text("a key of the operator").expect("a vault"))
    }

    #[test]
    fn cookies_are_as_narrow_as_the_connection_allows() {
        let token = Secret::new("abc".to_owned());
        let secure = cookies("https://billing.example.com");
        let line = "__Host-reckoner_session=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(secure.set(&token), line);
        let plain = cookies("http://127.0.0.1:8080");
        assert_eq!(plain.set(&token), "reckoner_session=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax");
        assert_eq!(plain.clear(), "reckoner_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        assert_eq!(secure.read("a=b; __Host-reckoner_session=abc"), Some("abc"));
        assert!(
            secure.is_own_origin(b"https://billing.example.com")
                && !secure.is_own_origin(b"https://billing.example")
        );
        for other in ["", "reckoner_session=abc", "__Host-reckoner_session=", "x__Host-reckoner_session=abc"]
        {
            assert_eq!(secure.read(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_of_one_session_and_one_key() {
        let cookies_here = cookies("http://a");
        let (one, two) = (SessionId::from_bits(1), SessionId::from_bits(2));
        let token = cookies_here.csrf_token(&one);
        assert!(cookies_here.is_csrf_token(&one, &token) && !cookies_here.is_csrf_token(&two, &token));
        assert!(!cookies_here.is_csrf_token(&one, "") && !cookies_here.is_csrf_token(&one, one.as_str()));
        let other = Cookies::new("http://a", Vault::from_text("another key of somebody").expect("a vault"));
        assert!(!other.is_csrf_token(&one, &token));
    }
}
