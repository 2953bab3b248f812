//! A request of a client of Noodle: a path and a query.

use std::collections::HashSet;

use noodle::ask::{Content, Question};
use noodle::upstream::visage::url;
use noodle::visage::hosts::is_plain;
use noodle::visage::path::DataPath;
use noodle::visage::query::{self, Query};
use noodle::visage::request::{Asked, Bounds, Whom};
use percent_encoding::percent_decode_str;

const NOW: i64 = 1_795_292_350;
const BOUNDS: Bounds = Bounds { max_hosts: 50, max_window: 86_400, has_rows: true };

/// Whatever a client asks for, storage nodes are asked for nothing but names: no part of a path leads out of its
/// directory, no part is more than one, the list of hosts is within its limit, and what is asked for is asked for
/// again if it comes back. It is what RFC 3986 allows, whatever was written.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Other paths have other routes, and what hyper does not take for a URI has none.
    if !(text.is_empty() || text.starts_with(['/', '?'])) {
        return;
    }
    let Ok(uri) = format!("/data{text}").parse() else { return };
    let Ok(asked) = Asked::read(&uri, NOW, BOUNDS) else { return };

    match &asked.whom {
        Whom::Owner(wanted) => {
            let written = url::of(wanted).expect("it was read, so that is bounded");
            let path = check(&asked, written.as_str());
            assert_eq!(&*path.host, wanted.hosts.shown());
            assert!(is_plain(&path.host));
        }
        Whom::Many { names, patterns } => {
            let patterns_of_all: usize = patterns.iter().map(|together| together.len().max(1)).sum();
            assert!((1..=BOUNDS.max_hosts).contains(&(names.len() + patterns_of_all)));
            assert_eq!(names.len(), names.iter().collect::<HashSet<_>>().len());
            for name in names {
                let wanted = asked.name(name);
                let written = url::of(&wanted).expect("it was read, so that is bounded");
                let path = check(&asked, written.as_str());
                assert_eq!((&*path.host, wanted.hosts.shown()), (&name[..], &name[..]));
                assert!(is_plain(name));
            }
            let mut bytes = 0;
            for pattern in patterns {
                let wanted: Question = asked.patterns(pattern);
                let written = url::of(&wanted).expect("it was read, so that is bounded");
                check(&asked, written.as_str());
                bytes += written.as_str().len() + wanted.hosts.shown().len();
            }
            assert!(bytes + names.concat().len() <= asked.bytes(), "what is held is accounted for");
        }
    }
}

/// Reads what a target is asked for as Noodle would.
fn check<'a>(asked: &Asked<'_>, written: &'a str) -> DataPath<'a> {
    let (written_path, forwarded) =
        written.split_once('?').map_or((written, None), |(path, query)| (path, Some(query)));
    let path = DataPath::parse(written_path).expect("what is forwarded was found fit");
    assert_eq!(path.content, asked.path.content);
    let decoded = |text| percent_decode_str(text).collect::<Vec<_>>();
    assert_eq!(decoded(path.rest), decoded(asked.path.rest));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    assert!(written.bytes().all(is_allowed), "{}", written);
    let mut escapes = written.split('%').skip(1).map(str::as_bytes);
    assert!(
        escapes.all(|digits| digits.iter().take(2).filter(|digit| digit.is_ascii_hexdigit()).count() == 2)
    );
    for part in written_path.split('/').skip(2) {
        let part: Vec<u8> = percent_decode_str(part).collect();
        let is_list_of_all = path.content == Content::Hosts;
        assert!(is_list_of_all || !part.is_empty());
        assert!(part != b"." && !part.windows(2).any(|pair| pair == b".."));
        assert!(!part.iter().any(|byte| *byte == b'/' || byte.is_ascii_control()));
    }
    let again = Query::parse(forwarded, NOW, BOUNDS.max_window).expect("what is forwarded was found fit");
    assert_eq!(again.forwarded.as_deref(), forwarded, "and needs no change");
    assert_eq!(query::callback(forwarded), Ok(None), "the callback stays here");
    path
}
