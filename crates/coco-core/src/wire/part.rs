//! Part types and the limits of their payloads.

use std::fmt;

use crate::value_list::ValueList;

/// The code of a part. Open: a datagram may hold any, and unknown ones are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartType(pub u16);

macro_rules! part_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)+) => {
        impl PartType {
            $($(#[$doc])* pub const $name: Self = Self($code);)+

            /// Every known part type with its name, in the order of their codes.
            pub const KNOWN: &[(Self, &str)] = &[$((Self::$name, stringify!($name))),+];
        }
    };
}

// network(5) of collectd-5.12, "Binary protocol"; src/network.h.
part_types! {
    /// The agent's name for its machine; a string.
    HOST = 0x0000;
    /// When the values were read, in seconds; a number.
    TIME = 0x0001;
    /// A string.
    PLUGIN = 0x0002;
    /// A string, empty for none.
    PLUGIN_INSTANCE = 0x0003;
    /// The name of a data set in types.db; a string.
    TYPE = 0x0004;
    /// A string, empty for none.
    TYPE_INSTANCE = 0x0005;
    /// The values; ends a value list.
    VALUES = 0x0006;
    /// The time between two readings of values, in seconds; a number.
    INTERVAL = 0x0007;
    /// When the values were read, in units of 2^-30 s; a number.
    TIME_HR = 0x0008;
    /// The time between two readings of values, in units of 2^-30 s; a number.
    INTERVAL_HR = 0x0009;
    /// The text of a notification; ends a notification.
    MESSAGE = 0x0100;
    /// The severity of a notification; a number.
    SEVERITY = 0x0101;
    /// An HMAC-SHA-256 over the rest of the datagram.
    SIGN_SHA256 = 0x0200;
    /// Parts encrypted with AES-256 in OFB mode.
    ENCR_AES256 = 0x0210;
}

impl fmt::Debug for PartType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::KNOWN.iter().find(|(known, _)| known == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

/// Bytes of a part's type and length, which its length includes.
pub const HEADER: usize = 4;

/// Bytes of a part that holds a number.
pub const NUMBER: usize = HEADER + 8;

/// Bytes of a values part before its kinds: the header and the count.
pub const VALUES_HEADER: usize = HEADER + 2;

const _: () = assert!(ValueList::MAX_VALUES == (u16::MAX as usize - VALUES_HEADER) / 9);

/// Largest payload of a name with its final NUL (`DATA_MAX_NAME_LEN`, 128 since collectd 5.6).
pub const NAME_MAX: usize = 128;

/// The same of the longest names that a collectd was ever built with.
pub const LONGEST_NAME_MAX: usize = 1024;

/// Largest payload of a message with its final NUL (`NOTIF_MAX_MSG_LEN`).
pub const MESSAGE_MAX: usize = 256;

/// Bytes of the HMAC-SHA-256 in a signature.
pub const MAC: usize = 32;

/// Bytes of a signature before the name of its user: the header and the HMAC.
pub const SIGNATURE_HEADER: usize = HEADER + MAC;

/// Bytes of the initialization vector in an encrypted part.
pub const IV: usize = 16;

/// Bytes of the SHA-1 in an encrypted part.
pub const CHECKSUM: usize = 20;

/// Bytes of an encrypted part besides the name of its user and the payload: the header, the length of the name, the
/// initialization vector and the checksum.
pub const ENCRYPTION_OVERHEAD: usize = HEADER + 2 + IV + CHECKSUM;

/// Longest name of a user that a sender may have (`BUFF_SIG_SIZE` of collectd keeps 64 bytes for it).
pub const USER_MAX: usize = 64;
