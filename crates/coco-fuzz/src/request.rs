//! A request of a client of Noodle: a path and a query.

use std::collections::HashSet;

use noodle::ask::Content;
use noodle::fleet::Wanted;
use noodle::visage::hosts::is_plain;
use noodle::visage::path::DataPath;
use noodle::visage::query::{self, Query};
use noodle::visage::request::{Asked, Bounds, Whom};
use percent_encoding::percent_decode_str;

const NOW: i64 = 1_795_292_350;
const BOUNDS: Bounds = Bounds { max_hosts: 50, max_window: 86_400 };

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
            let path = check(&asked, wanted);
            assert_eq!(&*path.host, &*wanted.host);
            assert!(is_plain(&path.host));
        }
        Whom::Many { names, patterns } => {
            assert!((1..=BOUNDS.max_hosts).contains(&(names.len() + patterns.len())));
            assert_eq!(names.len(), names.iter().collect::<HashSet<_>>().len());
            for name in names {
                let wanted = asked.name(name);
                let path = check(&asked, &wanted);
                assert_eq!((&*path.host, &*wanted.host), (&name[..], &name[..]));
                assert!(is_plain(name));
            }
            let mut bytes = 0;
            for pattern in patterns {
                let wanted = asked.pattern(pattern);
                check(&asked, &wanted);
                bytes += wanted.path.as_str().len() + wanted.host.len();
            }
            assert!(bytes + names.concat().len() <= asked.bytes(), "what is held is accounted for");
        }
    }
}

/// Reads what a target is asked for as Noodle would.
fn check<'a>(asked: &Asked<'_>, wanted: &'a Wanted) -> DataPath<'a> {
    let path = DataPath::parse(wanted.path.path()).expect("what is forwarded was found fit");
    assert_eq!(path.content, asked.path.content);
    let decoded = |text| percent_decode_str(text).collect::<Vec<_>>();
    assert_eq!(decoded(path.rest), decoded(asked.path.rest));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    assert!(wanted.path.as_str().bytes().all(is_allowed), "{}", wanted.path);
    let mut escapes = wanted.path.as_str().split('%').skip(1).map(str::as_bytes);
    assert!(
        escapes.all(|digits| digits.iter().take(2).filter(|digit| digit.is_ascii_hexdigit()).count() == 2)
    );
    for part in wanted.path.path().split('/').skip(2) {
        let part: Vec<u8> = percent_decode_str(part).collect();
        let is_list_of_all = path.content == Content::Hosts;
        assert!(is_list_of_all || !part.is_empty());
        assert!(part != b"." && !part.windows(2).any(|pair| pair == b".."));
        assert!(!part.iter().any(|byte| *byte == b'/' || byte.is_ascii_control()));
    }
    let forwarded = wanted.path.query();
    let again = Query::parse(forwarded, NOW, BOUNDS.max_window).expect("what is forwarded was found fit");
    assert_eq!(again.forwarded.as_deref(), forwarded, "and needs no change");
    assert_eq!(query::callback(forwarded), Ok(None), "the callback stays here");
    path
}
