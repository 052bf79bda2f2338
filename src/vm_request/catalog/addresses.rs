//! Networks in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network such as `10.20.30.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network in CIDR notation such as 10.20.30.0/24 (with no host bits set)")]
pub struct NotACidr(String);

impl Cidr {
    /// Prefix length in bits.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `ip` lies in the network.
    #[must_use]
    pub fn contains(self, ip: IpAddr) -> bool {
        match (bits(self.network), bits(ip)) {
            ((net, 32), (ip, 32)) => masked(net, self.prefix, 32) == masked(ip, self.prefix, 32),
            ((net, 128), (ip, 128)) => masked(net, self.prefix, 128) == masked(ip, self.prefix, 128),
            _ => false,
        }
    }

    /// Whether `ip` can be a host's: in the network and, in IPv4 networks larger than /31, neither the network's
    /// own address nor the broadcast address.
    #[must_use]
    pub fn is_host(self, ip: IpAddr) -> bool {
        if !self.contains(ip) {
            return false;
        }
        let (value, width) = bits(ip);
        let host_bits = u32::from(width - self.prefix);
        if width == 128 || host_bits < 2 {
            return true;
        }
        let mask = (1u128 << host_bits) - 1;
        let host = value & mask;
        host != 0 && host != mask
    }
}

fn bits(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn masked(value: u128, prefix: u8, width: u8) -> u128 {
    let host_bits = u32::from(width - prefix);
    value.checked_shr(host_bits).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotACidr(text.to_owned());
        let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let network: IpAddr = ip.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let (value, width) = bits(network);
        if prefix > width {
            return Err(wrong());
        }
        let host_bits = u32::from(width - prefix);
        let host_mask = 1u128.checked_shl(host_bits).map_or(u128::MAX, |bit| bit - 1);
        if value & host_mask != 0 {
            return Err(wrong());
        }
        Ok(Self { network, prefix })
    }
}

impl TryFrom<String> for Cidr {
    type Error = NotACidr;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_a_network_are_told_from_its_own_addresses() {
        let cidr: Cidr = "10.20.30.0/24".parse().unwrap();
        let is_host = |ip: &str| cidr.is_host(ip.parse().unwrap());
        assert!(is_host("10.20.30.1") && is_host("10.20.30.254"));
        assert!(
            !is_host("10.20.30.0") && !is_host("10.20.30.255") && !is_host("10.20.31.1") && !is_host("::1")
        );
        let whole: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(whole.is_host("192.0.2.1".parse().unwrap()));
        let six: Cidr = "2001:db8::/64".parse().unwrap();
        assert!(six.is_host("2001:db8::1".parse().unwrap()) && !six.is_host("2001:db9::1".parse().unwrap()));
        let pair: Cidr = "192.0.2.4/31".parse().unwrap();
        assert!(pair.is_host("192.0.2.4".parse().unwrap()) && pair.is_host("192.0.2.5".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/-1", "x/24", "::/129"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
