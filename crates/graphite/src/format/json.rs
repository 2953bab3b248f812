//! Strict JSON: what is unknown or infinite is null.

use std::io::{self, Write};

use super::Options;
use super::points::Points;

/// So many bytes of points are written at a time.
const PIECE: usize = 16 << 10;

/// A point takes no more.
const LONGEST_POINT: usize = 64;

pub(super) fn write(all: &[Points<'_>], options: &Options, to: &mut impl Write) -> io::Result<()> {
    let is_shown = |value: f64| !options.no_null_points || !value.is_nan();
    let shown = all
        .iter()
        .filter(|points| !options.no_null_points || points.iter().any(|(value, _)| is_shown(value)));
    let (mut piece, mut time_text) = (Vec::with_capacity(PIECE + LONGEST_POINT), TimeText::default());
    to.write_all(b"[")?;
    for (place, points) in shown.enumerate() {
        to.write_all(if place > 0 { b",{\"target\":" } else { b"{\"target\":" })?;
        string(&points.series.name, to)?;
        to.write_all(b",\"tags\":{")?;
        for (place, (tag, value)) in points.series.tags.iter().enumerate() {
            if place > 0 {
                to.write_all(b",")?;
            }
            string(tag, to)?;
            to.write_all(b":")?;
            string(value, to)?;
        }
        to.write_all(b"},\"datapoints\":[")?;
        let shown = points.iter().filter(|(value, _)| is_shown(*value));
        write_points(shown, &mut piece, &mut time_text, to)?;
        to.write_all(b"]}")?;
    }
    to.write_all(b"]")
}

fn string(text: &str, to: &mut impl Write) -> io::Result<()> {
    Ok(serde_json::to_writer(to, text)?)
}

/// Points are most of an answer, so they are put together before they are written.
fn write_points(
    points: impl Iterator<Item = (f64, i64)>,
    piece: &mut Vec<u8>,
    time_text: &mut TimeText,
    to: &mut impl Write,
) -> io::Result<()> {
    piece.clear();
    for (place, (value, time)) in points.enumerate() {
        if piece.len() > PIECE {
            to.write_all(piece)?;
            piece.clear();
        }
        piece.extend_from_slice(if place > 0 { b",[" } else { b"[" });
        if value.is_finite() {
            serde_json::to_writer(&mut *piece, &value)?;
        } else {
            piece.extend_from_slice(b"null");
        }
        piece.push(b',');
        time_text.write(time, piece);
        piece.push(b']');
    }
    to.write_all(piece)
}

/// Times as text: from one to the next, the last digits change.
#[derive(Debug, Default)]
struct TimeText {
    /// The time without its last four digits.
    front: i64,
    /// That as text.
    text: Vec<u8>,
}

impl TimeText {
    fn write(&mut self, time: i64, to: &mut Vec<u8>) {
        let (front, back) = (time / 10_000, time % 10_000);
        // 1970 and before.
        if front <= 0 {
            to.extend_from_slice(time.to_string().as_bytes());
            return;
        }
        if front != self.front {
            (self.front, self.text) = (front, front.to_string().into_bytes());
        }
        to.extend_from_slice(&self.text);
        // The remainder of a division by 10,000.
        let digit = |power: i64| b'0' + (back / power % 10) as u8;
        to.extend_from_slice(&[digit(1000), digit(100), digit(10), digit(1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_digits_of_a_time_are_written() {
        let mut time_text = TimeText::default();
        let times =
            [0, 7, -7, 10, 9_999, 10_000, 1_795_289_400, 1_795_289_401, 1_795_290_000, i64::MAX, i64::MIN];
        for time in times {
            let mut digits = Vec::new();
            time_text.write(time, &mut digits);
            assert_eq!(digits, time.to_string().as_bytes());
        }
    }
}
