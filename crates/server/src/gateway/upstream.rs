//! The application behind the gateway, and connections to it.
use axum::http::Uri;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection that nobody uses is kept, in seconds: less than servers themselves keep it (5 s for many), so
/// that no request is written to one that is being closed.
const POOL_S: u64 = 3;
const KEEP_ALIVE_S: u64 = 30;

/// The version of HTTP that the application speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1, or with TLS what is agreed on.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS too.
    Http2,
}

/// Where the application answers.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Put before every path; empty, or it begins with a slash and does not end in one.
    prefix: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
}

pub(super) type Http<B> = Client<HttpsConnector<HttpConnector>, B>;

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address such as http://127.0.0.1:3000");
        let parts = text.parse::<Uri>().map_err(|_| wrong())?.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let path = parts.path_and_query.as_ref();
        if path.is_some_and(|path| path.query().is_some()) {
            return Err(wrong());
        }
        Ok(Self {
            scheme: scheme.ok_or_else(wrong)?,
            authority: parts.authority.ok_or_else(wrong)?,
            prefix: path.map_or("", |path| path.path().trim_end_matches('/')).to_owned(),
            protocol: Protocol::Auto,
            connect_timeout: Duration::from_secs(5),
        })
    }
}

impl Upstream {
    /// What it is asked with: `upgrades` need HTTP/1.1.
    pub(super) fn spoken(&self, upgrades: bool) -> Protocol {
        match self.protocol {
            Protocol::Http2 if !upgrades => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }

    /// The address of what a caller asked for.
    pub(super) fn address(&self, asked: &Uri) -> Option<Uri> {
        let path = asked.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = if self.prefix.is_empty() { path.to_owned() } else { format!("{}{path}", self.prefix) };
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        uri.path_and_query(path).build().ok()
    }

    /// Connections to it; for upgrades they are HTTP/1.1.
    pub(super) fn client<B>(&self, upgrades: bool) -> std::io::Result<Http<B>>
    where
        B: axum::body::HttpBody + Send,
        B::Data: Send,
    {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(self.connect_timeout));
        http.set_keepalive(Some(Duration::from_secs(KEEP_ALIVE_S)));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider)?.https_or_http();
        let connector = match self.protocol {
            Protocol::Auto if !upgrades => tls.enable_all_versions().wrap_connector(http),
            Protocol::Http2 if !upgrades => tls.enable_http2().wrap_connector(http),
            _ => tls.enable_http1().wrap_connector(http),
        };
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(POOL_S))
            .set_host(false)
            .http2_adaptive_window(true)
            .http2_only(self.protocol == Protocol::Http2 && !upgrades);
        Ok(builder.build(connector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_put_together() {
        let address = |upstream: &str, asked: &'static str| {
            let upstream: Upstream = upstream.parse().unwrap();
            upstream.address(&Uri::from_static(asked)).unwrap().to_string()
        };
        assert_eq!(address("http://a:3000", "/x?y=1"), "http://a:3000/x?y=1");
        assert_eq!(address("http://a/base/", "/x"), "http://a/base/x");
        assert_eq!(address("https://a", "http://other/x"), "https://a/x");
        for bad in ["", "a:3000", "ftp://a", "/x", "http://a/?q=1"] {
            assert!(bad.parse::<Upstream>().is_err(), "{bad}");
        }
    }
}
