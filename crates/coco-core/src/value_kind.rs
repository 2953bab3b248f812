//! The four kinds of data source that collectd knows.

use std::fmt;

/// The kind of a data source, with its code in a values part (collectd's `DS_TYPE_*`, `src/daemon/plugin.h`).
///
/// The code says how a value is written: gauges are little-endian doubles, the other kinds big-endian
/// integers of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValueKind {
    /// An unsigned integer that only grows and wraps at 32 or 64 bits.
    Counter = 0,
    /// A double that is stored as it is.
    Gauge = 1,
    /// A signed integer whose change over time is stored.
    Derive = 2,
    /// An unsigned integer that is reset at each reading.
    Absolute = 3,
}

impl ValueKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Counter, Self::Gauge, Self::Derive, Self::Absolute];

    /// The kind behind a code of a values part; `None` for codes that collectd refuses.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Derive => "derive",
            Self::Absolute => "absolute",
        })
    }
}
