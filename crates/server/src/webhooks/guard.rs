//! Which URLs an endpoint may have, and which addresses a name may lead to.
//!
//! An endpoint made by API is checked when it is made (its host as written), and again at every
//! connection: literal hosts before sending, names after DNS, where refused addresses are dropped.
use super::address::{Reach, reach};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use url::{Host, Url};

/// Most bytes of an endpoint's URL.
pub const URL_BYTES_MAX: usize = 2_048;

/// Why a URL or an address is refused for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a URL.
    #[error("must be a URL such as https://example.com/webhooks")]
    Syntax,
    /// Longer than [`URL_BYTES_MAX`].
    #[error("must be at most {URL_BYTES_MAX} bytes long")]
    TooLong,
    /// A scheme other than `http` and `https`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A user name or a password in the URL.
    #[error("must not hold a user name or a password")]
    Credentials,
    /// A fragment, which is never sent.
    #[error("must not hold a fragment (#...)")]
    Fragment,
    /// Port 0.
    #[error("must not name port 0")]
    Port,
    /// The host is, or leads only to, an address that is not public.
    #[error("the host is not a public address")]
    NotPublic,
}

/// An `http` or `https` URL without credentials and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Reads a URL; its host comes out normalised (`0x7f.1` is `127.0.0.1`).
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if text.len() > URL_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        let url = Url::parse(text).map_err(|_| Refused::Syntax)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        if url.port() == Some(0) {
            return Err(Refused::Port);
        }
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        Ok(Self(url))
    }

    /// The URL in its normal form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL for a client to call.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = Refused;
    fn try_from(text: String) -> Result<Self, Refused> {
        Self::parse(&text)
    }
}

/// The addresses of a host name, or why there are none.
pub type Looking = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up host names.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`.
    fn lookup(&self, host: &str) -> Looking;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Looking {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Decides where requests made on behalf of clients may go.
#[derive(Clone)]
pub struct Guard {
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that lets private and loopback addresses pass when `allow_private` is set, and looks
    /// names up with `lookup`.
    pub fn new(allow_private: bool, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow_private, lookup }
    }

    /// Whether a connection to `address` is allowed.
    pub fn admits_address(&self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Public => true,
            Reach::Private => self.allow_private,
            Reach::Never => false,
        }
    }

    /// Checks a URL's host as it is written. A name passes here and is checked after DNS.
    pub fn check(&self, url: &EndpointUrl) -> Result<(), Refused> {
        let admitted = match url.0.host() {
            None => false,
            Some(Host::Ipv4(address)) => self.admits_address(address.into()),
            Some(Host::Ipv6(address)) => self.admits_address(address.into()),
            Some(Host::Domain(name)) => self.allow_private || !names_this_machine(name),
        };
        if admitted { Ok(()) } else { Err(Refused::NotPublic) }
    }
}

/// `localhost` and the names below it (RFC 6761).
fn names_this_machine(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.lookup.lookup(name.as_str()).await?;
            let known = !found.is_empty();
            let admitted: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.admits_address(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if known && admitted.is_empty() {
                return Err(Refused::NotPublic.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow_private: bool) -> Guard {
        Guard::new(allow_private, Arc::new(SystemLookup))
    }

    fn checked(allow_private: bool, text: &str) -> Result<(), Refused> {
        guard(allow_private).check(&EndpointUrl::parse(text)?)
    }

    #[test]
    fn reads_urls() {
        let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
        for (text, why) in [
            ("", Refused::Syntax),
            ("example.com/hook", Refused::Syntax),
            ("http://", Refused::Syntax),
            ("https://1.2.3.4.5/", Refused::Syntax),
            ("ftp://example.com/", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("https://user@example.com/", Refused::Credentials),
            ("https://:pass@example.com/", Refused::Credentials),
            ("https://example.com/#top", Refused::Fragment),
            ("https://example.com:0/", Refused::Port),
            (long.as_str(), Refused::TooLong),
        ] {
            assert_eq!(EndpointUrl::parse(text), Err(why), "{text}");
        }
        let url = EndpointUrl::parse("HTTP://Example.COM:8080/a?b=c").unwrap();
        assert_eq!(url.as_str(), "http://example.com:8080/a?b=c");
    }

    #[test]
    fn refuses_private_hosts_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1:8080/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://127。0。0。1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0/",
            "http://localhost:3000/",
            "http://LOCALHOST./",
            "http://a.localhost/",
        ] {
            assert_eq!(checked(false, text), Err(Refused::NotPublic), "{text}");
        }
        for text in [
            "https://example.com/",
            "http://8.8.8.8/",
            "https://[2606:4700::1]:8443/x",
            "http://localhost.example/",
        ] {
            assert_eq!(checked(false, text), Ok(()), "{text}");
        }
    }

    #[test]
    fn private_hosts_pass_when_allowed_but_metadata_never() {
        for text in ["http://127.0.0.1:1/", "http://10.0.0.1/", "http://[fd00::1]/", "http://localhost/"] {
            assert_eq!(checked(true, text), Ok(()), "{text}");
        }
        for text in ["http://169.254.169.254/", "http://[fe80::1]/", "http://0.0.0.0/", "http://224.0.0.1/"] {
            assert_eq!(checked(true, text), Err(Refused::NotPublic), "{text}");
        }
    }

    struct Fixed(&'static [&'static str]);

    impl Lookup for Fixed {
        fn lookup(&self, _: &str) -> Looking {
            let found = self.0.iter().map(|text| text.parse().unwrap()).collect();
            Box::pin(std::future::ready(Ok(found)))
        }
    }

    async fn resolved(found: &'static [&'static str]) -> Result<Vec<String>, String> {
        let guard = Guard::new(false, Arc::new(Fixed(found)));
        let addresses =
            guard.resolve("hooks.example.com".parse().unwrap()).await.map_err(|why| why.to_string())?;
        Ok(addresses.map(|address| address.to_string()).collect())
    }

    #[tokio::test]
    async fn drops_refused_addresses_after_dns() {
        assert_eq!(resolved(&["10.0.0.1", "8.8.8.8", "::1"]).await, Ok(vec!["8.8.8.8:0".to_owned()]));
        assert_eq!(resolved(&["127.0.0.1", "fd00::1"]).await, Err(Refused::NotPublic.to_string()));
        assert_eq!(resolved(&[]).await, Ok(vec![]));
    }
}
