//! MessagePack.

use crate::series::TimeSeries;

/// Series as graphite-web wants them of a cluster server.
pub(super) fn write(all: &[TimeSeries], to: &mut Vec<u8>) {
    length(all.len(), 0x90, [0xdc, 0xdd], to);
    for series in all {
        length(9, 0x80, [0xde, 0xdf], to);
        for (key, value) in [
            ("name", series.name.as_str()),
            ("pathExpression", &series.path_expression),
            ("consolidationFunc", series.consolidation.name()),
        ] {
            text(key, to);
            text(value, to);
        }
        for (key, value) in
            [("start", series.start), ("end", series.end), ("step", series.step), ("valuesPerPoint", 1)]
        {
            text(key, to);
            to.push(0xd3);
            to.extend_from_slice(&value.to_be_bytes());
        }
        text("xFilesFactor", to);
        float(series.x_files_factor, to);
        text("values", to);
        length(series.values().len(), 0x90, [0xdc, 0xdd], to);
        series.values().iter().for_each(|value| float(*value, to));
    }
}

/// The head of a list or map: in one byte, or behind one of two marks.
fn length(count: usize, small: u8, [middle, large]: [u8; 2], to: &mut Vec<u8>) {
    if let Some(count) = u8::try_from(count).ok().filter(|count| *count < 16) {
        to.push(small | count);
    } else if let Ok(count) = u16::try_from(count) {
        to.push(middle);
        to.extend_from_slice(&count.to_be_bytes());
    } else {
        to.push(large);
        to.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }
}

fn text(text: &str, to: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..32), _) => to.push(0xa0 | length),
        (Ok(length), _) => to.extend_from_slice(&[0xd9, length]),
        (_, Ok(length)) => {
            to.push(0xda);
            to.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            to.push(0xdb);
            to.extend_from_slice(&length.to_be_bytes());
        }
    }
    to.extend_from_slice(&text.as_bytes()[..length as usize]);
}

fn float(number: f64, to: &mut Vec<u8>) {
    if number.is_nan() {
        return to.push(0xc0);
    }
    to.push(0xcb);
    to.extend_from_slice(&number.to_be_bytes());
}
