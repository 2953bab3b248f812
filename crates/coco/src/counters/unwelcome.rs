//! Why something is refused, though there is no error in it.

use std::fmt;

/// Why a datagram is refused, or parts of it, though there is no error in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwelcome {
    /// From an address that `listen.allow` does not name.
    NotAllowed,
    /// From a socket by which coco itself sends.
    OwnSocket,
    /// Neither signed nor encrypted, at level `Sign`.
    Unsigned,
    /// Not encrypted, at level `Encrypt`.
    Unencrypted,
}

impl Unwelcome {
    /// Every reason: `ALL[reason as usize] == reason`.
    pub const ALL: &[Self] = &[Self::NotAllowed, Self::OwnSocket, Self::Unsigned, Self::Unencrypted];

    /// As counters are named.
    pub const fn key(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::OwnSocket => "own_socket",
            Self::Unsigned => "unsigned",
            Self::Unencrypted => "unencrypted",
        }
    }
}

impl fmt::Display for Unwelcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "the sender's address is not in `listen.allow`",
            Self::OwnSocket => "sent by this very Coco: a loop",
            Self::Unsigned => {
                "parts that are neither signed nor encrypted, where `listen.security_level` is Sign"
            }
            Self::Unencrypted => "parts that are not encrypted, where `listen.security_level` is Encrypt",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_in_their_order() {
        assert!((0..).zip(Unwelcome::ALL).all(|(index, reason)| *reason as usize == index));
    }
}
