//! Value lists: names, time, interval, and values.
//!
//! Values stay in the bytes that came from the wire, so that what leaves is what came, NaN payloads and
//! integers above 2^53 included. [`ValueListRef`] borrows all of it from a datagram; [`ValueList`] owns it.

use std::fmt;

use crate::value_kind::ValueKind;

/// An instant as the wire states it, in the resolution it was stated in.
///
/// collectd counts time in units of 2^-30 s since the epoch (`cdtime_t`, `src/utils/cdtime/cdtime.h`);
/// collectd 4 sent whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Time {
    /// Seconds since the epoch (part TIME).
    Seconds(u64),
    /// Units of 2^-30 s since the epoch (part TIME_HR).
    HighResolution(u64),
}

/// The time between two readings, as the wire states it.
///
/// The units are those of [`Time`], the parts INTERVAL and INTERVAL_HR. An interval of zero means that the
/// receiver uses its own, as if there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interval {
    /// Whole seconds.
    Seconds(u64),
    /// Units of 2^-30 s.
    HighResolution(u64),
}

/// Seconds to units of 2^-30 s as collectd converts them: modulo 2^64, so that 2^34 seconds are zero.
fn cdtime_from_seconds(seconds: u64) -> u64 {
    seconds << 30
}

impl Time {
    /// No time at all, which is what a datagram starts with. Value lists of this time are dropped by every receiver.
    pub const NONE: Self = Self::HighResolution(0);

    /// Units of 2^-30 s since the epoch, 0 meaning none.
    pub fn cdtime(self) -> u64 {
        match self {
            Self::Seconds(seconds) => cdtime_from_seconds(seconds),
            Self::HighResolution(units) => units,
        }
    }

    /// Whether a receiver reads this as "no time".
    pub fn is_none(self) -> bool {
        self.cdtime() == 0
    }
}

impl Interval {
    /// No interval: the receiver uses its own.
    pub const NONE: Self = Self::HighResolution(0);

    /// Units of 2^-30 s, 0 meaning none.
    pub fn cdtime(self) -> u64 {
        match self {
            Self::Seconds(seconds) => cdtime_from_seconds(seconds),
            Self::HighResolution(units) => units,
        }
    }

    /// Whether a receiver reads this as "no interval".
    pub fn is_none(self) -> bool {
        self.cdtime() == 0
    }
}

/// One value, typed by the kind that the wire gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// See [`ValueKind::Counter`].
    Counter(u64),
    /// See [`ValueKind::Gauge`].
    Gauge(f64),
    /// See [`ValueKind::Derive`].
    Derive(i64),
    /// See [`ValueKind::Absolute`].
    Absolute(u64),
}

impl Value {
    /// The kind of this value.
    pub fn kind(self) -> ValueKind {
        match self {
            Self::Counter(_) => ValueKind::Counter,
            Self::Gauge(_) => ValueKind::Gauge,
            Self::Derive(_) => ValueKind::Derive,
            Self::Absolute(_) => ValueKind::Absolute,
        }
    }

    /// The eight bytes of this value on the wire.
    pub fn to_wire(self) -> [u8; 8] {
        match self {
            Self::Counter(value) | Self::Absolute(value) => value.to_be_bytes(),
            Self::Gauge(value) => value.to_le_bytes(),
            Self::Derive(value) => value.to_be_bytes(),
        }
    }

    /// The value that eight bytes of the wire state.
    pub fn from_wire(kind: ValueKind, bytes: [u8; 8]) -> Self {
        match kind {
            ValueKind::Counter => Self::Counter(u64::from_be_bytes(bytes)),
            ValueKind::Gauge => Self::Gauge(f64::from_le_bytes(bytes)),
            ValueKind::Derive => Self::Derive(i64::from_be_bytes(bytes)),
            ValueKind::Absolute => Self::Absolute(u64::from_be_bytes(bytes)),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) | Self::Absolute(value) => value.fmt(f),
            Self::Gauge(value) => value.fmt(f),
            Self::Derive(value) => value.fmt(f),
        }
    }
}

/// The values of a value list in wire form: one kind a byte, then eight bytes a value.
///
/// The codec hands out none whose length is not a multiple of nine or whose kinds are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValuesRef<'a> {
    bytes: &'a [u8],
}

impl<'a> ValuesRef<'a> {
    /// Takes what follows the count of a values part. `None` unless it is nine bytes for each value, of known
    /// kinds, and not more than a part holds.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let count = bytes.len() / 9;
        let kinds = bytes.get(..count)?;
        (bytes.len() == count * 9 && count <= ValueList::MAX_VALUES && Self::are_kinds(kinds))
            .then_some(Self { bytes })
    }

    /// Whether these are the codes of kinds that collectd knows.
    #[inline]
    pub(crate) fn are_kinds(codes: &[u8]) -> bool {
        codes.iter().all(|&code| ValueKind::from_code(code).is_some())
    }

    /// Takes bytes that [`ValuesRef::new`] has accepted before.
    pub(crate) fn checked(bytes: &'a [u8]) -> Self {
        debug_assert!(Self::new(bytes).is_some());
        Self { bytes }
    }

    /// Kinds, then values, as they stand on the wire.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The number of values.
    pub fn len(self) -> usize {
        self.bytes.len() / 9
    }

    /// Whether there are none. Every receiver drops a value list of no values.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The values, typed.
    pub fn iter(self) -> impl Iterator<Item = Value> + 'a {
        self.raw().filter_map(|(code, bytes)| Some(Value::from_wire(ValueKind::from_code(code)?, bytes)))
    }

    /// Of each value the code of its kind, and its eight bytes as they stand on the wire.
    #[inline]
    pub fn raw(self) -> impl Iterator<Item = (u8, [u8; 8])> + 'a {
        let (codes, values) = self.bytes.split_at(self.len());
        codes.iter().copied().zip(values.as_chunks().0.iter().copied())
    }
}

/// The five names of collectd's identifier, which say who measured what, borrowed.
///
/// Names are bytes; collectd checks neither UTF-8 nor control characters. `host`, `plugin` and `type_name`
/// are never empty in a complete value list, the instances may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct IdentifierRef<'a> {
    /// The agent's name for its machine.
    pub host: &'a [u8],
    /// The plugin that read the values, such as `cpu`.
    pub plugin: &'a [u8],
    /// Which of several, such as the number of a processor; empty for none.
    pub plugin_instance: &'a [u8],
    /// The name of the data set in types.db.
    pub type_name: &'a [u8],
    /// Which of several of this type; empty for none.
    pub type_instance: &'a [u8],
}

impl<'a> IdentifierRef<'a> {
    /// The names below the host, in the order in which they form the metric's name.
    pub fn metric_parts(&self) -> [&'a [u8]; 4] {
        [self.plugin, self.plugin_instance, self.type_name, self.type_instance]
    }

    /// Appends the metric's name: plugin, plugin instance, type and type instance, the non-empty ones joined by `/`.
    pub fn write_metric_name(&self, out: &mut Vec<u8>) {
        write_joined(self.metric_parts(), out);
    }

    /// Appends what a [blacklist](crate::blacklist) is matched against: the host, `/`, the metric's name.
    pub fn write_path(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.host);
        out.push(b'/');
        self.write_metric_name(out);
    }

    /// Copies the names.
    pub fn to_owned(&self) -> Identifier {
        Identifier {
            host: self.host.into(),
            plugin: self.plugin.into(),
            plugin_instance: self.plugin_instance.into(),
            type_name: self.type_name.into(),
            type_instance: self.type_instance.into(),
        }
    }
}

/// Appends the non-empty parts joined by `/`.
pub fn write_joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (i, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
        if i > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
}

/// A value list, borrowed from a datagram or from a [`ValueList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueListRef<'a> {
    /// The names of host and metric.
    pub identifier: IdentifierRef<'a>,
    /// When the values were read.
    pub time: Time,
    /// The time between two of them, [`Interval::NONE`] if the sender did not say.
    pub interval: Interval,
    /// The values.
    pub values: ValuesRef<'a>,
}

impl ValueListRef<'_> {
    /// Copies the whole value list.
    pub fn to_owned(&self) -> ValueList {
        ValueList {
            identifier: self.identifier.to_owned(),
            time: self.time,
            interval: self.interval,
            values: self.values.bytes.into(),
        }
    }
}

/// An [`IdentifierRef`] that owns its names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the fields are those of IdentifierRef")]
pub struct Identifier {
    pub host: Vec<u8>,
    pub plugin: Vec<u8>,
    pub plugin_instance: Vec<u8>,
    pub type_name: Vec<u8>,
    pub type_instance: Vec<u8>,
}

impl Identifier {
    /// The names, borrowed.
    pub fn as_ref(&self) -> IdentifierRef<'_> {
        IdentifierRef {
            host: &self.host,
            plugin: &self.plugin,
            plugin_instance: &self.plugin_instance,
            type_name: &self.type_name,
            type_instance: &self.type_instance,
        }
    }
}

/// A value list that owns its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueList {
    /// The names of host and metric.
    pub identifier: Identifier,
    /// When the values were read.
    pub time: Time,
    /// The time between two of them, [`Interval::NONE`] if the sender did not say.
    pub interval: Interval,
    values: Vec<u8>,
}

impl ValueList {
    /// The most values that a part of 65,535 bytes holds behind its header, each with its kind.
    pub const MAX_VALUES: usize = 7281;

    /// A value list of these values.
    ///
    /// # Panics
    ///
    /// Of more than [`MAX_VALUES`](Self::MAX_VALUES) values.
    pub fn new(identifier: Identifier, time: Time, interval: Interval, values: &[Value]) -> Self {
        assert!(values.len() <= Self::MAX_VALUES, "no part holds {} values", values.len());
        let kinds = values.iter().map(|value| value.kind() as u8);
        let words = values.iter().flat_map(|value| value.to_wire());
        Self { identifier, time, interval, values: kinds.chain(words).collect() }
    }

    /// The whole, borrowed.
    pub fn as_ref(&self) -> ValueListRef<'_> {
        ValueListRef {
            identifier: self.identifier.as_ref(),
            time: self.time,
            interval: self.interval,
            values: ValuesRef { bytes: &self.values },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_name_leaves_out_what_is_empty() {
        let name = |plugin: &'static str,
                    plugin_instance: &'static str,
                    type_name: &'static str,
                    type_instance: &'static str| {
            let mut out = Vec::new();
            IdentifierRef {
                host: b"h",
                plugin: plugin.as_bytes(),
                plugin_instance: plugin_instance.as_bytes(),
                type_name: type_name.as_bytes(),
                type_instance: type_instance.as_bytes(),
            }
            .write_path(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(name("irq", "", "irq", "7"), "h/irq/irq/7");
        assert_eq!(name("cpu", "0", "cpu", "idle"), "h/cpu/0/cpu/idle");
        assert_eq!(name("load", "", "load", ""), "h/load/load");
    }

    #[test]
    fn values_keep_every_bit() {
        let nan = f64::from_bits(0x7ff8_0000_0000_1234);
        let values = [
            Value::Counter(u64::MAX),
            Value::Gauge(nan),
            Value::Derive(i64::MIN),
            Value::Absolute((1 << 53) + 1),
        ];
        let list = ValueList::new(Identifier::default(), Time::NONE, Interval::NONE, &values);
        let back: Vec<_> = list.as_ref().values.iter().map(|value| (value.kind(), value.to_wire())).collect();
        assert_eq!(back, values.map(|value| (value.kind(), value.to_wire())));
    }

    #[test]
    fn values_are_checked() {
        assert!(ValuesRef::new(&[]).is_some_and(ValuesRef::is_empty));
        assert!(ValuesRef::new(&[3, 0, 0, 0, 0, 0, 0, 0, 0]).is_some());
        assert!(ValuesRef::new(&[4, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(ValuesRef::new(&[1, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(ValuesRef::new(&[0; 9 * ValueList::MAX_VALUES]).is_some());
        assert!(ValuesRef::new(&[0; 9 * (ValueList::MAX_VALUES + 1)]).is_none());
    }

    #[test]
    fn seconds_wrap_to_no_time_as_in_collectd() {
        assert!(Time::Seconds(1 << 34).is_none());
        assert_eq!(Time::Seconds(10).cdtime(), 10 << 30);
        assert!(Interval::Seconds(0).is_none());
    }
}
