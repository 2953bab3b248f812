//! Sizes in bytes: a number, alone or with a binary unit, such as `16MiB`.

use thiserror::Error;

/// The units, largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// No whole number at the start.
    #[error("no whole number")]
    NotANumber,
    /// A unit not known here; `MB` and `M` mean a million to some and 1,048,576 to others.
    #[error("unknown unit `{0}`: B, KiB, MiB or GiB")]
    UnknownUnit(String),
    /// More bytes than 64 bits count.
    #[error("too large")]
    TooLarge,
}

/// Reads a size.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(SizeError::NotANumber);
    }
    let unit = unit.trim_start();
    let scale = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, scale)) => *scale,
        None if unit.is_empty() => 1,
        None => return Err(SizeError::UnknownUnit(unit.to_owned())),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale))
        .ok_or(SizeError::TooLarge)
}

/// Writes a size so that [`parse`] reads the same one, in the largest unit that needs no fraction; single bytes
/// without a unit.
pub fn format(bytes: u64) -> String {
    match UNITS
        .iter()
        .find(|(_, scale)| *scale > 1 && bytes >= *scale && bytes % scale == 0)
    {
        Some((unit, scale)) => format!("{}{unit}", bytes / scale),
        None => bytes.to_string(),
    }
}
