//! MessagePack.

use std::io::{self, Write};

use crate::series::TimeSeries;

/// Series as graphite-web wants them of a cluster server.
pub(super) fn write(all: &[TimeSeries], to: &mut impl Write) -> io::Result<()> {
    length(all.len(), 0x90, [0xdc, 0xdd], to)?;
    for series in all {
        length(9, 0x80, [0xde, 0xdf], to)?;
        for (key, value) in [
            ("name", series.name.as_str()),
            ("pathExpression", &series.path_expression),
            ("consolidationFunc", series.consolidation.name()),
        ] {
            text(key, to)?;
            text(value, to)?;
        }
        for (key, value) in
            [("start", series.start), ("end", series.end), ("step", series.step), ("valuesPerPoint", 1)]
        {
            text(key, to)?;
            to.write_all(&[0xd3])?;
            to.write_all(&value.to_be_bytes())?;
        }
        text("xFilesFactor", to)?;
        float(series.x_files_factor, to)?;
        text("values", to)?;
        length(series.values().len(), 0x90, [0xdc, 0xdd], to)?;
        series.values().iter().try_for_each(|value| float(*value, to))?;
    }
    Ok(())
}

/// Paths, and whether each is a series, as graphite-web wants them.
pub(super) fn write_found<'a>(
    found: impl ExactSizeIterator<Item = (&'a str, bool)>,
    to: &mut impl Write,
) -> io::Result<()> {
    length(found.len(), 0x90, [0xdc, 0xdd], to)?;
    for (path, is_leaf) in found {
        length(2, 0x80, [0xde, 0xdf], to)?;
        text("path", to)?;
        text(path, to)?;
        text("is_leaf", to)?;
        to.write_all(&[if is_leaf { 0xc3 } else { 0xc2 }])?;
    }
    Ok(())
}

/// The head of a list or map: in one byte, or behind one of two marks.
fn length(count: usize, small: u8, [middle, large]: [u8; 2], to: &mut impl Write) -> io::Result<()> {
    if let Some(count) = u8::try_from(count).ok().filter(|count| *count < 16) {
        to.write_all(&[small | count])?;
    } else if let Ok(count) = u16::try_from(count) {
        to.write_all(&[middle])?;
        to.write_all(&count.to_be_bytes())?;
    } else {
        to.write_all(&[large])?;
        to.write_all(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes())?;
    }
    Ok(())
}

fn text(text: &str, to: &mut impl Write) -> io::Result<()> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..32), _) => to.write_all(&[0xa0 | length])?,
        (Ok(length), _) => to.write_all(&[0xd9, length])?,
        (_, Ok(length)) => {
            to.write_all(&[0xda])?;
            to.write_all(&length.to_be_bytes())?;
        }
        _ => {
            to.write_all(&[0xdb])?;
            to.write_all(&length.to_be_bytes())?;
        }
    }
    to.write_all(&text.as_bytes()[..length as usize])
}

fn float(number: f64, to: &mut impl Write) -> io::Result<()> {
    if number.is_nan() {
        return to.write_all(&[0xc0]);
    }
    to.write_all(&[0xcb])?;
    to.write_all(&number.to_be_bytes())
}
