//! Headers that are for one connection only, and those that tell the application of the caller.
use super::upstream::Protocol;
use crate::config::Networks;
use axum::http::header::{
    CONNECTION, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};
use std::net::IpAddr;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// What the application is told of callers.
#[derive(Clone, Debug, Default)]
pub struct Forwarding {
    /// Proxies whose own `X-Forwarded-*` is passed on; of others it is replaced.
    pub trusted: Networks,
    /// Whether the application is asked under the name that the caller used; otherwise under its own.
    pub keeps_host: bool,
}

/// Takes out what is for this connection only. Answers the protocol that an upgrade asks for.
pub(super) fn strip(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let upgrade = headers.remove(UPGRADE).filter(|_| named.contains(&UPGRADE));
    let trailers = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok()).any(takes_trailers);
    // Naming them would be an attempt to take out what the application relies on.
    let kept = |name: &HeaderName| [HOST, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO].contains(name);
    for name in named.iter().filter(|name| !kept(name)) {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, TRAILERS);
    }
    upgrade
}

fn takes_trailers(te: &str) -> bool {
    te.split(',')
        .any(|coding| coding.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("trailers"))
}

/// Asks for, or confirms, an upgrade on this connection.
pub(super) fn upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

impl Forwarding {
    /// Tells the application who asks, how, and under which name; `uri` is what the caller asked for.
    pub(super) fn tell(
        &self,
        headers: &mut HeaderMap,
        peer: IpAddr,
        uri: &Uri,
        upstream: (&Authority, Protocol),
    ) {
        let peer = peer.to_canonical();
        let trusted = self.trusted.contain(peer);
        let host = headers.get(HOST).cloned();
        let host =
            host.or_else(|| uri.authority().and_then(|name| HeaderValue::from_str(name.as_str()).ok()));
        if !trusted {
            for name in [FORWARDED, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO] {
                headers.remove(name);
            }
        }
        let before: Vec<&str> =
            headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
        let chain =
            before.into_iter().map(str::to_owned).chain([peer.to_string()]).collect::<Vec<_>>().join(", ");
        if let Ok(chain) = HeaderValue::from_str(&chain) {
            headers.insert(FORWARDED_FOR, chain);
        }
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
        if let Some(host) = &host {
            headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
        }
        // The gateway itself has told the caller to go on.
        headers.remove(EXPECT);
        // HTTP/2 tells the name with the address that is asked.
        let keeps = self.keeps_host && upstream.1 == Protocol::Http1;
        match host.filter(|_| keeps) {
            Some(host) => headers.insert(HOST, host),
            None if upstream.1 == Protocol::Http1 => {
                HeaderValue::from_str(upstream.0.as_str()).ok().and_then(|name| headers.insert(HOST, name))
            }
            None => headers.remove(HOST),
        };
    }
}

/// The version that a request to the application is written in.
pub(super) fn version(protocol: Protocol) -> Version {
    match protocol {
        Protocol::Http2 => Version::HTTP_2,
        Protocol::Http1 | Protocol::Auto => Version::HTTP_11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(header).collect()
    }

    #[test]
    fn what_is_for_one_connection_only_is_taken_out() {
        let mut headers = map(&[
            ("connection", "close, X-Own"),
            ("connection", "keep-alive, x-forwarded-for, host"),
            ("x-own", "1"),
            ("host", "a"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "x"),
            ("proxy-authorization", "x"),
            ("te", "gzip;q=0.5, Trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-forwarded-for", "1.1.1.1"),
            ("trailer", "x-sum"),
            ("accept", "x"),
        ]);
        assert_eq!(strip(&mut headers), None, "an upgrade that Connection does not name is none");
        let left = map(&[
            ("host", "a"),
            ("x-forwarded-for", "1.1.1.1"),
            ("trailer", "x-sum"),
            ("accept", "x"),
            ("te", "trailers"),
        ]);
        assert_eq!(headers, left);
        let mut headers = map(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("te", "gzip")]);
        assert_eq!(strip(&mut headers), Some(HeaderValue::from_static("websocket")));
        assert!(headers.is_empty());
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let sent = [
            ("host", "shop.example"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=x"),
        ];
        let upstream = Authority::from_static("127.0.0.1:3000");
        let peer = "10.0.0.7".parse().unwrap();
        let told = |trusted: &str, keeps_host| {
            let mut headers = map(&sent);
            let forwarding = Forwarding { trusted: trusted.parse().unwrap(), keeps_host };
            forwarding.tell(&mut headers, peer, &Uri::from_static("/a"), (&upstream, Protocol::Http1));
            let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "host", "forwarded"].map(text)
        };
        let of = |texts: [&str; 4]| texts.map(|text| Some(text.to_owned()));
        let [a, b, c, d] = of(["10.0.0.7", "http", "shop.example", "shop.example"]);
        assert_eq!(told("", true), [a, b, c, d, None]);
        let [a, b, c, d] = of(["9.9.9.9, 10.0.0.7", "https", "shop.example", "127.0.0.1:3000"]);
        assert_eq!(told("10.0.0.0/8", false), [a, b, c, d, Some("for=x".to_owned())]);
    }
}
