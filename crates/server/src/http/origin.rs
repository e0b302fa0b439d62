//! The address that a request comes from, as far as it can be known.
use super::listen::Peer;
use crate::config::Networks;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The header in which proxies list whom they ask for, each adding whom it was asked by.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address: that of the connection, or, where that is a proxy whose word counts, the last
/// one in `X-Forwarded-For` that is no such proxy. Anybody can send the header; what proxies that are
/// trusted did not add themselves is not believed.
pub fn address(parts: &Parts, trusted: &Networks) -> IpAddr {
    let peer =
        parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer.ip());
    behind(peer, &parts.headers, trusted)
}

/// The client of a connection from `peer`; see [`address`].
pub fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let mut client = peer.to_canonical();
    let lists: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|list| list.to_str().ok()).collect();
    let mut named = lists.iter().flat_map(|list| list.split(',')).rev();
    while trusted.contain(client) {
        let Some(before) = named.next().and_then(read) else { break };
        client = before.to_canonical();
    }
    client
}

/// An address, with or without a port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Networks = "10.0.0.0/8".parse().expect("networks");
        let client = |peer: &str, lists: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(FORWARDED_FOR, list.parse().expect("a header value"));
            }
            behind(peer.parse().expect("an address"), &headers, &trusted).to_string()
        };
        assert_eq!(client("203.0.113.1", &["198.51.100.1"]), "203.0.113.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }
}
