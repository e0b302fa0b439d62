//! Networks: whose word counts about whom they ask for.
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (theirs, width) = bits(address);
        let (ours, own_width) = bits(self.address);
        let rest = width.saturating_sub(self.prefix_bits);
        width == own_width && theirs.checked_shr(rest) == ours.checked_shr(rest)
    }
}

/// The bits of an address at the low end, and how many there are.
fn bits(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), u32::BITS),
        IpAddr::V6(address) => (address.to_bits(), u128::BITS),
    }
}

impl FromStr for Network {
    type Err = ();
    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let (_, width) = bits(address);
        let prefix_bits = prefix.map_or(Ok(width), str::parse).map_err(|_| ())?;
        if prefix_bits <= width { Ok(Self { address, prefix_bits }) } else { Err(()) }
    }
}

/// Networks with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// Whether an address is in any of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Networks {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_networks() {
        let networks: Networks = "10.0.0.0/8, 192.0.2.7,2001:db8::/32,0.0.0.0/0".parse().expect("networks");
        let within = |network: usize, address: &str| {
            networks.0[network].contains(address.parse().expect("an address"))
        };
        assert!(within(0, "10.255.0.1") && within(0, "::ffff:10.0.0.1") && !within(0, "11.0.0.1"));
        assert!(within(1, "192.0.2.7") && !within(1, "192.0.2.8") && !within(1, "::c000:207"));
        assert!(within(2, "2001:db8:1::1") && !within(2, "2001:db9::1"));
        assert!(within(3, "203.0.113.1") && !within(3, "2001:db8::1"));
        for bad in ["10.0.0.0/33", "10.0.0/8", "host", "::/129", "10.0.0.0/8;::1"] {
            assert_eq!(bad.parse::<Networks>(), Err(()), "{bad}");
        }
        assert_eq!("".parse(), Ok(Networks::default()));
    }
}
