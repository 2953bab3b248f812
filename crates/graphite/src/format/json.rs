//! Strict JSON: what is unknown or infinite is null.

use std::io::{self, Write};

use super::Options;
use super::points::Points;

pub(super) fn write(all: &[Points<'_>], options: &Options, to: &mut impl Write) -> io::Result<()> {
    let is_shown = |value: f64| !options.no_null_points || !value.is_nan();
    let shown = all
        .iter()
        .filter(|points| !options.no_null_points || points.iter().any(|(value, _)| is_shown(value)));
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
        for (place, (value, time)) in points.iter().filter(|(value, _)| is_shown(*value)).enumerate() {
            to.write_all(if place > 0 { b",[" } else { b"[" })?;
            number(value, to)?;
            to.write_all(b",")?;
            integer(time, to)?;
            to.write_all(b"]")?;
        }
        to.write_all(b"]}")?;
    }
    to.write_all(b"]")
}

fn string(text: &str, to: &mut impl Write) -> io::Result<()> {
    Ok(serde_json::to_writer(to, text)?)
}

/// The digits of a time, which make half of an answer.
fn integer(number: i64, to: &mut impl Write) -> io::Result<()> {
    let (mut digits, mut first) = ([0; 20], 20);
    let mut rest = number.unsigned_abs();
    while first == 20 || rest > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if number < 0 {
        to.write_all(b"-")?;
    }
    to.write_all(&digits[first..])
}

fn number(value: f64, to: &mut impl Write) -> io::Result<()> {
    if value.is_finite() { Ok(serde_json::to_writer(to, &value)?) } else { to.write_all(b"null") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_digits_of_a_time_are_written() {
        for number in [0, 7, -7, 10, 1_795_289_400, i64::MAX, i64::MIN] {
            let mut digits = Vec::new();
            integer(number, &mut digits).unwrap();
            assert_eq!(digits, number.to_string().as_bytes());
        }
    }
}
