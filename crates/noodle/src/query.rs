//! What stands behind the question mark: the callback is Noodle's, a window has its limit, everything else is
//! forwarded byte for byte.
//!
//! Parameters are read as Visage reads them, or one could ask a storage node for what Noodle did not see: `&` and
//! `;` separate, names are decoded, the last of several counts, and a time is whatever digits a text begins with.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use thiserror::Error;

/// The window that a storage node takes when there is no `start`, in seconds.
const DEFAULT_WINDOW: i64 = 3600;

/// A query as it is forwarded, and what was taken out of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// What to forward; none where there is no question mark.
    pub forwarded: Option<Cow<'a, str>>,
    /// The function that the answer is an argument of.
    pub callback: Option<String>,
}

/// Why a query is not forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Visage answers this with an error of its own.
    #[error("the start ({start}) is after the finish ({finish})")]
    StartAfterFinish {
        /// As understood, in Unix seconds.
        start: i64,
        /// As understood, in Unix seconds.
        finish: i64,
    },
    /// Whatever is called would be run in the page of the client.
    #[error("the callback is not the name of a JavaScript function")]
    Callback,
}

impl<'a> Query<'a> {
    /// Reads a query at `now`, and moves a start that is more than `max_window` before the finish. Both are Unix
    /// seconds.
    pub fn parse(query: Option<&'a str>, now: i64, max_window: i64) -> Result<Self, QueryError> {
        let text = query.unwrap_or_default();
        let parameters: Vec<Parameter<'_>> = Parameters(text).collect();
        let last = |wanted| {
            let mut values = parameters.iter().filter_map(|parameter| parameter.meaning.time(wanted));
            values.next_back()
        };
        let (start, finish) = (last(Time::Start), last(Time::Finish));
        if let (Some(start), Some(finish)) = (start, finish)
            && start > finish
        {
            return Err(QueryError::StartAfterFinish { start, finish });
        }
        let callback = match parameters.iter().rev().find_map(|parameter| parameter.meaning.callback()) {
            Some(callback) if !is_function(callback) => return Err(QueryError::Callback),
            callback => callback.map(|name| String::from_utf8_lossy(name).into_owned()),
        };
        let earliest = finish.unwrap_or(now).saturating_sub(max_window);
        let is_untouched = |parameter: &Parameter<'_>| match parameter.meaning {
            Meaning::Other => true,
            Meaning::Time(Time::Start, time) => time >= earliest,
            Meaning::Time(Time::Finish, _) => true,
            Meaning::EmptyTime | Meaning::Callback(_) => false,
        };
        let needs_start = start.is_none() && max_window < DEFAULT_WINDOW;
        if !needs_start && parameters.iter().all(is_untouched) {
            return Ok(Self { forwarded: query.map(Cow::Borrowed), callback });
        }

        let mut kept = String::with_capacity(text.len() + 16);
        let mut keep = |separator: &str, text: &str, value: Option<i64>| {
            if !kept.is_empty() {
                kept.push_str(separator);
            }
            kept.push_str(text);
            if let Some(value) = value {
                kept.push_str(&value.to_string());
            }
        };
        for parameter in &parameters {
            match &parameter.meaning {
                Meaning::EmptyTime | Meaning::Callback(_) => {}
                Meaning::Time(Time::Start, time) if *time < earliest => {
                    let name = parameter.text.find('=').map_or("start=", |end| &parameter.text[..=end]);
                    keep(parameter.separator, name, Some(earliest));
                }
                _ => keep(parameter.separator, parameter.text, None),
            }
        }
        if needs_start {
            keep("&", "start=", Some(earliest));
        }
        let forwarded = (!kept.is_empty()).then_some(Cow::Owned(kept));
        Ok(Self { forwarded, callback })
    }
}

struct Parameter<'a> {
    /// What separates it from the one before.
    separator: &'a str,
    text: &'a str,
    meaning: Meaning<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    Start,
    Finish,
}

enum Meaning<'a> {
    Time(Time, i64),
    /// A time without a value, for which Visage would take 1970.
    EmptyTime,
    Callback(Cow<'a, [u8]>),
    Other,
}

impl Meaning<'_> {
    fn time(&self, wanted: Time) -> Option<i64> {
        match self {
            Self::Time(which, time) if *which == wanted => Some(*time),
            _ => None,
        }
    }

    fn callback(&self) -> Option<&[u8]> {
        match self {
            Self::Callback(name) => Some(name),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Meaning<'a> {
    fn from(parameter: &'a str) -> Self {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let which = match &*decode(name) {
            b"start" => Time::Start,
            b"finish" => Time::Finish,
            b"callback" => return Self::Callback(decode(value)),
            _ => return Self::Other,
        };
        if value.is_empty() { Self::EmptyTime } else { Self::Time(which, seconds(&decode(value))) }
    }
}

/// The rest of a query.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let begin = usize::from(self.0.starts_with(['&', ';']));
        let (separator, rest) = self.0.split_at(begin);
        let (text, rest) = rest.split_at(rest.find(['&', ';']).unwrap_or(rest.len()));
        self.0 = rest;
        Some(Parameter { separator, text, meaning: text.into() })
    }
}

/// As forms are encoded.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        return Cow::Owned(percent_decode(text.replace('+', " ").as_bytes()).collect());
    }
    percent_decode(text.as_bytes()).into()
}

/// What Ruby's `to_i` makes of a text: white space, a sign, digits, of which any two may have a `_` between them;
/// 0 where there are none. What is beyond 64 bits is the largest or smallest of them.
fn seconds(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
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

/// Whether this is `name` or `name.name`, each an identifier of ASCII letters.
fn is_function(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'.').all(|name| match name.split_first() {
        Some((first, rest)) => {
            let letter = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
            letter(first) && rest.iter().all(|byte| letter(byte) || byte.is_ascii_digit())
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_292_350;
    const YEAR: i64 = 365 * 86_400;

    fn forwarded(query: &str) -> Option<String> {
        Query::parse(Some(query), NOW, YEAR).unwrap().forwarded.map(Cow::into_owned)
    }

    #[test]
    fn what_is_fine_stays_as_it_is() {
        for query in [
            "",
            "start=1795292320&finish=1795292350",
            "start=1795290900.999&finish=1795291200.5",
            "percentiles=true&&x=%7b;y=a+b&live",
            "start=1763756350",
            "start=9999999999",
            "start=-1h&finish=now",
            "finish=5&start=5",
        ] {
            let parsed = Query::parse(Some(query), NOW, YEAR).unwrap();
            assert!(matches!(parsed.forwarded, Some(Cow::Borrowed(same)) if same == query), "{query}");
        }
        assert_eq!(Query::parse(None, NOW, YEAR), Ok(Query { forwarded: None, callback: None }));
    }

    #[test]
    fn callback_and_empty_times_are_taken_out() {
        for (query, expected) in [
            ("callback=f", None),
            ("start=&finish", None),
            ("start=1795292320&callback=f&x=1", Some("start=1795292320&x=1")),
            ("callback=f;start=1795292320;x", Some("start=1795292320;x")),
            ("c%61llback=f&x", Some("x")),
            ("x=callback=f", Some("x=callback=f")),
        ] {
            assert_eq!(forwarded(query).as_deref(), expected, "{query}");
        }
        let callback = |query| Query::parse(Some(query), NOW, YEAR).map(|query| query.callback);
        assert_eq!(callback("callback=a&callback=b.c"), Ok(Some("b.c".to_owned())));
        assert_eq!(callback("call=a"), Ok(None));
    }

    #[test]
    fn a_callback_is_a_path_of_identifiers() {
        for good in ["f", "foo.bar", "$.ajax", "_0", "jQuery1.cb_2"] {
            assert!(is_function(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ".", "a.", ".a", "a..b", "0a", "a-b", "alert(1)//", "a b", "f%28", "\u{e9}", "a[0]", "a\n"]
        {
            assert!(!is_function(bad.as_bytes()), "{bad}");
        }
        for query in ["callback=", "callback", "callback=alert(1)%2F%2F", "callback=f&callback=1"] {
            assert_eq!(Query::parse(Some(query), NOW, YEAR), Err(QueryError::Callback), "{query}");
        }
    }

    #[test]
    fn a_wide_window_gets_its_end() {
        for (query, expected) in [
            ("start=0&finish=1795291200", "start=1763755200&finish=1795291200"),
            ("start=0", "start=1763756350"),
            ("start=now;x", "start=1763756350;x"),
            ("st%61rt=-5&y", "st%61rt=1763756350&y"),
            ("start=1763756349", "start=1763756350"),
            ("start=0&start=1795292320", "start=1763756350&start=1795292320"),
            ("start=0&finish=1&finish=1795291200", "start=1763755200&finish=1&finish=1795291200"),
        ] {
            assert_eq!(forwarded(query).as_deref(), Some(expected), "{query}");
        }
        let narrow = |query| Query::parse(query, NOW, 60).unwrap().forwarded.unwrap().into_owned();
        assert_eq!(narrow(None), "start=1795292290");
        assert_eq!(narrow(Some("finish=100")), "finish=100&start=40");
        assert_eq!(narrow(Some("start=&finish=100")), "finish=100&start=40");
    }

    #[test]
    fn start_after_finish_is_refused_whatever_counts() {
        for query in
            ["start=2&finish=1", "start=1&start=2;finish=1", "start=1&finish=now", "finish=+1&start=1_0"]
        {
            let error = Query::parse(Some(query), NOW, YEAR).unwrap_err();
            assert!(matches!(error, QueryError::StartAfterFinish { .. }), "{query}");
        }
        // Only the target knows its own now.
        assert!(Query::parse(Some("start=9999999999"), NOW, YEAR).is_ok());
    }

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
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_window_is_wider_than_the_limit(
            query in "((start|finish|s%74art)=[0-9]{0,11}|x=[a-z]|start|callback=f)([&;]((start|finish|start)=[-0-9]{0,11}|y)){0,4}",
            limit in 1_i64..100_000,
        ) {
            let Ok(parsed) = Query::parse(Some(&query), NOW, limit) else { return Ok(()) };
            let again = Query::parse(parsed.forwarded.as_deref(), NOW, limit).unwrap();
            prop_assert_eq!(again.forwarded, parsed.forwarded.clone());
            let text = parsed.forwarded.unwrap_or_default();
            let times = |wanted| Parameters(&text).filter_map(move |p| p.meaning.time(wanted)).collect::<Vec<_>>();
            let finish = times(Time::Finish).last().copied().unwrap_or(NOW);
            prop_assert!(times(Time::Start).iter().all(|start| finish - start <= limit), "{}", text);
        }
    }
}
