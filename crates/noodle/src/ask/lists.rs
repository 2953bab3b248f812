//! Answers that are a list of names: `{"hosts": [...]}` and `{"metrics": [...]}`.

use ::visage::selection::order;
use serde::Serialize;

use super::Content;
use crate::budget::push;
use crate::failure::Failure;
use crate::json::object::Object;
use crate::json::scanner::{Fault, Scanner};

/// The member that a list stands in.
pub fn key(content: Content) -> &'static str {
    match content {
        Content::Hosts => "hosts",
        Content::Metrics | Content::Series => "metrics",
    }
}

/// The names in the list of an answer; none where it is null or missing, as Visage says of a host that it does not
/// know. `lend` pays for the bytes that they take before these are taken.
pub fn read(
    content: Content,
    object: &Object,
    text: &[u8],
    mut lend: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<Vec<String>, Failure> {
    let Some(list) = object.member(key(content)) else {
        return Ok(Vec::new());
    };
    let is_none = |_: Fault| Failure::NoList(key(content));
    let text = str::from_utf8(&text[list.value.clone()]).map_err(|_| Failure::NoList(key(content)))?;
    let mut names = Vec::new();
    if text == "null" {
        return Ok(names);
    }
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.expect(b'[', "a list").map_err(is_none)?;
    let mut is_open = !scanner.takes(b']');
    while is_open {
        let quoted = scanner.string().map_err(is_none)?;
        let name: String = serde_json::from_str(&text[quoted]).map_err(|_| Failure::NoList(key(content)))?;
        let length = name.len();
        push(&mut names, name, length, &mut lend)?;
        is_open = scanner.takes(b',');
        if !is_open {
            scanner.expect(b']', "a comma or ]").map_err(is_none)?;
        }
    }
    Ok(names)
}

/// An answer with these names, in the order of Visage: `{"hosts":["a","b"]}`.
pub fn write<N: AsRef<str> + Ord + Serialize>(
    content: Content,
    names: impl IntoIterator<Item = N>,
) -> Vec<u8> {
    let mut names: Vec<N> = names.into_iter().collect();
    // A name of a host has no slash.
    fn parts(name: &str) -> (&[u8], &[u8]) {
        let (plugin, instance) = name.split_once('/').unwrap_or((name, ""));
        (plugin.as_bytes(), instance.as_bytes())
    }
    names.sort_unstable_by(|one, other| order(parts(one.as_ref()), parts(other.as_ref())));
    names.dedup();
    // What escapes make longer is rare.
    let length: usize = names.iter().map(|name| name.as_ref().len() + 3).sum();
    let mut text = Vec::with_capacity(length + 16);
    text.extend_from_slice(format!("{{\"{}\":", key(content)).as_bytes());
    serde_json::to_writer(&mut text, &names).expect("strings have a JSON form, and memory takes it");
    text.push(b'}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, Failure> {
        read(Content::Metrics, &Object::parse(text.as_bytes()).unwrap(), text.as_bytes(), |_| Ok(()))
    }

    #[test]
    fn a_list_may_be_empty_null_or_not_there() {
        for text in ["{}", r#"{"metrics":null}"#, r#"{"metrics": [ ] }"#, r#"{"hosts":["a"]}"#] {
            assert_eq!(names(text), Ok(vec![]), "{text}");
        }
        let expected = Ok(vec!["\u{e9}".to_owned(), "a".to_owned()]);
        assert_eq!(names(r#"{"metrics":["\u00e9","a"]}"#), expected);
    }

    #[test]
    fn what_is_no_list_of_names_is_a_failure() {
        for list in ["5", "\"a\"", "{}", "[1]", "[null]", "[\"a\",1]", "[[\"a\"]]", "[\"\\ud800\"]"] {
            assert_eq!(names(&format!("{{\"metrics\":{list}}}")), Err(Failure::NoList("metrics")), "{list}");
        }
    }

    #[test]
    fn names_are_paid_for() {
        let text = format!(r#"{{"metrics":[{}"a"]}}"#, r#""","#.repeat(1000));
        let object = Object::parse(text.as_bytes()).unwrap();
        let read = |most: usize| {
            let mut lent = 0;
            read(Content::Metrics, &object, text.as_bytes(), |bytes| {
                lent += bytes;
                if lent > most { Err(Failure::Memory) } else { Ok(()) }
            })
        };
        assert_eq!(read(1024 * size_of::<String>() + 100).unwrap().len(), 1001);
        assert_eq!(read(1024 * size_of::<String>()), Err(Failure::Memory));
    }

    #[test]
    fn what_is_written_is_sorted_and_has_each_name_once() {
        let names = ["b", "a\"", "c", "b"].map(str::to_owned);
        assert_eq!(write(Content::Hosts, &names), br#"{"hosts":["a\"","b","c"]}"#);
        let names = ["df-dev/a", "df/b", "df/b-c"];
        assert_eq!(write(Content::Metrics, names), br#"{"metrics":["df/b-c","df/b","df-dev/a"]}"#);
        assert_eq!(write::<String>(Content::Metrics, []), br#"{"metrics":[]}"#);
    }
}
