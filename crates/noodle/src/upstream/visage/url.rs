//! What a URL that Noodle asks for is made of: whatever a client wrote, a storage node gets what RFC 3986 allows.
//!
//! Many clients and hyper's server let more stand in a request than that; WEBrick, which Visage runs on, answers 400.
//! What may not stand for itself is percent-encoded, which changes nothing of what it means once decoded. A `%`
//! without two hexadecimal digits stands for itself (as in the WHATWG's URL standard), so it is sent as `%25`.

use std::borrow::Cow;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use thiserror::Error;

use crate::ask::{Content, Hosts, Metric, Question, Window, Wording};

/// Most bytes of a path and its query: hyper takes no URL of more than 65,534, with the scheme and the address.
const LONGEST: usize = 60 * 1024;

/// What stands in a name for itself, with all meaning that a path could give it taken away.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'*')
    .remove(b',')
    .remove(b':');

/// A URL that no server would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("what a storage node would be asked for has more than {LONGEST} bytes")]
pub struct TooLong;

/// Bytes as a part of a path.
pub fn name(bytes: &[u8]) -> String {
    percent_encode(bytes, NAME).to_string()
}

/// A path as it may be sent.
pub fn path(written: &str) -> Cow<'_, str> {
    valid(written.into(), |byte| is_pchar(byte) || byte == b'/')
}

/// A query as it may be sent.
pub fn query(written: Cow<'_, str>) -> Cow<'_, str> {
    valid(written, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))
}

/// The path and the query of a question.
pub fn of(question: &Question) -> Result<PathAndQuery, TooLong> {
    match &question.wording {
        Some(Wording::Whole(whole)) => Ok(whole.clone()),
        Some(Wording::Parts(parts)) => composed(&question.hosts, &parts.rest, parts.query.as_deref()),
        None => {
            let rest = match &question.metric {
                Metric::Named(named) => {
                    let instances: Vec<_> = named.instances.iter().map(|instance| name(instance)).collect();
                    format!("/{}/{}", name(&named.plugin), instances.join(","))
                }
                Metric::Any | Metric::Selected(_) => String::new(),
            };
            let Window { start, finish, .. } = question.window;
            let query = (question.want == Content::Series).then(|| format!("start={start}&finish={finish}"));
            composed(&question.hosts, &rest, query.as_deref())
        }
    }
}

/// The path and query as they came, less what is Noodle's and what may not stand there: `path` and `query` are what is
/// left of them, and may be sent.
pub fn as_it_came(uri: &Uri, path: &str, query: Option<&Cow<'_, str>>) -> Result<PathAndQuery, TooLong> {
    if let Some(as_it_came) = uri.path_and_query()
        && as_it_came.path() == path
        && !matches!(query, Some(Cow::Owned(_)))
        && query.is_some() == as_it_came.query().is_some()
    {
        return Ok(as_it_came.clone());
    }
    with_query(path, query.map(|query| &**query))
}

/// A path for these hosts: several patterns stand in braces, as Visage takes them.
fn composed(hosts: &Hosts, rest: &str, query: Option<&str>) -> Result<PathAndQuery, TooLong> {
    let hosts = match hosts {
        Hosts::Named(host) => name(host),
        Hosts::Matching { patterns, .. } => match &**patterns {
            [] => return with_query("/data", query),
            [pattern] => name(pattern),
            several => {
                let several: Vec<_> = several.iter().map(|pattern| name(pattern)).collect();
                format!("%7B{}%7D", several.join(","))
            }
        },
    };
    with_query(&format!("/data/{hosts}{rest}"), query)
}

/// Puts a path and a query together, of which both may be sent.
pub fn with_query(path: &str, query: Option<&str>) -> Result<PathAndQuery, TooLong> {
    let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    bound(whole.len())?;
    Ok(whole.try_into().expect("hyper takes what RFC 3986 allows"))
}

/// Whether so many bytes of a path and its query are not too many.
pub fn bound(bytes: usize) -> Result<(), TooLong> {
    if bytes > LONGEST { Err(TooLong) } else { Ok(()) }
}

/// `pchar` of RFC 3986, less what is percent-encoded.
fn is_pchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

fn valid<'a>(written: Cow<'a, str>, is_valid: impl Fn(u8) -> bool) -> Cow<'a, str> {
    let bytes = written.as_bytes();
    let stays = |index: usize| is_valid(bytes[index]) || is_encoded(&bytes[index..]);
    let Some(first) = (0..bytes.len()).find(|index| !stays(*index)) else {
        return written;
    };
    let mut text = String::with_capacity(bytes.len() + 32);
    text.push_str(&written[..first]);
    for (index, byte) in bytes.iter().enumerate().skip(first) {
        match stays(index) {
            true => text.push(char::from(*byte)),
            false => text.push_str(percent_encoding::percent_encode_byte(*byte)),
        }
    }
    text.into()
}

/// Whether this begins with `%` and two hexadecimal digits.
fn is_encoded(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', first, second, ..] if first.is_ascii_hexdigit() && second.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_may_stand_there_stays_and_is_not_copied() {
        for written in ["", "/data/web1/cpu-0/cpu-idle", "/data/%77%Ff/a,b/*;(x)!$&'+=:@~_-."] {
            assert!(matches!(path(written), Cow::Borrowed(same) if same == written), "{written}");
        }
        let written = "start=1&x=/a?b&&;y=%7b";
        assert!(matches!(query(written.into()), Cow::Borrowed(same) if same == written));
    }

    #[test]
    fn what_may_not_stand_there_is_encoded() {
        for (written, sent) in [
            ("/{x,y}", "/%7Bx,y%7D"),
            ("/a|b^c\"d\\e[f]", "/a%7Cb%5Ec%22d%5Ce%5Bf%5D"),
            ("/\u{e9}", "/%C3%A9"),
            ("/100%", "/100%25"),
            ("/%", "/%25"),
            ("/%4", "/%254"),
            ("/%zz", "/%25zz"),
            ("/%%41", "/%25%41"),
            ("/%4%41", "/%254%41"),
            ("/a?b", "/a%3Fb"),
        ] {
            assert_eq!(path(written), sent);
            assert_eq!(query(written.into()), sent.replace("%3F", "?"));
        }
        assert_eq!(name(b"a/b?\xff%"), "a%2Fb%3F%FF%25");
    }

    #[test]
    fn what_no_server_takes_is_refused_before_it_is_asked() {
        let long = "x".repeat(LONGEST - 2);
        let refused = with_query("/a", Some(&long)).map(|_| ());
        assert_eq!(refused, Err(TooLong));
        assert_eq!(with_query("/", Some(&long)).unwrap().query(), Some(&*long));
    }

    /// RFC 3986, appendix A, in words of its own.
    fn is_by_the_book(text: &str, others: &str) -> bool {
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let fine = match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => true,
                '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=' | ':' | '@' => true,
                '%' => (0..2).all(|_| rest.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
                other => others.contains(other),
            };
            if !fine {
                return false;
            }
        }
        true
    }

    proptest! {
        #[test]
        fn any_text_becomes_valid_and_means_the_same(text in "([%a-f0-9/?&;=+]|.){0,40}") {
            for (sent, others) in [(path(&text), "/"), (query(text.as_str().into()), "/?")] {
                prop_assert!(is_by_the_book(&sent, others), "{sent}");
                let meant = |text: &str| percent_decode_str(text).collect::<Vec<_>>();
                prop_assert_eq!(meant(&sent), meant(&text));
                let again = if others == "/" { path(&sent) } else { query((&*sent).into()) };
                prop_assert_eq!(&again, &sent);
                let whole = with_query(&format!("/{sent}"), None);
                prop_assert!(whole.is_ok());
                // What separates parts and parameters stays what it is.
                for separator in ['/', '&', ';', '=', '+'] {
                    prop_assert_eq!(sent.matches(separator).count(), text.matches(separator).count());
                }
            }
        }
    }
}
