//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock, in Unix seconds.
pub type Clock = fn() -> u32;

/// Now in Unix seconds: the first or the last that there are, if the clock is beyond.
pub fn unix_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(since).unwrap_or(u32::MAX)
}
