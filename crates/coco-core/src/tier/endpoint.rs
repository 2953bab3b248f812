//! Where a storage node is read, and what is spoken there.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;

use crate::address::Address;

/// The protocol of whatever answers on a storage node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A Visage, over HTTP.
    Visage,
    /// An rrdcached, by its own protocol.
    Rrdcached,
}

/// Where a storage node is read, and what is spoken there. Displayed as the URL that an operator could have written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `http://HOST:PORT`
    Visage(Address),
    /// `rrdcached://HOST:PORT` or `rrdcached:///PATH`
    Rrdcached(DaemonAddress),
}

/// Where an rrdcached listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DaemonAddress {
    /// `rrdcached://HOST:PORT`
    Internet(Address),
    /// `rrdcached:///PATH`
    Unix(PathBuf),
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Visage, Self::Rrdcached];

    /// Their words, in that order.
    pub const WORDS: &[&str] = &[Self::Visage.as_str(), Self::Rrdcached.as_str()];

    /// The word of the configuration for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visage => "visage",
            Self::Rrdcached => "rrdcached",
        }
    }

    /// The port that it listens at unless it is told otherwise.
    pub const fn port(self) -> NonZero<u16> {
        let port = match self {
            Self::Visage => NonZero::new(80),
            Self::Rrdcached => NonZero::new(42217),
        };
        port.expect("neither is 0")
    }

    /// The scheme of its URLs, up to the host.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Visage => "http://",
            Self::Rrdcached => "rrdcached://",
        }
    }
}

impl Endpoint {
    /// Whatever speaks this protocol at a host and port.
    pub fn new(protocol: Protocol, address: Address) -> Self {
        match protocol {
            Protocol::Visage => Self::Visage(address),
            Protocol::Rrdcached => Self::Rrdcached(DaemonAddress::Internet(address)),
        }
    }

    /// Its host and port, if it has those.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Visage(address) | Self::Rrdcached(DaemonAddress::Internet(address)) => Some(address),
            Self::Rrdcached(DaemonAddress::Unix(_)) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visage(address) => write!(f, "{}{address}", Protocol::Visage.scheme()),
            Self::Rrdcached(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for DaemonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = Protocol::Rrdcached.scheme();
        match self {
            Self::Internet(address) => write!(f, "{scheme}{address}"),
            Self::Unix(path) => write!(f, "{scheme}{}", path.display()),
        }
    }
}
