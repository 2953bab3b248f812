//! An answer of a storage node, which may say anything.

use std::collections::BTreeMap;

use noodle::ask::Content;
use noodle::ask::lists;
use noodle::json::object::{META, Object};
use serde::de::IgnoredAny;

/// Arrays and objects inside of each other that Noodle takes.
const MOST_DEPTH: usize = 128;

/// The scanner says of any bytes what serde_json says, and what is spliced stays valid, with the other members byte
/// for byte as they were.
pub fn holds(bytes: &[u8]) {
    let object = Object::parse(bytes);
    assert_eq!(object.is_ok(), is_an_object(bytes), "{object:?}");
    let Ok(object) = object else { return };

    let mut once = bytes.to_vec();
    object.splice(&mut once, |text| text.extend_from_slice(b"[1,2]"));
    let again = Object::parse(&once).expect("what was spliced is an object");
    assert_eq!(members(&object, bytes), members(&again, &once));
    assert!(once.ends_with(b"\"_meta\":[1,2]}"));
    let whole: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&once).expect("valid for others, too");
    assert!(whole.contains_key(META));
    let mut twice = once.clone();
    again.splice(&mut twice, |text| text.extend_from_slice(b"[1,2]"));
    assert_eq!(members(&object, bytes), members(&Object::parse(&twice).expect("an object"), &twice));

    for content in [Content::Hosts, Content::Metrics] {
        if let Ok(mut names) = lists::read(content, &object, bytes, |_| Ok(())) {
            let written = lists::write(content, &names);
            let object = Object::parse(&written).expect("an object");
            let mut read = lists::read(content, &object, &written, |_| Ok(())).expect("a list");
            // In what order they stand is Visage's affair.
            read.sort_unstable();
            names.sort_unstable();
            names.dedup();
            assert_eq!(read, names);
        }
    }
}

fn members<'a>(object: &Object, text: &'a [u8]) -> Vec<&'a [u8]> {
    object.members().map(|member| &text[member.whole.clone()]).collect()
}

/// What serde_json says. Of values, as of Noodle's, only the grammar counts: a number may be beyond any range, and an
/// escape may be half of a character.
fn is_an_object(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
        && serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(bytes).is_ok()
        && depth(bytes) <= MOST_DEPTH
}

/// How deep valid JSON is nested.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut depth, mut in_string, mut escaped) = (0, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
