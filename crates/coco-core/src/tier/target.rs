//! Where hosts lie, and how packets get there.

use std::path::PathBuf;

use super::endpoint::Endpoint;
use crate::address::Address;
use crate::placement::rendezvous::Weight;

/// A storage node: a collectd that takes value lists, and what serves them to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The address exactly as it stands in the configuration: the key of counters and of `/tiers`.
    pub name: String,
    /// Where value lists are sent.
    pub address: Address,
    /// Where Noodle reads it; `None` is at its own host, by [`Fetch`](crate::config::Fetch).
    pub fetch: Option<Endpoint>,
    /// The rest, beside its place in the list, from which its hosts follow.
    pub placed: Placed,
}

/// The words of a target that a [`Placement`](crate::placement::Placement) goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// The name that the operator gave the target, unique in its tier.
    pub name: Option<String>,
    /// Its part of the hosts.
    pub weight: Weight,
    /// The zone, which fails as a whole: a rack, a room. All targets of a tier have one, or none has.
    pub zone: Option<String>,
    /// Its place among the targets wherever it is listed. All targets of a tier have one, or none has.
    pub index: Option<i64>,
}

impl Target {
    /// At this address, which is written like this; with nothing else said of it.
    pub fn new(name: impl Into<String>, address: Address) -> Self {
        Self { name: name.into(), address, fetch: None, placed: Placed::default() }
    }

    /// The name that the operator gave it, or else its address.
    pub fn label(&self) -> &str {
        self.placed.name.as_deref().unwrap_or(&self.name)
    }
}

/// As whom packets of a tier are signed or encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Whether packets are signed or encrypted.
    pub protection: Protection,
    /// The user, of 1 to 64 bytes.
    pub username: String,
    /// Where the password is.
    pub password: PasswordSource,
}

/// The security of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// `SecurityLevel Sign`
    Sign,
    /// `SecurityLevel Encrypt`
    Encrypt,
}

/// A file that holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// The password alone, perhaps with a newline behind it.
    Password(PathBuf),
    /// Users and passwords, as collectd's `AuthFile`.
    AuthFile(PathBuf),
}
