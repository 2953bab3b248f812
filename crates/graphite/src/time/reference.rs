//! Points in time: `now-1h`, `noon yesterday`, `04:00_20261128`, seconds since 1970.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::interval::interval;
use crate::error::Error;

/// Seconds since 1970 of a time text.
///
/// ```
/// use graphite::TimeZone;
///
/// let now = 1_795_289_400; // 2026-11-21 19:30:00 UTC, a Saturday
/// let time = |text| graphite::time(text, now, &TimeZone::UTC);
/// assert_eq!(time("-1h"), Ok(now - 3600));
/// assert_eq!(time("1795289400"), Ok(now));
/// assert_eq!(time("04:00_20261121"), Ok(1_795_233_600));
/// assert_eq!(time("noon+1h"), time("1pm"));
/// assert_eq!(time("monday"), time("20261116"));
/// assert!(time("tomorrowish").is_err());
/// ```
pub fn time(text: &str, now: i64, zone: &TimeZone) -> Result<i64, Error> {
    let wrong = |reason| Error::Time { text: text.to_owned(), reason };
    let is_noise = |character: char| character.is_whitespace() || matches!(character, '_' | ',');
    let plain: String = text.to_lowercase().chars().filter(|character| !is_noise(*character)).collect();
    if !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit()) && !is_date(&plain) {
        let seconds = plain.parse().ok().filter(|seconds| *seconds < 1 << 40);
        return seconds.ok_or_else(|| wrong("too far away"));
    }
    let (reference, offset) =
        plain.split_at(plain.find('+').or_else(|| plain.find('-')).unwrap_or(plain.len()));
    let reference = Reference { now, zone }.read(reference).map_err(wrong)?;
    let offset = interval(offset).map_err(|error| match error {
        Error::Time { reason, .. } => wrong(reason),
        other => other,
    })?;
    Ok(reference + offset)
}

/// Whether eight digits are a date, and not seconds of 1970.
fn is_date(digits: &str) -> bool {
    let number = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok());
    digits.len() == 8
        && number(0..4).is_some_and(|year| year > 1900)
        && number(4..6).is_some_and(|month| month < 13)
        && number(6..8).is_some_and(|day| day < 32)
}

/// What references are relative to.
struct Reference<'a> {
    now: i64,
    zone: &'a TimeZone,
}

type Wrong = &'static str;

impl Reference<'_> {
    fn read(&self, text: &str) -> Result<i64, Wrong> {
        if text.is_empty() || text == "now" {
            return Ok(self.now);
        }
        let today = local(self.now, self.zone).ok_or("too far away")?.date();
        let (time, day) = time_of_day(text)?;
        let day = day_of(day, today)?;
        seconds_of(DateTime::from_parts(day, time), self.zone).ok_or("too far away")
    }
}

/// What clocks and calendars of the zone show.
pub(crate) fn local(seconds: i64, zone: &TimeZone) -> Option<DateTime> {
    Timestamp::from_second(seconds).ok().map(|exact| zone.to_datetime(exact))
}

/// When clocks and calendars of the zone show that. Of two such times, or none, that of standard time.
pub(crate) fn seconds_of(shown: DateTime, zone: &TimeZone) -> Option<i64> {
    zone.to_ambiguous_timestamp(shown).later().ok().map(Timestamp::as_second)
}

/// Takes a time of day from the beginning; midnight if there is none.
fn time_of_day(text: &str) -> Result<(Time, &str), Wrong> {
    let (mut hour, mut minute, mut rest) = (0, 0, text);
    let two_digits = |text: &str, from: usize, to: usize| {
        let digits = text.get(from..to.min(text.len())).unwrap_or_default();
        digits.parse::<i8>().map_err(|_| "expected a time of day")
    };
    if let Some(colon @ 1..=2) = rest.find(':') {
        hour = two_digits(rest, 0, colon)?;
        minute = two_digits(rest, colon + 1, colon + 3)?;
        rest = rest.get(colon + 3..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix("am") {
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("pm") {
            hour = (hour % 24 + 12) % 24;
            rest = behind;
        }
    }
    if let Some(end @ 1..=2) = rest.find("am") {
        hour = two_digits(rest, 0, end)?;
        rest = &rest[end + 2..];
    }
    if let Some(end @ 1..=2) = rest.find("pm") {
        hour = (two_digits(rest, 0, end)? % 24 + 12) % 24;
        rest = &rest[end + 2..];
    }
    for (name, at) in [("noon", 12), ("midnight", 0), ("teatime", 16)] {
        if let Some(behind) = rest.strip_prefix(name) {
            (hour, minute, rest) = (at, 0, behind);
            break;
        }
    }
    let time = Time::new(hour, minute, 0, 0).map_err(|_| "no such time of day")?;
    Ok((time, rest))
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn day_of(text: &str, today: Date) -> Result<Date, Wrong> {
    let beginning = text.get(..3).unwrap_or_default();
    let far = |_| "too far away";
    match text {
        "" | "today" => return Ok(today),
        "yesterday" => return today.yesterday().map_err(far),
        "tomorrow" => return today.tomorrow().map_err(far),
        _ => {}
    }
    if text.matches('/').count() == 2 {
        return american(text);
    }
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return date(&text[..4], &text[4..6], &text[6..]);
    }
    if let Some(month) = MONTHS.iter().position(|name| *name == beginning) {
        let digits = text.bytes().rev().take(2).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err("expected a day behind the month");
        }
        let day = text[text.len() - digits..].parse().map_err(|_| "no such day")?;
        return Date::new(today.year(), month as i8 + 1, day).map_err(|_| "no such day");
    }
    if let Some(weekday) = WEEKDAYS.iter().position(|name| *name == beginning) {
        let days = i64::from(today.weekday().to_sunday_zero_offset()) - weekday as i64;
        return today.checked_sub(days.rem_euclid(7).days()).map_err(far);
    }
    Err("unknown day reference")
}

/// MM/DD/YY or MM/DD/YYYY.
fn american(text: &str) -> Result<Date, Wrong> {
    let mut parts = text.split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (month, day, year) = (part(), part(), part());
    let year: i16 = year.parse().map_err(|_| "no such day")?;
    let year = match year {
        ..70 => year.saturating_add(2000),
        70..1900 => year + 1900,
        _ => year,
    };
    date(&year.to_string(), month, day)
}

fn date(year: &str, month: &str, day: &str) -> Result<Date, Wrong> {
    let parsed = (year.parse(), month.parse(), day.parse());
    let (Ok(year), Ok(month), Ok(day)) = parsed else { return Err("no such day") };
    Date::new(year, month, day).map_err(|_| "no such day")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 19:30:00 UTC, a Saturday.
    const NOW: i64 = 1_795_289_400;
    const MIDNIGHT: i64 = 1_795_219_200;
    const HOUR: i64 = 3_600;
    const DAY: i64 = 86_400;

    #[test]
    fn references_are_read_as_by_graphite() {
        for (text, expected) in [
            ("", Some(NOW)),
            ("now", Some(NOW)),
            ("now-1h", Some(NOW - HOUR)),
            ("-1mon", Some(NOW - 30 * DAY)),
            ("-1y", Some(NOW - 365 * DAY)),
            ("today", Some(MIDNIGHT)),
            ("midnight", Some(MIDNIGHT)),
            ("yesterday", Some(MIDNIGHT - DAY)),
            ("noon yesterday", Some(MIDNIGHT - DAY / 2)),
            ("noon+1h", Some(MIDNIGHT + 13 * HOUR)),
            ("teatime", Some(MIDNIGHT + 16 * HOUR)),
            ("6pm today", Some(MIDNIGHT + 18 * HOUR)),
            ("6:30am", Some(MIDNIGHT + 6 * HOUR + 1_800)),
            ("04:00_20261120", Some(MIDNIGHT - DAY + 4 * HOUR)),
            ("20261121", Some(MIDNIGHT)),
            ("19701301", Some(19_701_301)),
            ("11/21/26", Some(MIDNIGHT)),
            ("11/21/2026", Some(MIDNIGHT)),
            ("nov 20", Some(MIDNIGHT - DAY)),
            ("november20", Some(MIDNIGHT - DAY)),
            ("saturday", Some(MIDNIGHT)),
            ("sunday", Some(MIDNIGHT - 6 * DAY)),
            ("1795289400", Some(NOW)),
            ("bad", None),
            ("undefined", None),
            ("nov", None),
            ("25:00", None),
            ("99999999999999999999", None),
            ("02/31/26", None),
            ("5m", None),
            ("\u{661}am", None),
            ("1:\u{e4}", None),
        ] {
            assert_eq!(time(text, NOW, &TimeZone::UTC).ok(), expected, "{text}");
        }
    }

    #[test]
    fn days_begin_by_the_zone_and_hours_are_exact() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // Summer time ended on 2026-10-25 at 01:00 UTC.
        let after = time("12:00_20261025", NOW, &zone).unwrap();
        let before = time("12:00_20261024", NOW, &zone).unwrap();
        assert_eq!(after - before, 25 * HOUR);
        let now = after;
        assert_eq!(time("today", now, &zone), Ok(after - 13 * HOUR));
        assert_eq!(time("today+1d", now, &zone), Ok(after + 11 * HOUR));
        // The second of the two.
        assert_eq!(time("02:30_20261025", now, &zone), Ok(after - 9 * HOUR - 1_800));
    }
}
