//! The parameters of a query, one by one.
//!
//! Parameters are read as Visage reads them, or one could ask a storage node for what Noodle did not see: `&` and
//! `;` separate, names are decoded and brackets around them say nothing, the last of several counts, and a time is
//! whatever digits a text begins with. Versions of Ruby and Rack differ in the details, so a node sees a time only once
//! and as plain digits, whatever a client wrote.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// One of them.
pub(crate) struct Parameter<'a> {
    /// As it came.
    pub(crate) text: &'a str,
    pub(crate) meaning: Meaning<'a>,
}

/// Which end of the window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Start,
    Finish,
}

impl Time {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Finish => "finish",
        }
    }

    pub(crate) fn written(self, seconds: i64) -> String {
        format!("{}={seconds}", self.name())
    }
}

/// What a parameter is for.
pub(crate) enum Meaning<'a> {
    Time(Time, i64),
    /// A time without a value, for which Visage would take 1970.
    EmptyTime,
    Callback(Cow<'a, [u8]>),
    /// Whether percentiles are wanted: passed on as it came.
    Percentiles(bool),
    Other,
}

impl Meaning<'_> {
    pub(crate) fn is_time(&self, wanted: Time) -> bool {
        matches!(self, Self::Time(which, _) if *which == wanted)
    }

    pub(crate) fn time(&self) -> Option<i64> {
        match self {
            Self::Time(_, time) => Some(*time),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Meaning<'a> {
    fn from(parameter: &'a str) -> Self {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // Rack passes brackets in front of a name, and those behind it that enclose nothing.
        let name = decode(name);
        let is_bracket = |byte: &u8| matches!(byte, b'[' | b']');
        let start = name.iter().position(|byte| !is_bracket(byte)).unwrap_or(name.len());
        let end = name.iter().rposition(|byte| !is_bracket(byte)).map_or(start, |last| last + 1);
        let which = match &name[start..end] {
            b"start" => Time::Start,
            b"finish" => Time::Finish,
            b"callback" => return Self::Callback(decode(value)),
            b"percentiles" => return Self::Percentiles(!matches!(&*decode(value), b"" | b"false")),
            _ => return Self::Other,
        };
        if value.is_empty() { Self::EmptyTime } else { Self::Time(which, seconds(&decode(value))) }
    }
}

/// The rest of a query.
pub(crate) struct Parameters<'a>(pub(crate) &'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let (text, rest) = self.0.split_once(['&', ';']).unwrap_or((self.0, ""));
        self.0 = rest;
        Some(Parameter { text, meaning: text.into() })
    }
}

/// As forms are encoded.
fn decode(text: &str) -> Cow<'_, [u8]> {
    let is_encoded = |byte| matches!(byte, b'+' | b'%');
    if !text.bytes().any(is_encoded) {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(percent_decode(text.replace('+', " ").as_bytes()).collect())
}

/// Whether a parameter is this name and a time that nobody can read in another way: decimal digits, of which all
/// together fit into 64 bits, and perhaps a fraction.
pub(crate) fn is_plain(parameter: &str, which: Time) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let value = parameter.strip_prefix(which.name()).and_then(|rest| rest.strip_prefix('='));
    value.is_some_and(|value| {
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        (1..=18).contains(&whole.len()) && digits(whole) && digits(fraction)
    })
}

/// What Ruby's `to_i` makes of a text: white space, a sign, `0d`, digits, of which any two may have a `_` between them;
/// 0 where there are none. What is beyond 64 bits is the largest or smallest of them.
fn seconds(text: &[u8]) -> i64 {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
    let text = &text[text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len())..];
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    let digits = digits.strip_prefix(b"0d").or(digits.strip_prefix(b"0D")).unwrap_or(digits);
    let mut seconds = 0_i64;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => seconds = seconds.saturating_mul(10).saturating_add(i64::from(byte - b'0')),
            b'_' if index > 0 && digits[index - 1] != b'_' => {}
            _ => break,
        }
    }
    if negative { -seconds } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_what_ruby_makes_of_them() {
        for (text, expected) in [
            ("12", 12),
            (" \t-12x", -12),
            ("+7.9", 7),
            ("1_000__1", 1000),
            ("_1", 0),
            ("now", 0),
            ("", 0),
            ("\x0b\x0c12", 12),
            ("-0d12", -12),
            ("0D12", 12),
            ("0d_1", 0),
            ("0d0d1", 0),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text:?}");
        }
    }
}
