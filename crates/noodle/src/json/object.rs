//! An answer as a JSON object: found valid without building a tree, changed without touching what is not changed.

use std::ops::Range;

use thiserror::Error;

use super::scanner::{Fault, Scanner};
use crate::budget::push;

/// The member that Noodle adds.
pub const META: &str = "_meta";

/// Arrays and objects inside of each other, at most: what `serde_json` and the like take when they build a tree, as
/// clients do. Visage's answers are 6 deep.
const MOST_DEPTH: u32 = 128;

/// Characters shown of what is no JSON.
const MOST_SHOWN: usize = 12;

/// Where the members of an object stand in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    members: Vec<Member>,
    /// Of the closing brace.
    end: usize,
}

/// A member of an [`Object`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key, decoded.
    pub key: String,
    /// From the quote of the key to the end of the value.
    pub whole: Range<usize>,
    /// The value alone.
    pub value: Range<usize>,
}

/// Why a text is not an object that can be passed on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAnObject {
    /// JSON is UTF-8 (RFC 8259, 8.1).
    #[error("not UTF-8 from byte {0} on")]
    Utf8(usize),
    /// Not JSON, or JSON of another kind.
    #[error("{0}")]
    Json(String),
    /// More nesting than clients take.
    #[error("nested more than {MOST_DEPTH} deep")]
    TooDeep,
}

impl Object {
    /// Finds the members of the object that is the whole of `text`.
    pub fn parse(text: &[u8]) -> Result<Self, NotAnObject> {
        Self::parse_within(text, |_| Ok(()))
    }

    /// The same, where `lend` pays for the bytes that the members take before they are taken: a text of many short
    /// ones makes a list many times as large.
    pub fn parse_within<E: From<NotAnObject>>(
        text: &[u8],
        mut lend: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut scanner = Scanner::new(text);
        let mut members = Vec::new();
        let fault = |fault| NotAnObject::of(fault, text);
        scanner.expect(b'{', "an object").map_err(fault)?;
        let mut is_open = !scanner.takes(b'}');
        while is_open {
            let member = Member::next(&mut scanner, text)?;
            is_open = scanner.takes(b',');
            if !is_open {
                scanner.expect(b'}', "a comma or }").map_err(fault)?;
            }
            let key = member.key.len();
            push(&mut members, member, key, &mut lend)?;
        }
        let end = scanner.at() - 1;
        scanner.end().map_err(fault)?;
        if !scanner.is_ascii() {
            utf8(text)?;
        }
        Ok(Self { members, end })
    }

    /// The object that is the whole of `text`, which Noodle itself has written: its members are not told apart.
    pub fn whole(text: &[u8]) -> Self {
        let end = text.len().saturating_sub(1);
        let whole = 1..end;
        let member = Member { key: String::new(), value: whole.clone(), whole };
        Self { members: if end > 1 { vec![member] } else { Vec::new() }, end }
    }

    /// How many members there are, [`META`] among them.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The members but [`META`], in the order of the text.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.members.iter().filter(|member| member.key != META)
    }

    /// The member of this key: of several the last, as for most who read JSON.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members().rfind(|member| member.key == key)
    }

    /// The members but [`META`], sorted by key, and of several of one key the last.
    pub fn last_members(&self) -> Vec<&Member> {
        let mut members: Vec<_> = self.members().rev().collect();
        members.sort_by(|one, other| one.key.cmp(&other.key));
        members.dedup_by(|one, other| one.key == other.key);
        members
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.members().next().is_none()
    }

    /// Puts a last member [`META`] into `text`, from which this object was parsed; `value` writes it. One that is
    /// there already makes way. The bytes of the other members stay as they are.
    pub fn splice(&self, text: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
        if self.members.iter().any(|member| member.key == META) {
            let others = self.members().map(|member| &text[member.whole.clone()]);
            *text = [b"{", &others.collect::<Vec<_>>().join(&b","[..])[..], b"}"].concat();
            text.pop();
        } else {
            text.truncate(self.end);
        }
        if !self.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(b"\"_meta\":");
        value(text);
        text.push(b'}');
    }
}

impl Member {
    fn next(scanner: &mut Scanner<'_>, text: &[u8]) -> Result<Self, NotAnObject> {
        let fault = |fault| NotAnObject::of(fault, text);
        let key = scanner.string().map_err(fault)?;
        scanner.expect(b':', "a colon").map_err(fault)?;
        let value = scanner.value(MOST_DEPTH - 1).map_err(fault)?;
        let whole = key.start..value.end;
        // An escape may stand for half a character only.
        let decoded = serde_json::from_slice(&text[key]);
        let key = decoded.map_err(|error| match utf8(text) {
            Ok(_) => NotAnObject::Json(format!("a key: {error}")),
            Err(not_utf8) => not_utf8,
        })?;
        Ok(Self { key, whole, value })
    }
}

fn utf8(text: &[u8]) -> Result<&str, NotAnObject> {
    std::str::from_utf8(text).map_err(|error| NotAnObject::Utf8(error.valid_up_to()))
}

impl NotAnObject {
    /// Says what stands there instead, or that the text is not UTF-8.
    fn of(fault: Fault, text: &[u8]) -> Self {
        let text = match utf8(text) {
            Ok(text) => text,
            Err(not_utf8) => return not_utf8,
        };
        match fault {
            Fault::Expected(what, byte) => {
                let found: String = text.get(byte..).unwrap_or_default().chars().take(MOST_SHOWN).collect();
                let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
                Self::Json(format!("expected {what} at byte {byte}, found {found}"))
            }
            Fault::TooDeep => Self::TooDeep,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;
    use crate::budget::{Budget, Reservation};
    use crate::failure::Failure;
    use crate::json::scanner::tests::json;

    fn spliced(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let object = Object::parse(&bytes).unwrap();
        object.splice(&mut bytes, |text| text.extend_from_slice(b"1"));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_order_and_escapes_stay_as_they_are() {
        for (text, expected) in [
            ("{}", r#"{"_meta":1}"#),
            (" { } \n", r#" { "_meta":1}"#),
            (
                r#"{"b":[1.0,1e400,12345678901234567890,-0.0],"a":"\u00e9\/"}"#,
                r#"{"b":[1.0,1e400,12345678901234567890,-0.0],"a":"\u00e9\/","_meta":1}"#,
            ),
            ("{\"a\" : null\n}\n", "{\"a\" : null\n,\"_meta\":1}"),
            (r#"{"_meta":{"x":2}}"#, r#"{"_meta":1}"#),
            (r#"{"a":1 , "\u005fmeta": {"x":2}, "b":"}"}"#, r#"{"a":1,"b":"}","_meta":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2,"_meta":1}"#),
        ] {
            assert_eq!(spliced(text), expected);
        }
    }

    #[test]
    fn members_are_where_they_stand() {
        let text = r#"{ "a\"b" : [1, {"x": 2}] ,"c":"d" }"#;
        let object = Object::parse(text.as_bytes()).unwrap();
        let found: Vec<_> = object
            .members()
            .map(|member| (member.key.as_str(), &text[member.whole.clone()], &text[member.value.clone()]))
            .collect();
        assert_eq!(
            found,
            [("a\"b", r#""a\"b" : [1, {"x": 2}]"#, r#"[1, {"x": 2}]"#), ("c", r#""c":"d""#, r#""d""#)]
        );
        assert!(!object.is_empty() && Object::parse(br#"{"_meta":{}}"#).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_an_object_is_told_apart() {
        for text in [
            "",
            "null",
            "[]",
            "1",
            "\"{}\"",
            "<h1>",
            "{",
            "{}{}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{'a':1}",
            "\u{feff}{}",
            "{\"a\":nan}",
        ] {
            assert!(matches!(Object::parse(text.as_bytes()), Err(NotAnObject::Json(_))), "{text}");
        }
        for (text, from) in [
            (&b"{\"a\":\"\xff\"}"[..], 6),
            (b"{\"\xff\":1}", 2),
            (b"{\"a\":\xff}", 5),
            (b"{\"a\":[\"\xc3\xa9\",\"\xc3\"]}", 12),
            (b"{\"a\":1}\xff", 7),
            // Wherever else something is at fault.
            (b"{\"a\" 1, \"\xff\":1}", 9),
        ] {
            assert_eq!(Object::parse(text), Err(NotAnObject::Utf8(from)));
        }
        assert!(matches!(Object::parse(b"{\"a\":\"\n\"}"), Err(NotAnObject::Json(_))));
    }

    #[test]
    fn an_error_says_what_was_found() {
        for (text, expected) in [
            ("<html>\n<body>", r#"expected an object at byte 0, found "<html>\n<body""#),
            ("{\"a\":[1,NaN]}", r#"expected a value at byte 8, found "NaN]}""#),
            ("{\"a\":-Infinity}", r#"expected a digit at byte 6, found "Infinity}""#),
            ("{\"a\":1", "expected a comma or } at byte 6, found the end"),
        ] {
            assert_eq!(Object::parse(text.as_bytes()).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn members_are_paid_for_and_nothing_is_read_on_when_that_is_refused() {
        let text = format!("{{{}\"long\":1}}", "\"\":0,".repeat(1000));
        let budget = Budget::new(1024 * size_of::<Member>() + 100);
        let mut reservation = budget.reserve(0).unwrap();
        let object = Object::parse_within(text.as_bytes(), |bytes| pay(&mut reservation, bytes)).unwrap();
        assert_eq!(object.len(), 1001);
        assert!(budget.lent() >= object.members.capacity() * size_of::<Member>() + 4);
        let mut other = budget.reserve(0).unwrap();
        let refused = Object::parse_within(text.as_bytes(), |bytes| pay(&mut other, bytes));
        assert_eq!(refused, Err(Failure::Memory));
    }

    fn pay(reservation: &mut Reservation, bytes: usize) -> Result<(), Failure> {
        Ok(reservation.grow(bytes)?)
    }

    #[test]
    fn depth_has_a_limit_that_brackets_in_strings_do_not_count_for() {
        let nested = |depth: usize| {
            format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes()
        };
        assert!(Object::parse(&nested(MOST_DEPTH as usize)).is_ok());
        assert_eq!(Object::parse(&nested(MOST_DEPTH as usize + 1)), Err(NotAnObject::TooDeep));
        assert_eq!(Object::parse(&nested(1_000_000)), Err(NotAnObject::TooDeep));
        let strings = format!("{{\"a\":[\"{0}\",\"\\\"{0}\",{{}}]}}", "[{".repeat(1000));
        assert!(Object::parse(strings.as_bytes()).is_ok());
        let wide = format!("{{\"a\":[{}1]}}", "[1],".repeat(1000));
        assert!(Object::parse(wide.as_bytes()).is_ok());
        assert!(Object::parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    /// What serde_json says of members: of values, as here, only the grammar counts.
    fn members(text: &[u8]) -> Option<BTreeMap<String, IgnoredAny>> {
        serde_json::from_str(std::str::from_utf8(text).ok()?).ok()
    }

    proptest! {
        #[test]
        fn splicing_leaves_the_other_members_byte_for_byte(text in json()) {
            let Ok(before) = Object::parse(text.as_bytes()) else {
                prop_assert!(members(text.as_bytes()).is_none(), "{}", text);
                return Ok(());
            };
            let after_text = spliced(&text);
            let after = Object::parse(after_text.as_bytes()).unwrap();
            let bytes = |object: &Object, text: &str| {
                object.members().map(|member| text[member.whole.clone()].to_owned()).collect::<Vec<_>>()
            };
            prop_assert_eq!(bytes(&before, &text), bytes(&after, &after_text));
            prop_assert!(members(after_text.as_bytes()).unwrap().contains_key(META));
            let is_last = after_text.ends_with("\"_meta\":1}");
            prop_assert!(is_last, "{}", after_text);
            // One that is there already makes way, and nothing else changes.
            let twice = spliced(&after_text);
            prop_assert_eq!(bytes(&before, &text), bytes(&Object::parse(twice.as_bytes()).unwrap(), &twice));
            prop_assert_eq!(twice.matches("\"_meta\":1}").count(), 1);
        }

        #[test]
        fn arbitrary_bytes_are_taken_only_if_they_are_an_object(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(Object::parse(&bytes).is_ok(), members(&bytes).is_some());
        }
    }
}
