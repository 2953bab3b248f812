//! One line of a `types.db`, with collectd's limits.

use super::{DataSource, Reason};
use crate::value_kind::ValueKind;

/// Longest line that collectd reads, its line feed included.
pub(super) const MAX_LINE: usize = 4094;
/// Most data sources that collectd keeps of one type.
pub(super) const MAX_DATA_SOURCES: usize = 63;
/// Longest name that collectd keeps; `DATA_MAX_NAME_LEN` counts the NUL as well.
pub(super) const MAX_NAME: usize = 127;

/// A type and its data sources, of which there is at least one.
pub(super) struct Line<'a> {
    pub(super) type_name: &'a [u8],
    pub(super) data_sources: Vec<DataSource>,
}

impl<'a> Line<'a> {
    /// The type that a line defines; none if it is blank or a comment. `Err` says why the line is skipped,
    /// `oddities` what is odd about one that is kept.
    pub(super) fn parse(line: &'a [u8], oddities: &mut Vec<Reason>) -> Result<Option<Self>, Reason> {
        let mut fields = line
            .split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            .filter(|field| !field.is_empty());
        let type_name = match fields.next() {
            Some(field) if !field.starts_with(b"#") => field,
            _ => return Ok(None),
        };
        if line.len() > MAX_LINE {
            return Err(Reason::LongLine { length: line.len() });
        }
        let written: Vec<&[u8]> = fields.collect();
        if written.is_empty() {
            return Err(Reason::NoDataSource {
                type_name: type_name.into(),
            });
        }
        if written.len() > MAX_DATA_SOURCES {
            oddities.push(Reason::TooManyDataSources { given: written.len() });
        }
        let type_name = cut_name(type_name, oddities);
        let kept = written.into_iter().take(MAX_DATA_SOURCES);
        let data_sources = kept
            .map(|field| parse_data_source(field, oddities))
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            type_name,
            data_sources,
        }))
    }
}

fn parse_data_source(field: &[u8], oddities: &mut Vec<Reason>) -> Result<DataSource, Reason> {
    let written = field.strip_suffix(b",").unwrap_or(field);
    // Colons in a row count as one, as for strtok(3).
    let fields: Vec<&[u8]> = written
        .split(|&byte| byte == b':')
        .filter(|field| !field.is_empty())
        .collect();
    let &[name, kind, min, max] = fields.as_slice() else {
        return Err(Reason::FieldCount {
            data_source: written.into(),
            fields: fields.len(),
        });
    };
    let known = ValueKind::ALL
        .into_iter()
        .find(|known| kind.eq_ignore_ascii_case(known.name().as_bytes()));
    Ok(DataSource {
        name: cut_name(name, oddities).to_vec(),
        kind: known.ok_or_else(|| Reason::UnknownKind { kind: kind.into() })?,
        min: parse_bound(min, oddities),
        max: parse_bound(max, oddities),
    })
}

fn cut_name<'a>(name: &'a [u8], oddities: &mut Vec<Reason>) -> &'a [u8] {
    match name.get(..MAX_NAME) {
        Some(cut) if cut.len() < name.len() => {
            oddities.push(Reason::LongName { name: name.into() });
            cut
        }
        _ => name,
    }
}

/// `U` or a number, which may be infinite; NaN is what collectd makes of `U`.
fn parse_bound(bound: &[u8], oddities: &mut Vec<Reason>) -> Option<f64> {
    let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<f64>().ok();
    if bound.eq_ignore_ascii_case(b"U") {
        return None;
    }
    let value = number(bound).unwrap_or_else(|| {
        // As atof(3): the longest beginning that is a number.
        let beginning = (1..bound.len()).rev().find_map(|end| number(&bound[..end]));
        let read_as = beginning.unwrap_or(0.0);
        oddities.push(Reason::OddBound {
            bound: bound.into(),
            read_as,
        });
        read_as
    });
    (!value.is_nan()).then_some(value)
}
