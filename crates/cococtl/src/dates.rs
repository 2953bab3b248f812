//! Times as people read them.

/// A time in units of 2^-30 s as RFC 3339 has it, in UTC, to the millisecond.
pub fn time(cdtime: u64) -> String {
    let (seconds, fraction) = (cdtime >> 30, cdtime & ((1 << 30) - 1));
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a date in the calendar that begins in March, where leap days come last (Hinnant's civil_from_days).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    let milliseconds = (fraction * 1000) >> 30;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_795_311_454, "2026-11-22T01:37:34"),
            (4_107_542_399, "2100-02-28T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            ((1 << 34) - 1, "2514-05-30T01:53:03"),
        ] {
            assert_eq!(time((seconds << 30) + (1 << 29)), format!("{date}.500Z"));
        }
    }
}
