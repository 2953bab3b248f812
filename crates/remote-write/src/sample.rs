//! Values as samples: numbers, times, and what keeps a value list from becoming any.

use coco_core::types_db::{DataSource, TypesDb};
use coco_core::value_kind::ValueKind;
use coco_core::value_list::{Time, Value, ValueListRef};

/// Longest name that collectd takes.
pub const LONGEST_NAME: usize = 127;

/// The NaN that stands for all of them, Go's: those of agents may have the bits by which Prometheus marks the end of a
/// series.
const NAN: u64 = 0x7ff8_0000_0000_0001;

/// Why a value list becomes no samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListDrop {
    /// A name of more than 127 bytes.
    NameTooLong,
    /// Without host, plugin, type or values.
    Incomplete,
    /// A type that is not in types.db.
    UnknownType,
    /// Other than as many values as the type has data sources.
    DataSourceCount,
    /// A gauge where types.db has none, or the other way round.
    KindMismatch,
    /// There was no memory for it.
    Full,
    /// It was on its way when a mistake in the program ended that.
    Panic,
}

impl ListDrop {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NameTooLong,
        Self::Incomplete,
        Self::UnknownType,
        Self::DataSourceCount,
        Self::KindMismatch,
        Self::Full,
        Self::Panic,
    ];

    /// The name in counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameTooLong => "name_too_long",
            Self::Incomplete => "incomplete",
            Self::UnknownType => "unknown_type",
            Self::DataSourceCount => "data_source_count",
            Self::KindMismatch => "kind_mismatch",
            Self::Full => "full",
            Self::Panic => "panic",
        }
    }
}

/// The data sources of a value list, one for each of its values.
pub fn sources<'t>(list: &ValueListRef<'_>, types: &'t TypesDb) -> Result<&'t [DataSource], ListDrop> {
    let identifier = &list.identifier;
    let [plugin, plugin_instance, type_name, type_instance] = identifier.metric_parts();
    let names = [identifier.host, plugin, plugin_instance, type_name, type_instance];
    if names.iter().any(|name| name.len() > LONGEST_NAME) {
        return Err(ListDrop::NameTooLong);
    }
    if [identifier.host, plugin, type_name].iter().any(|name| name.is_empty()) || list.values.is_empty() {
        return Err(ListDrop::Incomplete);
    }
    let sources = types.get(type_name).ok_or(ListDrop::UnknownType)?;
    if sources.len() != list.values.len() {
        return Err(ListDrop::DataSourceCount);
    }
    let is_gauge = |kind| kind == ValueKind::Gauge;
    let fits = |(source, value): (&DataSource, Value)| is_gauge(source.kind) == is_gauge(value.kind());
    if sources.iter().zip(list.values.iter()).all(fits) { Ok(sources) } else { Err(ListDrop::KindMismatch) }
}

/// A value as a number. Its bytes on the wire are read as types.db says.
#[inline]
pub fn number(kind: ValueKind, bytes: [u8; 8]) -> f64 {
    match Value::from_wire(kind, bytes) {
        Value::Gauge(value) if value.is_nan() => f64::from_bits(NAN),
        Value::Gauge(value) => value,
        Value::Derive(value) => value as f64,
        Value::Counter(value) | Value::Absolute(value) => value as f64,
    }
}

/// Milliseconds since the epoch, rounded.
pub fn milliseconds(time: Time) -> i64 {
    let units = time.cdtime();
    let fraction = (units & ((1 << 30) - 1)) * 1000;
    ((units >> 30) * 1000 + ((fraction + (1 << 29)) >> 30)) as i64
}
