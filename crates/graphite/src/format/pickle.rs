//! Python's pickle, protocol 2. It is written only: reading it would run what a stranger wrote.
//!
//! ```text
//! 80 02 value 2e                                   the protocol, one value, the end
//! 4e | 4a i32 LE | 8a 08 i64 LE | 47 f64 BE        None, integers, a float
//! 88 | 89                                          true, false
//! 58 u32 LE bytes                                  text
//! 5d 28 values 65                                  a list
//! 7d 28 key value ... 75                           a map
//! ```

use std::io::{self, Write};

use crate::series::TimeSeries;

/// Series as graphite-web wants them of a cluster server.
pub(super) fn write(all: &[TimeSeries], to: &mut impl Write) -> io::Result<()> {
    to.write_all(b"\x80\x02](")?;
    for series in all {
        to.write_all(b"}(")?;
        for (key, value) in [("name", &series.name), ("pathExpression", &series.path_expression)] {
            text(key, to)?;
            text(value, to)?;
        }
        for (key, value) in
            [("start", series.start), ("end", series.end), ("step", series.step), ("valuesPerPoint", 1)]
        {
            text(key, to)?;
            integer(value, to)?;
        }
        text("consolidationFunc", to)?;
        text(series.consolidation.name(), to)?;
        text("xFilesFactor", to)?;
        float(series.x_files_factor, to)?;
        text("values", to)?;
        to.write_all(b"](")?;
        series.values().iter().try_for_each(|value| float(*value, to))?;
        to.write_all(b"eu")?;
    }
    to.write_all(b"e.")
}

/// Paths, and whether each is a series, as graphite-web wants them.
pub(super) fn write_found<'a>(
    found: impl Iterator<Item = (&'a str, bool)>,
    to: &mut impl Write,
) -> io::Result<()> {
    to.write_all(b"\x80\x02](")?;
    for (path, is_leaf) in found {
        to.write_all(b"}(")?;
        text("path", to)?;
        text(path, to)?;
        text("is_leaf", to)?;
        to.write_all(if is_leaf { b"\x88u" } else { b"\x89u" })?;
    }
    to.write_all(b"e.")
}

fn text(text: &str, to: &mut impl Write) -> io::Result<()> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    to.write_all(b"X")?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&text.as_bytes()[..length as usize])
}

fn integer(number: i64, to: &mut impl Write) -> io::Result<()> {
    match i32::try_from(number) {
        Ok(small) => {
            to.write_all(b"J")?;
            to.write_all(&small.to_le_bytes())
        }
        Err(_) => {
            to.write_all(b"\x8a\x08")?;
            to.write_all(&number.to_le_bytes())
        }
    }
}

fn float(number: f64, to: &mut impl Write) -> io::Result<()> {
    if number.is_nan() {
        return to.write_all(b"N");
    }
    to.write_all(b"G")?;
    to.write_all(&number.to_be_bytes())
}
