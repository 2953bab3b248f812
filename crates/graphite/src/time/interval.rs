//! Lengths of time: `-1h`, `5min`, `1d12h`.

use crate::error::Error;

/// Seconds of a length of time, with its sign; none at all is 0.
///
/// Units go by how they begin: s, min, h, d, w, mon (30 days), y (365 days). Several may follow one another.
///
/// ```
/// assert_eq!(graphite::interval("-1h30min"), Ok(-5400));
/// assert_eq!(graphite::interval("2weeks"), Ok(1_209_600));
/// assert!(graphite::interval("5m").is_err());
/// ```
pub fn interval(text: &str) -> Result<i64, Error> {
    let wrong = |reason| Error::Time { text: text.to_owned(), reason };
    let (sign, mut rest) = match text.as_bytes().first() {
        None => return Ok(0),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(b'0'..=b'9') => (1, text),
        Some(_) => return Err(wrong("expected a number")),
    };
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let (digits, behind) = split_where(rest, |character| !character.is_ascii_digit());
        let (letters, behind) = split_where(behind, |character| !character.is_alphabetic());
        let number: i64 = digits.parse().map_err(|_| wrong("expected a number"))?;
        let unit = unit(letters).ok_or_else(|| wrong("expected a unit: s, min, h, d, w, mon or y"))?;
        let more = number.checked_mul(unit).and_then(|more| seconds.checked_add(more));
        // Nobody's data is older, and everything below can be added up without a thought.
        seconds = more.filter(|seconds| *seconds < 1 << 40).ok_or_else(|| wrong("too long"))?;
        rest = behind;
    }
    Ok(sign * seconds)
}

/// Seconds of a unit.
pub(crate) fn unit(name: &str) -> Option<i64> {
    const DAY: i64 = 86_400;
    let units = [
        ("s", 1),
        ("min", 60),
        ("h", 3_600),
        ("d", DAY),
        ("w", 7 * DAY),
        ("mon", 30 * DAY),
        ("y", 365 * DAY),
    ];
    units.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, seconds)| *seconds)
}

fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_by_graphite() {
        for (text, expected) in [
            ("", Some(0)),
            ("1h", Some(3_600)),
            ("+1mon", Some(2_592_000)),
            ("-1y", Some(-31_536_000)),
            ("90seconds", Some(90)),
            ("1d12h", Some(129_600)),
            ("1m", None),
            ("h", None),
            ("1", None),
            ("5-3h", None),
            ("x", None),
            ("99999999999999999999s", None),
            ("999999999y", None),
        ] {
            assert_eq!(interval(text).ok(), expected, "{text}");
        }
    }
}
