//! Notifications: a message about a host, with a severity instead of values.

use std::fmt;

use crate::value_list::{IdentifierRef, Time};

/// The severity of a notification (collectd's `NOTIF_*`, `src/daemon/plugin.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something has failed.
    Failure = 1,
    /// Something may fail.
    Warning = 2,
    /// All is well again.
    Okay = 4,
}

impl Severity {
    /// The severity that a SEVERITY part states. collectd reads only its low 32 bits.
    pub fn from_wire(number: u64) -> Option<Self> {
        match number as u32 {
            1 => Some(Self::Failure),
            2 => Some(Self::Warning),
            4 => Some(Self::Okay),
            _ => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure => "FAILURE",
            Self::Warning => "WARNING",
            Self::Okay => "OKAY",
        })
    }
}

/// A notification, borrowed from a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationRef<'a> {
    /// The names of its subject; only the host is never empty.
    pub identifier: IdentifierRef<'a>,
    /// When it was raised.
    pub time: Time,
    /// Its severity.
    pub severity: Severity,
    /// The text, at most 255 bytes, never empty.
    pub message: &'a [u8],
}
