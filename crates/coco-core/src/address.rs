//! Host and port, as an operator writes them in `coco.conf`.
//!
//! | written | means |
//! |---|---|
//! | `10.1.1.111:25826` | an IPv4 address |
//! | `[::1]:25826`, `[fe80::1%eth0]:25826` | an IPv6 address, in brackets as in a URL, with a zone where one is needed |
//! | `storage1.example:25826` | a name, left to the system to resolve |
//! | `:25826` | all addresses of this machine |

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A host and a port; nothing is resolved.
///
/// Two ways to write one address are equal: names are kept in lower case, IPv6 in its canonical form (RFC 5952).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The name or the IP address, without brackets, with its zone; empty for all addresses.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the system choose where this is an address to listen on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host at another port.
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// The IP address, if one was written.
    ///
    /// `None` for an address with a zone too: only the system that resolves the [`host`](Self::host) knows the
    /// number of the zone, and without it the address leads nowhere.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether this means all addresses of the machine, IPv6 and IPv4 alike (`":25826"`).
    pub fn is_all(&self) -> bool {
        self.host.is_empty()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The problem with the text of an [`Address`], and the expectation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Nothing was written.
    #[error("the address is empty: expected HOST:PORT, such as \"10.1.1.111:25826\"")]
    Empty,
    /// A host alone, or nothing behind the last colon.
    #[error("{text:?} has no port: expected HOST:PORT, such as \"10.1.1.111:25826\"")]
    MissingPort {
        /// The whole address.
        text: String,
    },
    /// Not a number of 16 bits; names of services are not looked up.
    #[error("{port:?} is not a port: expected a number from 0 to 65535")]
    BadPort {
        /// The text in the place of the port.
        port: String,
    },
    /// An IPv6 address whose last group can't be told from a port.
    #[error("{text:?} is IPv6 without brackets: expected \"[ADDRESS]:PORT\", such as \"[::1]:25826\"")]
    UnbracketedIpv6 {
        /// The whole address.
        text: String,
    },
    /// Brackets that are not closed or hold something else than an IPv6 address.
    #[error("{host:?} is not an IPv6 address in brackets: expected such as \"[::1]\" or \"[fe80::1%eth0]\"")]
    BadIpv6 {
        /// The text before the port, brackets included.
        host: String,
    },
    /// A host that ends in a number but is not an IPv4 address. Resolvers read some of these in ways of their
    /// own (`10.1.111` as 10.1.0.111, `010.1.1.1` as 8.1.1.1), so none of them is passed on.
    #[error("{host:?} is not an IPv4 address: expected four numbers from 0 to 255, without leading zeros")]
    BadIpv4 {
        /// The host.
        host: String,
    },
    /// A character that no host name has.
    #[error("{host:?} is not a host name: {found:?} is not a letter, a digit, '-', '_' or '.'")]
    BadHost {
        /// The host.
        host: String,
        /// The first character that is out of place.
        found: char,
    },
    /// Too long for the DNS, or with nothing, or more than 63 bytes, between two dots (RFC 1035, 2.3.4).
    #[error("{host:?} is not a host name: expected 1 to 63 characters between dots, at most 253 in all")]
    BadHostLength {
        /// The host.
        host: String,
    },
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if is_bare_ipv6(text) {
            return Err(AddressError::UnbracketedIpv6 { text: text.to_owned() });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && !port.ends_with(']') => (host, port),
            _ => {
                return Err(AddressError::MissingPort { text: text.to_owned() });
            }
        };
        Ok(Self { host: parse_host(host)?, port: parse_port(port)? })
    }
}

/// `::1`, and also `::1:25826`, which is an address itself; but not `http://storage1:25826`.
fn is_bare_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _zone)| address);
    address.matches(':').count() > 1
        && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

fn parse_port(port: &str) -> Result<u16, AddressError> {
    // Digits only: `u16::from_str` takes a sign as well.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits => Ok(number),
        _ => Err(AddressError::BadPort { port: port.to_owned() }),
    }
}

fn parse_host(host: &str) -> Result<String, AddressError> {
    if host.starts_with('[') {
        return parse_ipv6(host).ok_or_else(|| AddressError::BadIpv6 { host: host.to_owned() });
    }
    if host.is_empty() {
        return Ok(String::new());
    }
    if let Some(found) = host.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')) {
        return Err(AddressError::BadHost { host: host.to_owned(), found });
    }
    // A dot at the end says that the name is complete; the label behind it is the root's, which is empty.
    let labels = host.strip_suffix('.').unwrap_or(host);
    if labels.len() > 253 || labels.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(AddressError::BadHostLength { host: host.to_owned() });
    }
    let numeric = labels.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(AddressError::BadIpv4 { host: host.to_owned() });
    }
    Ok(host.to_ascii_lowercase())
}

/// The canonical form of what stands in the brackets, with its zone (RFC 6874 without the escapes of a URL).
fn parse_ipv6(host: &str) -> Option<String> {
    let inside = host.strip_prefix('[')?.strip_suffix(']')?;
    match inside.split_once('%') {
        None => Some(inside.parse::<Ipv6Addr>().ok()?.to_string()),
        Some((address, zone)) => {
            let is_zone = !zone.is_empty()
                && zone
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'/' | b'[' | b']'));
            let address: Ipv6Addr = address.parse().ok()?;
            is_zone.then(|| format!("{address}%{zone}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        text.parse()
    }

    #[test]
    fn every_way_to_write_an_address() {
        for (text, host, port, ip) in [
            ("10.1.1.111:25826", "10.1.1.111", 25826, Some("10.1.1.111")),
            ("0.0.0.0:0", "0.0.0.0", 0, Some("0.0.0.0")),
            ("storage1.example:25826", "storage1.example", 25826, None),
            ("storage1.example.:1", "storage1.example.", 1, None),
            ("my_storage-1:65535", "my_storage-1", 65535, None),
            ("1st.example:1", "1st.example", 1, None),
            ("10.1.1.111.nip.io:1", "10.1.1.111.nip.io", 1, None),
            ("[::1]:25826", "::1", 25826, Some("::1")),
            ("[::ffff:10.1.1.1]:1", "::ffff:10.1.1.1", 1, Some("::ffff:10.1.1.1")),
            ("[fe80::1%eth0]:25826", "fe80::1%eth0", 25826, None),
            (":25826", "", 25826, None),
        ] {
            let address = parse(text).unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.ip(), ip.map(|ip| ip.parse().unwrap()), "{text}");
            assert_eq!(address.is_all(), text == ":25826");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn two_ways_to_write_one_address_are_equal() {
        assert_eq!(parse("[0:0::0:1]:1"), parse("[::1]:1"));
        assert_eq!(parse("[FE80::A%eth0]:1"), parse("[fe80::a%eth0]:1"));
        assert_eq!(parse("Storage1.Example:0025"), parse("storage1.example:25"));
        assert_ne!(parse("[fe80::a%eth0]:1"), parse("[fe80::a%eth1]:1"));
        assert_ne!(parse("storage1:1"), parse("storage1:2"));
    }

    #[test]
    fn the_error_says_what_was_expected() {
        use AddressError as E;
        let owned = str::to_owned;
        let missing_port = |text| E::MissingPort { text: owned(text) };
        let bad_port = |port| E::BadPort { port: owned(port) };
        let unbracketed = |text| E::UnbracketedIpv6 { text: owned(text) };
        let bad_ipv6 = |host| E::BadIpv6 { host: owned(host) };
        let bad_ipv4 = |host| E::BadIpv4 { host: owned(host) };
        let bad_host = |host, found| E::BadHost { host: owned(host), found };
        let bad_length = |host| E::BadHostLength { host: owned(host) };
        let label64 = "a".repeat(64);
        let name254 = ["a".repeat(49).as_str(); 5].join(".") + ".aaaa";
        for (text, error) in [
            ("", E::Empty),
            ("storage1", missing_port("storage1")),
            ("storage1:", missing_port("storage1:")),
            (":", missing_port(":")),
            ("[::1]", missing_port("[::1]")),
            ("[::1]:", missing_port("[::1]:")),
            ("storage1:collectd", bad_port("collectd")),
            ("storage1:65536", bad_port("65536")),
            ("storage1:+1", bad_port("+1")),
            ("storage1:-1", bad_port("-1")),
            ("storage1:1 ", bad_port("1 ")),
            ("::1", unbracketed("::1")),
            ("::1:25826", unbracketed("::1:25826")),
            ("fe80::1%eth0:25826", unbracketed("fe80::1%eth0:25826")),
            ("[]:1", bad_ipv6("[]")),
            ("[::1:1", bad_ipv6("[::1")),
            ("[::1]x:1", bad_ipv6("[::1]x")),
            ("[storage1]:1", bad_ipv6("[storage1]")),
            ("[10.1.1.1]:1", bad_ipv6("[10.1.1.1]")),
            ("[fe80::1%]:1", bad_ipv6("[fe80::1%]")),
            ("[fe80::1%a b]:1", bad_ipv6("[fe80::1%a b]")),
            ("256.1.1.1:1", bad_ipv4("256.1.1.1")),
            ("10.1.111:1", bad_ipv4("10.1.111")),
            ("010.1.1.1:1", bad_ipv4("010.1.1.1")),
            ("10.1.1.1.:1", bad_ipv4("10.1.1.1.")),
            ("25826:25826", bad_ipv4("25826")),
            (" storage1:1", bad_host(" storage1", ' ')),
            ("*:1", bad_host("*", '*')),
            ("höst:1", bad_host("höst", 'ö')),
            ("http://storage1:1", bad_host("http://storage1", ':')),
            ("storage1:1/path:2", bad_host("storage1:1/path", ':')),
            (".:1", bad_length(".")),
            ("a..b:1", bad_length("a..b")),
            (&format!("{label64}:1"), bad_length(&label64)),
            (&format!("{name254}:1"), bad_length(&name254)),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_reads_back_equal(text in "\\PC*|[a-f0-9:.%\\[\\]]{0,24}(:[0-9]{1,5})?") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn every_socket_address_reads_back(socket: std::net::SocketAddr) {
            // The zone of a `SocketAddr` is a number, which its `Display` writes behind a `%`.
            let address = parse(&socket.to_string()).unwrap();
            prop_assert_eq!(address.port(), socket.port());
            let zoned = matches!(socket, std::net::SocketAddr::V6(v6) if v6.scope_id() != 0);
            prop_assert_eq!(address.ip(), (!zoned).then(|| socket.ip()));
        }
    }
}
