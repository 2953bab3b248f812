//! What a datagram was found to hold, as spans of it.

use super::part::{self, PartType, VALUES_HEADER};
use super::{Carried, Span};
use crate::notification::{NotificationRef, Severity};
use crate::value_list::{IdentifierRef, Interval, Time, ValueListRef, ValuesRef};

/// Where the five names of an identifier stand in a datagram. An absent name and an empty one are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of IdentifierRef")]
pub struct IdentifierSpans {
    pub host: Span,
    pub plugin: Span,
    pub plugin_instance: Span,
    pub type_name: Span,
    pub type_instance: Span,
}

impl IdentifierSpans {
    /// The names, borrowed from the datagram that they were decoded from.
    #[inline]
    pub fn of<'a>(&self, datagram: &'a [u8]) -> IdentifierRef<'a> {
        IdentifierRef {
            host: self.host.of(datagram),
            plugin: self.plugin.of(datagram),
            plugin_instance: self.plugin_instance.of(datagram),
            type_name: self.type_name.of(datagram),
            type_instance: self.type_instance.of(datagram),
        }
    }

    /// Bytes of the names of a metric: all but that of the host.
    #[inline]
    pub fn metric_length(&self) -> usize {
        let Self { plugin, plugin_instance, type_name, type_instance, .. } = self;
        plugin.length() + plugin_instance.length() + type_name.length() + type_instance.length()
    }

    /// Which of the parts that may be missing are there, beside this interval.
    #[inline]
    pub(super) fn carried(&self, interval: Interval) -> Carried {
        Carried {
            plugin_instance: !self.plugin_instance.is_empty(),
            type_instance: !self.type_instance.is_empty(),
            interval: !interval.is_none(),
        }
    }
}

/// Where a value list stands in a datagram: 32 bytes, whatever its size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ValueListSpans {
    /// The names.
    pub identifier: IdentifierSpans,
    /// The part that states the time.
    pub(super) time: Span,
    /// The part that states the interval, empty if there is none.
    pub(super) interval: Span,
    /// The values part, header included.
    pub values: Span,
}

impl ValueListSpans {
    /// The value list, borrowed from the datagram that it was decoded from.
    #[inline]
    pub fn of<'a>(&self, datagram: &'a [u8]) -> ValueListRef<'a> {
        ValueListRef {
            identifier: self.identifier.of(datagram),
            time: time_of(self.time.of(datagram)),
            interval: interval_of(self.interval.of(datagram)),
            values: ValuesRef::checked(self.values.of(datagram).get(VALUES_HEADER..).unwrap_or_default()),
        }
    }

    /// Which of the parts that may be missing this value list states with a value.
    #[inline]
    pub fn carried(&self, datagram: &[u8]) -> Carried {
        self.identifier.carried(interval_of(self.interval.of(datagram)))
    }
}

/// A number part taken apart again; an empty one is zero.
fn number_part(bytes: &[u8]) -> (PartType, u64) {
    match bytes.first_chunk::<{ part::NUMBER }>() {
        Some(&[a, b, _, _, ref number @ ..]) => {
            (PartType(u16::from_be_bytes([a, b])), u64::from_be_bytes(*number))
        }
        None => (PartType::TIME_HR, 0),
    }
}

pub(super) fn time_of(bytes: &[u8]) -> Time {
    match number_part(bytes) {
        (PartType::TIME, seconds) => Time::Seconds(seconds),
        (_, units) => Time::HighResolution(units),
    }
}

pub(super) fn interval_of(bytes: &[u8]) -> Interval {
    match number_part(bytes) {
        (PartType::INTERVAL, seconds) => Interval::Seconds(seconds),
        (_, units) => Interval::HighResolution(units),
    }
}

/// Where a notification stands in a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationSpans {
    pub(super) identifier: IdentifierSpans,
    pub(super) time: Span,
    pub(super) severity: Severity,
    pub(super) message: Span,
}

impl NotificationSpans {
    /// The notification, borrowed from the datagram that it was decoded from.
    pub fn of<'a>(&self, datagram: &'a [u8]) -> NotificationRef<'a> {
        NotificationRef {
            identifier: self.identifier.of(datagram),
            time: time_of(self.time.of(datagram)),
            severity: self.severity,
            message: self.message.of(datagram),
        }
    }
}
