//! The time that a request is about.

use jiff::tz::TimeZone;

use super::reference::time;
use crate::error::Error;

/// Seconds since 1970: rows after `from` up to `until` are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Its rows are later.
    pub from: i64,
    /// The last row is not later.
    pub until: i64,
}

impl Window {
    /// By the texts of a request. They are the last day if they are missing; the earlier one is where it begins.
    ///
    /// ```
    /// use graphite::{Error, TimeZone, Window};
    ///
    /// let window = |from, until| Window::of(from, until, 1_795_289_400, &TimeZone::UTC);
    /// assert_eq!(window(None, None).unwrap().from, 1_795_203_000);
    /// assert_eq!(window(Some("now"), Some("-1h")), window(Some("-1h"), Some("now")));
    /// assert_eq!(window(Some("now"), Some("now")), Err(Error::EmptyRange));
    /// ```
    pub fn of(from: Option<&str>, until: Option<&str>, now: i64, zone: &TimeZone) -> Result<Self, Error> {
        let until = until.map_or(Ok(now), |text| time(text, now, zone))?;
        let from = time(from.unwrap_or("-1d"), now, zone)?;
        if from == until {
            return Err(Error::EmptyRange);
        }
        Ok(Self { from: from.min(until), until: from.max(until) })
    }

    /// The same, so many seconds later.
    pub(crate) fn moved(self, seconds: i64) -> Self {
        Self { from: self.from.saturating_add(seconds), until: self.until.saturating_add(seconds) }
    }

    /// The same, beginning so many seconds earlier.
    pub(crate) fn starting_earlier(self, seconds: i64) -> Self {
        Self { from: self.from.saturating_sub(seconds), ..self }
    }
}
