//! What stands behind the question mark: the callback is Noodle's, a window has its limit, everything else is
//! forwarded as it came, as far as it may stand in a URL ([`crate::upstream::visage::url`]).

use std::borrow::Cow;

use thiserror::Error;

use super::parameters::{Meaning, Parameter, Parameters, Time, is_plain};
use super::script::is_function;
use crate::ask::Window;

/// The window that a storage node takes when there is no `start`, in seconds.
const DEFAULT_WINDOW: i64 = 3600;

/// A query as it is forwarded.
#[derive(Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// What to forward; none where there is no question mark.
    pub forwarded: Option<Cow<'a, str>>,
    /// The window, as far as it is answered.
    pub window: Window,
    /// Whether percentiles are wanted.
    pub percentiles: bool,
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
}

/// Whatever is called would be run in the page of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the callback is not the name of a JavaScript function")]
pub struct NoFunction;

/// The function that the answer to a query is an argument of, whatever the answer is.
pub fn callback(query: Option<&str>) -> Result<Option<String>, NoFunction> {
    // Most have none, not even encoded.
    let query = query.filter(|query| query.contains('%') || query.contains("callback"));
    let callbacks = Parameters(query.unwrap_or_default()).filter_map(|parameter| match parameter.meaning {
        Meaning::Callback(name) => Some(name),
        _ => None,
    });
    match callbacks.last() {
        Some(name) if is_function(&name) => Ok(Some(String::from_utf8_lossy(&name).into_owned())),
        Some(_) => Err(NoFunction),
        None => Ok(None),
    }
}

impl<'a> Query<'a> {
    /// Reads a query at `now`, and moves a start that is more than `max_window` before the finish. Both are Unix
    /// seconds.
    pub fn parse(query: Option<&'a str>, now: i64, max_window: i64) -> Result<Self, QueryError> {
        let text = query.unwrap_or_default();
        let parameters: Vec<Parameter<'_>> = Parameters(text).collect();
        let last = |wanted| parameters.iter().rposition(|parameter| parameter.meaning.is_time(wanted));
        let (last_start, last_finish) = (last(Time::Start), last(Time::Finish));
        let time = |last: Option<usize>| last.and_then(|index| parameters[index].meaning.time());
        let (start, finish) = (time(last_start), time(last_finish));
        if let (Some(start), Some(finish)) = (start, finish)
            && start > finish
        {
            return Err(QueryError::StartAfterFinish { start, finish });
        }
        let earliest = finish.unwrap_or(now).saturating_sub(max_window);
        let last_finish_time = finish.unwrap_or(now);
        let first = start.unwrap_or(last_finish_time.saturating_sub(DEFAULT_WINDOW)).max(earliest);
        let window = Window { start: first.min(last_finish_time), finish: last_finish_time, now };
        let percentiles = parameters.iter().rev().find_map(|parameter| match parameter.meaning {
            Meaning::Percentiles(are_wanted) => Some(are_wanted),
            _ => None,
        });
        let percentiles = percentiles.unwrap_or(false);
        // Rack 3 no longer takes `;` for a separator, so a time next to it could be another one there.
        let is_separated = !text.contains(';') || (start, finish) == (None, None);
        let is_untouched = |(index, parameter): (usize, &Parameter<'_>)| match parameter.meaning {
            Meaning::Other | Meaning::Percentiles(_) => true,
            Meaning::Time(which, time) => {
                is_separated
                    && [last_start, last_finish].contains(&Some(index))
                    && is_plain(parameter.text, which)
                    && (which == Time::Finish || time >= earliest)
            }
            Meaning::EmptyTime | Meaning::Callback(_) => false,
        };
        let needs_start = start.is_none() && max_window < DEFAULT_WINDOW;
        if !needs_start && parameters.iter().enumerate().all(is_untouched) {
            return Ok(Self { forwarded: query.map(Cow::Borrowed), window, percentiles });
        }

        let mut kept: Vec<Cow<'_, str>> = Vec::with_capacity(parameters.len() + 1);
        for (index, parameter) in parameters.iter().enumerate() {
            match parameter.meaning {
                Meaning::Other | Meaning::Percentiles(_) => kept.push(parameter.text.into()),
                Meaning::Time(Time::Start, time) if last_start == Some(index) => {
                    kept.push(Time::Start.written(time.max(earliest)).into());
                }
                Meaning::Time(Time::Finish, time) if last_finish == Some(index) => {
                    kept.push(Time::Finish.written(time).into());
                }
                Meaning::Time(..) | Meaning::EmptyTime | Meaning::Callback(_) => {}
            }
        }
        if needs_start {
            kept.push(Time::Start.written(earliest).into());
        }
        let forwarded = (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")));
        Ok(Self { forwarded, window, percentiles })
    }
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
            "start=-31536000&finish=-5.",
            "finish=5&start=5",
        ] {
            let parsed = Query::parse(Some(query), NOW, YEAR).unwrap();
            assert!(matches!(parsed.forwarded, Some(Cow::Borrowed(same)) if same == query), "{query}");
        }
        assert_eq!(Query::parse(None, NOW, YEAR).unwrap().forwarded, None);
    }

    #[test]
    fn a_window_is_the_last_hour_unless_it_is_told() {
        let window = |query| {
            let Window { start, finish, now: NOW } = Query::parse(query, NOW, YEAR).unwrap().window else {
                panic!("another time")
            };
            (start - NOW, finish - NOW)
        };
        assert_eq!(window(None), (-3600, 0));
        assert_eq!(window(Some("finish=1795292340")), (-3610, -10));
        assert_eq!(window(Some("start=1795292340.9&start=1795292341")), (-9, 0));
        assert_eq!(window(Some("start=")), (-3600, 0));
        assert_eq!(window(Some("start=0")), (-YEAR, 0), "no longer than it may be");
        assert_eq!(window(Some("start=9999999999")).1, 0);
        for (query, expected) in [
            ("percentiles=true", true),
            ("percentiles", false),
            ("percentiles=false", false),
            ("percentiles=0", true),
        ] {
            assert_eq!(Query::parse(Some(query), NOW, YEAR).unwrap().percentiles, expected, "{query}");
        }
    }

    #[test]
    fn callback_and_empty_times_are_taken_out() {
        for (query, expected) in [
            ("callback=f", None),
            ("start=&finish", None),
            ("start=1795292320&callback=f&x=1", Some("start=1795292320&x=1")),
            ("callback=f;start=1795292320;x", Some("start=1795292320&x")),
            ("c%61llback=f&x", Some("x")),
            ("%5Bcallback%5D=f&x", Some("x")),
            ("x=callback=f", Some("x=callback=f")),
        ] {
            assert_eq!(forwarded(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn the_last_callback_counts() {
        let callback = |query| callback(Some(query));
        assert_eq!(callback("callback=a&callback=b.c"), Ok(Some("b.c".to_owned())));
        assert_eq!(callback("call=a"), Ok(None));
        assert_eq!(super::callback(None), Ok(None));
        for query in ["callback=", "callback", "callback=alert(1)%2F%2F", "callback=f&callback=1"] {
            assert_eq!(callback(query), Err(NoFunction), "{query}");
        }
        // Whatever else there is to say.
        assert_eq!(callback("start=2&finish=1&c%61llback=f"), Ok(Some("f".to_owned())));
    }

    #[test]
    fn a_wide_window_gets_its_end() {
        for (query, expected) in [
            ("start=0&finish=1795291200", "start=1763755200&finish=1795291200"),
            ("start=0", "start=1763756350"),
            ("start=now;x", "start=1763756350&x"),
            ("st%61rt=-5&y", "start=1763756350&y"),
            ("start=1763756349", "start=1763756350"),
            ("start=0&start=1795292320", "start=1795292320"),
            ("start=0&finish=1&finish=1795291200", "start=1763755200&finish=1795291200"),
            ("%5Bstart%5D=0&x", "start=1763756350&x"),
            ("]start[]=0", "start=1763756350"),
            ("start=1763756350&start%5D=0", "start=1763756350"),
        ] {
            assert_eq!(forwarded(query).as_deref(), Some(expected), "{query}");
        }
        let narrow = |query| Query::parse(query, NOW, 60).unwrap().forwarded.unwrap().into_owned();
        assert_eq!(narrow(None), "start=1795292290");
        assert_eq!(narrow(Some("finish=100")), "finish=100&start=40");
        assert_eq!(narrow(Some("start=&finish=100")), "finish=100&start=40");
    }

    /// What one version of Ruby or Rack reads in one way and another in another.
    #[test]
    fn a_time_is_forwarded_as_plain_digits() {
        for (query, expected) in [
            ("start=0d1795292320", "start=1795292320"),
            ("start=%0b1795292320", "start=1795292320"),
            ("start=+1_795_292_320x.5", "start=1795292320"),
            ("start=-1h&finish=now", "start=-1&finish=0"),
            ("finish=99999999999999999999", "finish=9223372036854775807"),
            ("start=5;finish=9", "start=5&finish=9"),
            ("start=5&finish=6;finish=9", "start=5&finish=9"),
        ] {
            assert_eq!(forwarded(query).as_deref(), Some(expected), "{query}");
        }
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

    /// What a storage node with this version of Rack would fetch of the `Visage` that the transcripts are from: the
    /// start and the finish. Shares nothing with what is tested.
    fn window(query: &str, rack: u8) -> (i128, i128) {
        let unescaped = |text: &str| {
            let text = text.replace('+', " ");
            let mut parts = text.split('%');
            let mut plain = parts.next().unwrap().to_owned();
            for part in parts {
                plain.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
                plain.push_str(&part[2..]);
            }
            plain
        };
        let brackets = |c| c == '[' || c == ']';
        let separators: &[char] = if rack == 3 { &['&'] } else { &['&', ';'] };
        let (mut start, mut finish) = (None, None);
        for parameter in query.split(separators) {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (unescaped(name), Some(unescaped(value))),
                None => (unescaped(parameter), None),
            };
            let name = match rack {
                3 => name.as_str(),
                _ => name.trim_start_matches(brackets).trim_end_matches(']'),
            };
            match name {
                "start" => start = value,
                "finish" => finish = value,
                _ => {}
            }
        }
        let to_i = |value: String| {
            let text = value.split('.').next().unwrap();
            let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
            let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
            let decimal = unsigned.to_lowercase();
            let decimal = decimal.strip_prefix("0d").unwrap_or(&decimal);
            let mut digits = decimal.split(|c: char| !c.is_ascii_digit() && c != '_').next().unwrap();
            digits = digits.split("__").next().unwrap();
            let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
            let number = if is_number { digits.replace('_', "").parse::<i128>().unwrap() } else { 0 };
            if text.starts_with('-') { -number } else { number }
        };
        let finish = finish.map_or(i128::from(NOW), to_i);
        (start.map_or(finish - 3600, to_i), finish)
    }

    proptest! {
        #[test]
        fn no_window_is_wider_than_the_limit_for_any_node(
            query in "((start|finish|s%74art|%5Bstart%5D|finish\\[\\]|\\]start|x|\\[callback\\])(=(%0b|\\+|%2B|-|0d|0D|_|x|\\.|[0-9]{1,11}|[0-9]{20}){0,3})?[&;]?){0,5}",
            limit in 1_i64..100_000,
        ) {
            let Ok(parsed) = Query::parse(Some(&query), NOW, limit) else { return Ok(()) };
            let again = Query::parse(parsed.forwarded.as_deref(), NOW, limit).unwrap();
            prop_assert_eq!(again.forwarded, parsed.forwarded.clone());
            let text = parsed.forwarded.unwrap_or_default();
            for rack in [2, 3] {
                let (start, finish) = window(&text, rack);
                prop_assert!(finish - start <= limit.into(), "{} from {} at Rack {}", text, query, rack);
            }
        }
    }
}
