//! Durations as Go writes them, because the files in the field were written for a daemon in Go: `3s`, `500ms`,
//! `1m30s`, `1.5h`.
//!
//! The grammar is that of [`time.ParseDuration`](https://pkg.go.dev/time#ParseDuration): numbers, each with an
//! optional fraction and a unit (`ns`, `us` or `µs`, `ms`, `s`, `m`, `h`), one after another; `0` needs no unit.
//! A duration below zero has no use here and is refused.

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Nothing, or a sign alone.
    #[error("empty")]
    Empty,
    /// Something other than a number where a number belongs.
    #[error("no number at `{0}`")]
    NotANumber(String),
    /// A number without a unit.
    #[error("missing unit: ns, us, ms, s, m or h")]
    MissingUnit,
    /// A unit that Go doesn't have, a day for instance.
    #[error("unknown unit `{0}`: ns, us, ms, s, m or h")]
    UnknownUnit(String),
    /// Below zero.
    #[error("negative")]
    Negative,
    /// More than the 2^63-1 ns (292 years) that Go holds.
    #[error("too long")]
    TooLong,
}

/// Reads a duration. Fractions finer than a nanosecond are cut off, as Go does.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.is_empty() {
        return Err(DurationError::Empty);
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanoseconds: u64 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (term, behind) = term(rest)?;
        nanoseconds = nanoseconds
            .checked_add(term)
            .filter(|sum| i64::try_from(*sum).is_ok())
            .ok_or(DurationError::TooLong)?;
        rest = behind;
    }
    if text.starts_with('-') && nanoseconds > 0 {
        return Err(DurationError::Negative);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Writes a duration so that [`parse`] reads the same one: `1m30s`, `1.5s`, `2µs`, `0s`. Parts that are 0 are left
/// out, so a day is `24h` and not Go's `24h0m0s`.
pub fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let below_a_second = |unit, digits| decimal(nanoseconds, digits) + unit;
    match nanoseconds {
        0 => return "0s".to_owned(),
        1..1_000 => return below_a_second("ns", 0),
        1_000..1_000_000 => return below_a_second("µs", 3),
        1_000_000..1_000_000_000 => return below_a_second("ms", 6),
        _ => {}
    }
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = u128::from(seconds % 60) * 1_000_000_000 + u128::from(duration.subsec_nanos());
    let mut text = String::new();
    for (part, unit) in [(hours, "h"), (minutes, "m")] {
        if part > 0 {
            text += &part.to_string();
            text += unit;
        }
    }
    if rest > 0 {
        text += &decimal(rest, 9);
        text += "s";
    }
    text
}

/// The first number with its unit, in nanoseconds, and what follows.
fn term(text: &str) -> Result<(u64, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::NotANumber(text.to_owned()));
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let scale: u64 = match unit {
        "" => return Err(DurationError::MissingUnit),
        "ns" => 1,
        // The micro sign and the Greek mu look the same; Go takes both.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::UnknownUnit(unit.to_owned())),
    };
    let whole = match whole {
        "" => Some(0),
        _ => whole.parse::<u64>().ok(),
    };
    let nanoseconds = whole
        .and_then(|whole| whole.checked_mul(scale))
        .ok_or(DurationError::TooLong)?;
    // 19 digits of a fraction of the longest unit fit in 128 bits; what is behind them is below a nanosecond.
    let fraction = &fraction[..fraction.len().min(19)];
    let mut part: u128 = 0;
    for digit in fraction.bytes() {
        part = part * 10 + u128::from(digit - b'0');
    }
    let part = part * u128::from(scale) / 10u128.pow(fraction.len() as u32);
    let part = u64::try_from(part).map_err(|_| DurationError::TooLong)?;
    Ok((nanoseconds.checked_add(part).ok_or(DurationError::TooLong)?, rest))
}

/// Splits leading ASCII digits off.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `number` with its last `places` digits behind the point, without zeros at the end.
fn decimal(number: u128, places: u32) -> String {
    let unit = 10u128.pow(places);
    let (whole, fraction) = (number / unit, number % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = format!("{fraction:0places$}", places = places as usize);
    format!("{whole}.{}", digits.trim_end_matches('0'))
}
