//! `[listen]`: where packets arrive, and what they must be.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::document::Section;
use super::listener::{self, lack_of_interface};
use super::security::{self, CanRead};
use crate::address::Address;
use crate::network::Network;
use crate::wire::SecurityLevel;

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// UDP address; may be all addresses or a multicast group.
    pub bind: Address,
    /// Name of the network interface for a multicast group or an IPv6 link-local address.
    pub interface: Option<String>,
    /// Whether `bind` may be an address that this machine does not have yet.
    pub freebind: bool,
    /// Networks that may send; `None` lets everyone.
    pub allow: Option<Vec<Network>>,
    /// The security that packets must have.
    pub security: Security,
    /// collectd's types.db.
    pub typesdb: Vec<PathBuf>,
    /// Bytes of the longest name taken.
    pub max_name_length: usize,
    /// Size of the socket's buffer in bytes.
    pub receive_buffer: usize,
}

/// The security that packets must have, and the file of users and passwords, as collectd's AuthFile, that it is checked
/// by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Anything. With users, what is signed is checked, and what is encrypted can be read.
    Open(Option<PathBuf>),
    /// Signed or encrypted.
    Sign(PathBuf),
    /// Encrypted.
    Encrypt(PathBuf),
}

impl Security {
    /// As the configuration names it.
    pub fn level(&self) -> SecurityLevel {
        match self {
            Self::Open(_) => SecurityLevel::None,
            Self::Sign(_) => SecurityLevel::Sign,
            Self::Encrypt(_) => SecurityLevel::Encrypt,
        }
    }

    /// The file of users, if there is one.
    pub fn auth_file(&self) -> Option<&Path> {
        match self {
            Self::Open(file) => file.as_deref(),
            Self::Sign(file) | Self::Encrypt(file) => Some(file),
        }
    }

    /// A level that wants a file and has none is a problem that stands elsewhere.
    fn of(level: SecurityLevel, file: Option<PathBuf>) -> Self {
        match (level, file) {
            (SecurityLevel::Sign, Some(file)) => Self::Sign(file),
            (SecurityLevel::Encrypt, Some(file)) => Self::Encrypt(file),
            (_, file) => Self::Open(file),
        }
    }
}

impl Listen {
    /// With its address if that is one, and fits.
    pub(super) fn read(section: &mut Section<'_, '_>, can_read: CanRead<'_>) -> (Self, Option<SocketAddr>) {
        let (bind, interface, freebind) =
            (section.read("bind"), section.optional("interface"), section.read("freebind"));
        let allow = security::networks(section, "allow");
        let level = section.read("security_level");
        let listen = Self {
            bind,
            interface,
            freebind,
            allow,
            security: Security::of(level, section.optional("auth_file")),
            typesdb: section.optional("typesdb").unwrap_or_default(),
            max_name_length: section.read("max_name_length"),
            receive_buffer: section.read("receive_buffer"),
        };
        let typesdb = listen.typesdb.iter().map(|path| ("typesdb", path.as_path()));
        for (name, path) in typesdb.chain(listen.security.auth_file().map(|path| ("auth_file", path))) {
            if let Err(problem) = can_read(path) {
                section.report(name, &format!("cannot read {}: {problem}", path.display()));
            }
        }
        security::check_listener(section, level);
        // Defaults that stand in for what is unreadable say nothing about what fits.
        let is_fine = ["listen.bind", "listen.interface"].iter().all(|key| section.findings.is_fine(key));
        let address = if is_fine { listener::address(&listen.bind) } else { None };
        if let Some(address) = address
            && let Some(misfit) = lack_of_interface(address, listen.interface.as_deref())
        {
            section.report("interface", misfit);
        }
        (listen, address)
    }
}
