//! Problems of a `types.db`.

use std::fmt;

use thiserror::Error;

use super::line::{MAX_DATA_SOURCES, MAX_LINE, MAX_NAME};
use crate::text::Quoted;

/// Something in a `types.db` that its author can't have meant.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("line {line}: {reason}")]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The problem, and the consequence.
    pub reason: Reason,
}

/// The problem with a line, and the consequence, which is collectd's, with or without a word of its own.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Reason {
    /// More than 4,094 bytes.
    #[error("has {length} bytes, and collectd reads {MAX_LINE}: skipped")]
    LongLine {
        /// Bytes of the line.
        length: usize,
    },
    /// A type alone.
    #[error("type {type_name} has no data source, expected \"name:kind:min:max\" behind it: skipped")]
    NoDataSource {
        /// The type.
        type_name: Name,
    },
    /// A data source that does not consist of four fields; two that no blank parts are taken for one.
    #[error("data source {data_source} has {fields} fields, expected \"name:kind:min:max\": skipped")]
    FieldCount {
        /// The data source as it is written.
        data_source: Name,
        /// Fields that are not empty.
        fields: usize,
    },
    /// A kind that there is not.
    #[error("{kind} is no kind, expected COUNTER, GAUGE, DERIVE or ABSOLUTE: skipped")]
    UnknownKind {
        /// The text in its place.
        kind: Name,
    },
    /// A bound of which only the beginning is a decimal number, or nothing.
    #[error("{bound} is no bound, expected a number or U: read as {read_as}")]
    OddBound {
        /// The bound as it is written.
        bound: Name,
        /// The number at its beginning; 0 if there is none.
        read_as: f64,
    },
    /// More than 63 data sources.
    #[error("has {given} data sources, and collectd keeps {MAX_DATA_SOURCES}: those behind are ignored")]
    TooManyDataSources {
        /// Their number.
        given: usize,
    },
    /// A name of more than 127 bytes, of the type or of a data source.
    #[error("{name} is longer than the {MAX_NAME} bytes that collectd keeps of a name: cut")]
    LongName {
        /// The name as it is written.
        name: Name,
    },
    /// A type that stood in the same file before. In another file it is taken for intended.
    #[error("type {type_name} was defined in line {before} already: replaced")]
    Redefined {
        /// The type.
        type_name: Name,
        /// The line that no longer counts.
        before: usize,
    },
}

/// Bytes of a file, displayed in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub Vec<u8>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quoted(&self.0).fmt(f)
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}
