//! What Nagios reads: a line, the figures behind it, an exit status.
//!
//! As the [Monitoring Plugins guidelines](https://www.monitoring-plugins.org/doc/guidelines.html) have it:
//!
//! ```text
//! COCO SEND OK - 10.1.1.111:25826 of coco1: 998/s, before 1002/s (-0.4 %), D 0.13, p 0.9578 | deviation=0.1333;;0.5;0;1 ...
//! ```
//!
//! A figure is `label=value[unit];warning;critical;minimum;maximum`, where a limit is the range that is well. Further
//! lines are for people.

use std::fmt::{self, Display, Write};

use coco_core::text::Line;

use crate::halves::{Difference, Halves};
use crate::question::{Check, Limits, Rates};

/// The exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing has changed.
    Ok = 0,
    /// The rate has changed.
    Critical = 2,
    /// The check could not be made.
    Unknown = 3,
}

/// What a run prints, and its exit status.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit status.
    pub status: Status,
    /// The first line.
    pub line: String,
    /// What follows it, each line with its end.
    pub details: String,
}

impl Output {
    /// An answer.
    #[must_use]
    pub fn verdict(
        check: Check,
        status: Status,
        subject: &str,
        difference: &Difference,
        limits: &Limits,
    ) -> Self {
        let Difference { before, after, test } = difference;
        let change = difference.change();
        let figures = [
            format!("deviation={:.4};;{};0;1", test.deviation, limits.maximum_deviation),
            format!("p_value={:.6};;{}:;0;1", test.p_value, limits.significance),
            format!("change={};;-{limit}:{limit}", figure(change), limit = limits.minimum_change * 100.0),
            format!("before={before:.6};;;0"),
            format!("after={after:.6};;;0"),
        ];
        let text = format!(
            "{subject}: {}/s, before {}/s ({}), D {:.2}, p {}",
            rate(*after),
            rate(*before),
            percent(change),
            test.deviation,
            probability(test.p_value)
        );
        let line = line(check, status, &text) + " | " + &figures.join(" ");
        Self { status, line, details: String::new() }
    }

    /// There is no answer, for this reason.
    #[must_use]
    pub fn unknown(check: Check, reason: &str) -> Self {
        let status = Status::Unknown;
        Self { status, line: line(check, status, reason), details: String::new() }
    }

    /// Wrong usage, as clap describes it: a paragraph on what is wrong, more on how it is right.
    #[must_use]
    pub fn wrong_usage(check: Check, text: &str) -> Self {
        let text = text.strip_prefix("error: ").unwrap_or(text);
        let (wrong, right) = text.split_once("\n\n").unwrap_or((text, ""));
        Self { details: right.to_owned(), ..Self::unknown(check, wrong) }
    }

    /// What an operator asked for: help, or the version. The guidelines count that as UNKNOWN.
    #[must_use]
    pub fn answer(text: &str) -> Self {
        Self { status: Status::Unknown, line: text.trim_end().to_owned(), details: String::new() }
    }

    /// Adds where the figures come from.
    pub fn explain(&mut self, rates: &Rates, halves: &Halves) {
        let Rates { path, names, points } = rates;
        let known = halves.before.len() + halves.after.len();
        let _ = writeln!(self.details, "{path}: {known} of {} points are known", points.len());
        for name in names {
            let _ = writeln!(self.details, "  {name}");
        }
        for (name, half) in [("first", &halves.before), ("second", &halves.after)] {
            let least = half.iter().copied().fold(f64::INFINITY, f64::min);
            let most = half.iter().copied().fold(0.0, f64::max);
            let _ = writeln!(
                self.details,
                "{name} half: {} points from {}/s to {}/s",
                half.len(),
                rate(least),
                rate(most)
            );
        }
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Line(&self.line))?;
        self.details.trim_end().lines().try_for_each(|line| writeln!(f, "{}", Line(line)))
    }
}

/// The first line, without figures. A bar would begin those, and a line break would end it.
fn line(check: Check, status: Status, text: &str) -> String {
    let name = match check {
        Check::Send => "COCO SEND",
        Check::Errors => "COCO ERRORS",
    };
    let status = match status {
        Status::Ok => "OK",
        Status::Critical => "CRITICAL",
        Status::Unknown => "UNKNOWN",
    };
    let text = text.replace('|', "/");
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    format!("{name} {status} - {}", words.join(" "))
}

/// A rate with four digits that mean something.
fn rate(rate: f64) -> String {
    let digits = if rate == 0.0 { 0.0 } else { 3.0 - rate.abs().log10().floor() };
    format!("{rate:.*}", digits.clamp(0.0, 6.0) as usize)
}

fn percent(change: f64) -> String {
    if change.is_finite() { format!("{:+.1} %", change * 100.0) } else { "it was 0".to_owned() }
}

/// A change as a figure: there, `U` stands for what is no number.
fn figure(change: f64) -> String {
    if change.is_finite() { format!("{:.2}%", change * 100.0) } else { "U".to_owned() }
}

fn probability(p_value: f64) -> String {
    if p_value < 0.0001 { "< 0.0001".to_owned() } else { format!("{p_value:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_the_digits_that_mean_something() {
        for (value, shown) in [
            (0.0, "0"),
            (123_456.7, "123457"),
            (1234.5, "1234"),
            (123.45, "123.5"),
            (1.5, "1.500"),
            (0.001_234_5, "0.001234"),
            (0.000_000_1, "0.000000"),
        ] {
            assert_eq!(rate(value), shown);
        }
    }

    #[test]
    fn what_has_a_meaning_to_nagios_does_not_get_into_the_line() {
        let output = Output::unknown(Check::Send, "a|b\nc\td \u{1b}[1m e");
        assert_eq!(output.to_string(), "COCO SEND UNKNOWN - a/b c d [1m e\n");
    }
}
