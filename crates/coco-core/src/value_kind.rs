//! The four kinds of a value.

use std::fmt;

/// The kind of a data source, and with it the type of its values.
///
/// The discriminants are the codes of the wire (`DS_TYPE_*` of collectd's `plugin.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ValueKind {
    /// A count that only grows and wraps at 32 or 64 bits: 64 bits, unsigned.
    Counter = 0,
    /// A reading that stands for itself: a double.
    Gauge = 1,
    /// A count that may fall too: 64 bits, signed.
    Derive = 2,
    /// A count since it was last read: 64 bits, unsigned.
    Absolute = 3,
}

impl ValueKind {
    /// Every kind, in the order of the codes.
    pub const ALL: [Self; 4] = [Self::Counter, Self::Gauge, Self::Derive, Self::Absolute];

    /// The kind behind a code of a values part; `None` for codes that collectd refuses.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in lower case, as `types.db` spells it in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Derive => "derive",
            Self::Absolute => "absolute",
        }
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ValueKind;

    #[test]
    fn codes_and_names_are_collectds() {
        let table = ValueKind::ALL.map(|kind| (kind as u8, kind.to_string()));
        let expected = [(0, "counter"), (1, "gauge"), (2, "derive"), (3, "absolute")];
        assert_eq!(table, expected.map(|(code, name)| (code, name.to_owned())));
    }
}
