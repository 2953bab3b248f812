//! Ranges of addresses as operators write them: `10.1.0.0/16`, `2001:db8::/32`, `192.0.2.7`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// All addresses that begin with the same bits.
///
/// IPv4 addresses mapped into IPv6 (`::ffff:10.1.2.3`), as sockets for both families show them, are IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// In front of the slash there is no IP address.
    #[error("{0:?} is no IP address")]
    Address(String),
    /// Behind the slash there is no number of bits that the address has.
    #[error("{0:?} is no number of bits from 0 to {1}")]
    Prefix(String, u8),
    /// The address has bits behind the prefix: it may be meant alone, or the whole network.
    #[error("{given} has bits behind its first {}: did you mean {meant} or {given}?", meant.prefix)]
    HostBits {
        /// The address.
        given: IpAddr,
        /// The network that it is in.
        meant: Network,
    },
}

impl Network {
    /// Whether an address is in it.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => first == masked_v4(address, self.prefix),
            (IpAddr::V6(first), IpAddr::V6(address)) => first == masked_v6(address, self.prefix),
            _ => false,
        }
    }
}

fn masked_v4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn masked_v6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let given: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        let bits = if given.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // A sign is no digit, whatever Rust says.
            Some(text) => Some(text)
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(|| NetworkError::Prefix(text.to_owned(), bits))?,
        };
        let (first, prefix) = match given {
            IpAddr::V6(v6) if prefix >= 96 && v6.to_ipv4_mapped().is_some() => {
                (given.to_canonical(), prefix - 96)
            }
            _ => (given, prefix),
        };
        let masked = match first {
            IpAddr::V4(first) => masked_v4(first, prefix).into(),
            IpAddr::V6(first) => masked_v6(first, prefix).into(),
        };
        let network = Self { first: masked, prefix };
        if masked == first {
            Ok(network)
        } else {
            Err(NetworkError::HostBits { given: first, meant: network })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_address_is_in_it_when_its_first_bits_are_the_same() {
        let cases: [(&str, &[&str], &[&str]); 7] = [
            (
                "10.1.0.0/16",
                &["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3"],
                &["10.2.0.0", "::10.1.0.0", "a01::"],
            ),
            ("192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "::1"]),
            ("::/0", &["::", "ffff::"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::", "32.1.13.184"]),
            ("::1", &["::1"], &["::2", "127.0.0.1", "0.0.0.1"]),
            ("::ffff:10.0.0.0/104", &["10.255.0.1", "::ffff:10.0.0.1"], &["11.0.0.0"]),
        ];
        for (text, inside, outside) in cases {
            let is_inside = |address: &&&str| network(text).contains(address.parse().unwrap());
            assert_eq!(inside.iter().find(|address| !is_inside(address)), None, "{text}");
            assert_eq!(outside.iter().find(is_inside), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_says_why() {
        for (text, message) in [
            ("", "\"\" is no IP address"),
            ("storage1", "\"storage1\" is no IP address"),
            ("10.1/16", "\"10.1\" is no IP address"),
            ("10.1.0.0/", "\"\" is no number of bits from 0 to 32"),
            ("10.1.0.0/33", "\"33\" is no number of bits from 0 to 32"),
            ("10.1.0.0/+8", "\"+8\" is no number of bits from 0 to 32"),
            ("::/129", "\"129\" is no number of bits from 0 to 128"),
            ("10.1.2.3/8", "10.1.2.3 has bits behind its first 8: did you mean 10.0.0.0/8 or 10.1.2.3?"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn a_network_is_what_it_is_shown_as(bits in any::<u128>(), prefix in 0..=128_u8, other in any::<u128>()) {
            let first = masked_v6(Ipv6Addr::from_bits(bits), prefix);
            let network = network(&format!("{first}/{prefix}"));
            prop_assert_eq!(network.to_string().parse(), Ok(network));
            let address = Ipv6Addr::from_bits(other);
            let expected = prefix == 0 || (bits ^ other) >> (128 - u32::from(prefix)) == 0;
            let family_is_the_same = network.first.is_ipv6() == IpAddr::from(address).to_canonical().is_ipv6();
            prop_assert_eq!(network.contains(address.into()), expected && family_is_the_same);
        }
    }
}
