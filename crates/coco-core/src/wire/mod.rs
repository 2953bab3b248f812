//! collectd's binary protocol, as collectd 5.12 really behaves.
//!
//! A datagram is a sequence of parts and nothing else: no header, no version, no number. Every part states
//! its type and its length, both big-endian, the length including these four bytes:
//!
//! ```text
//!  0      2      4
//! +------+------+---------------------+
//! | type |length| length - 4 bytes    |   string: bytes and a final NUL
//! +------+------+---------------------+   number: 8 bytes, big-endian
//!
//!  values:
//! +------+------+------+---------+----------------+
//! | 0x6  | 6+9n |  n   | n kinds | n times 8 bytes|   kind 1 (gauge): a little-endian double
//! +------+------+------+---------+----------------+   kinds 0, 2, 3: big-endian integers
//! ```
//!
//! A part stays in force until it is overwritten, across any number of values parts and of changes of the
//! other parts. VALUES ends a value list, MESSAGE a notification; either takes what is in force. Nothing
//! carries over from one datagram to the next. Source: collectd's network(5) and `src/network.c`.
//!
//! # What is done with odd bytes
//!
//! | seen | done |
//! |---|---|
//! | a part shorter than its header, longer than what is left, or 1 to 3 stray bytes at the end; a number that is not 12 bytes long; a string without final NUL or too long; a values part that is not 6 + 9n bytes long, or of an unknown kind | [`Malformed`]: the rest of the datagram is refused, what came before stays |
//! | an encrypted part | [`Malformed::Encrypted`]: without a key the rest is refused; with keys, see [`Guard`] |
//! | a signature | [`Event::Signature`]: skipped, what follows is [unverified](Decoder::unverified); with keys, see [`Guard`] |
//! | a part of unknown type, of 4 bytes at the very end too | [`Event::Unknown`]: skipped by its length, not carried into a packet that is built anew |
//! | a value list without host, plugin, type or time (0 after conversion counts as none), or of no values | [`Event::RefusedValueList`]; what follows is read on |
//! | a notification without host, time or message, or of a severity (low 32 bits) other than 1, 2 and 4 | [`Event::RefusedNotification`]; what follows is read on |
//! | more notifications in one datagram than [`MOST_NOTIFICATIONS`] | whoever forwards refuses those behind them as [`NotificationRefusal::TooMany`]; what follows is read on |
//! | a type that types.db does not know, other kinds or numbers of values than it says | nothing: values are forwarded as they came |
//! | no interval, or one of zero | kept missing; behind a value list that had one, an INTERVAL_HR of 0 says so |
//! | a NUL within a string | the string ends there |
//! | a time or interval in both resolutions | the last one wins, and leaves as it came |
//! | a datagram of no bytes | nothing is in it |
//!
//! [`Decoder`] takes a datagram apart into spans of it; [`PacketBuilder`] packs value lists into packets,
//! [`padding`] makes them one size. [`Guard`] takes
//! apart what may be signed or encrypted, [`Seal`] signs or encrypts what leaves.
//!
//! ```
//! use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
//! use coco_core::wire::{Decoder, Event, PacketBuilder};
//!
//! let name = |text: &str| text.as_bytes().to_vec();
//! let identifier = Identifier { host: name("web1"), plugin: name("load"), type_name: name("load"), ..Identifier::default() };
//! let (time, interval) = (Time::HighResolution(1 << 60), Interval::HighResolution(10 << 30));
//! let list = ValueList::new(identifier, time, interval, &[Value::Gauge(0.5)]);
//!
//! let mut builder = PacketBuilder::new(1452);
//! builder.push(&list.as_ref());
//! builder.close();
//! let (_, datagram) = builder.packets().next().unwrap();
//!
//! let mut hosts = Vec::new();
//! for event in Decoder::new(datagram) {
//!     if let Event::ValueList(spans) = event? {
//!         hosts.push(spans.of(datagram).identifier.host);
//!     }
//! }
//! assert_eq!(hosts, [b"web1"]);
//! # Ok::<(), coco_core::wire::Malformed>(())
//! ```

mod copy;
mod crypto;
mod decode;
mod encode;
mod guard;
mod open;
mod padding;
pub mod part;
mod reader;
mod rewrite;
#[doc(hidden)]
mod seal;
mod segments;
mod spans;
mod users;

pub use crypto::{Key, SecurityLevel};
pub use decode::{Decoder, Event, Visitor};
pub use encode::{Packet, PacketBuilder, PartOrder};
pub use guard::{Guard, Opened, Refused, Trust};
pub use open::OpenPacket;
pub use padding::{PADDING_MAX, padding};
pub use rewrite::{Unwritable, rewrite};
pub use seal::{InitializationVectors, Seal, TooLong};
pub use segments::segment_length;
pub use spans::{IdentifierSpans, NotificationSpans, ValueListSpans};
pub use users::Users;

use std::fmt;

/// Notifications of one datagram that are forwarded. collectd sends each in a datagram of its own
/// (`network_notification` in `src/network.c`), with all its names: of a part of 6 bytes that repeats the last one with
/// another message it would make a packet of up to 700.
pub const MOST_NOTIFICATIONS: usize = 8;

/// Bytes of a datagram: where they start and how many they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The length in the high half, the start in the low one: a span is moved as one number.
    bits: u32,
}

impl Span {
    #[inline]
    fn new(start: u16, length: u16) -> Self {
        Self { bits: u32::from(length) << 16 | u32::from(start) }
    }

    /// The number of bytes.
    #[inline]
    pub fn length(self) -> usize {
        (self.bits >> 16) as usize
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.length() == 0
    }

    /// Offset of the first byte.
    #[inline]
    pub fn start(self) -> usize {
        (self.bits & 0xffff) as usize
    }
}

/// Which of the parts that a value list may lack are in force with a value.
///
/// A value list that lacks one must not inherit it from whatever stands before it in a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// PLUGIN_INSTANCE is not empty.
    pub plugin_instance: bool,
    /// TYPE_INSTANCE is not empty.
    pub type_instance: bool,
    /// INTERVAL or INTERVAL_HR is not zero.
    pub interval: bool,
}

/// A datagram that may leave as it came, from some byte on: value lists and nothing else. Only who has read all of it
/// makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    start: u16,
    carried: Carried,
}

impl Whole {
    /// Offset of the first byte that may leave: what is in front of it is a signature, or it stands within an encrypted
    /// part.
    #[inline]
    pub fn start(self) -> usize {
        self.start.into()
    }

    /// The parts in force at its end, which a value list would inherit if one followed.
    #[inline]
    pub fn carried(self) -> Carried {
        self.carried
    }
}

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $key:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every reason, in the order of declaration: `ALL[reason as usize] == reason`.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The reason in lower case with underscores, as counters are named.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),+ })
            }
        }
    };
}

reasons! {
    /// Why the rest of a datagram is refused.
    Malformed {
        /// One to three bytes are left: too few for a part.
        StrayBytes => "stray_bytes", "stray bytes at the end";
        /// A part says that it is shorter than its own header.
        PartTooShort => "part_too_short", "a part shorter than its header";
        /// A part says that it is longer than what is left.
        PartTooLong => "part_too_long", "a part longer than what is left of the datagram";
        /// A string does not end in NUL.
        StringWithoutNul => "string_without_nul", "a string without final NUL";
        /// A string is longer than is taken: collectd's buffers, unless more is wished.
        StringTooLong => "string_too_long", "a name longer than `listen.max_name_length`, or another string longer than collectd accepts";
        /// A number is not of 8 bytes.
        NumberLength => "number_length", "a number that is not of 8 bytes";
        /// The length of a values part does not fit its count.
        ValuesLength => "values_length", "a values part whose length does not fit its count";
        /// A value is of a kind that collectd does not know.
        ValueKind => "value_kind", "a value of unknown kind";
        /// An encrypted part, and no key.
        Encrypted => "encrypted", "an encrypted part, and no `listen.auth_file` to read it with";
        /// A signature that has no room for an HMAC and a user.
        SignatureLength => "signature_length", "a signature without room for an HMAC and a user";
        /// An encrypted part without a user or a payload.
        EncryptionLength => "encryption_length", "an encrypted part without room for a user and a payload";
        /// There is no password for the user of a signature or an encrypted part.
        UnknownUser => "unknown_user", "a signature or an encrypted part of a user that is not in `listen.auth_file`";
        /// A signature was not made with the password of its user, or not of these bytes.
        SignatureMismatch => "signature_mismatch", "a signature that the user's password does not make";
        /// An encrypted part was not made with the password of its user, or was changed.
        ChecksumMismatch => "checksum_mismatch", "an encrypted part that the user's password does not open";
        /// Signatures and encrypted parts within each other, to keep the receiver busy.
        Nesting => "nesting", "more signatures and encrypted parts within each other than any sender makes";
    }
}

impl std::error::Error for Malformed {}

reasons! {
    /// Why one value list is refused; the rest of the datagram is read on.
    ListRefusal {
        /// HOST is missing or empty.
        NoHost => "no_host", "no host";
        /// PLUGIN is missing or empty.
        NoPlugin => "no_plugin", "no plugin";
        /// TYPE is missing or empty.
        NoType => "no_type", "no type";
        /// The time is missing or zero.
        NoTime => "no_time", "no time";
        /// The value list has no values.
        NoValues => "no_values", "no values";
    }
}

reasons! {
    /// Why one notification is refused; the rest of the datagram is read on.
    NotificationRefusal {
        /// HOST is missing or empty.
        NoHost => "no_host", "no host";
        /// The time is missing or zero.
        NoTime => "no_time", "no time";
        /// The message is empty.
        NoMessage => "no_message", "no message";
        /// The severity is none that collectd knows.
        Severity => "severity", "unknown severity";
        /// There are [`MOST_NOTIFICATIONS`] in the datagram already.
        TooMany => "too_many", "more in one datagram than any sender makes";
    }
}
