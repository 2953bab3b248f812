//! Reading JSON without decoding it: whether it is valid, and where a value ends.
//!
//! Strict as RFC 8259 and `serde_json` are; property tests hold it to the latter. It is here because answers are long
//! lists of numbers, and a reader that takes byte by byte spends most of Noodle's time on digits; this one reads such
//! lists 64 bytes at a time.

use std::ops::Range;

use super::block::LENGTH;
use super::numbers::Numbers;

/// The bit of each byte of a word by which the functions below mark it.
const MARK: u64 = 0x80 * EACH;
const EACH: u64 = 0x0101_0101_0101_0101;

/// A place in a text of JSON.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Up to here plain numbers are not looked for: something else stands before it.
    not_plain: usize,
    is_ascii: bool,
}

/// Why a text is not what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something else stands at this byte.
    Expected(&'static str, usize),
    /// More nesting than is taken.
    TooDeep,
}

/// What encloses a value, up to 128 deep: a bit for each level, set for an object.
#[derive(Debug, Default)]
struct Nesting {
    depth: u32,
    objects: u128,
}

impl Nesting {
    fn open(&mut self, is_object: bool) {
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl<'a> Scanner<'a> {
    /// The beginning of a text. That it is UTF-8 is all that is not looked at here.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, not_plain: 0, is_ascii: true }
    }

    /// Whether all strings so far are of ASCII, as all that stands outside of strings is: then it is UTF-8.
    pub(crate) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// The place: a number of bytes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Passes white space, and then this byte if it is there.
    pub(crate) fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.next() == byte;
        self.at += usize::from(is_there);
        is_there
    }

    /// Passes white space and this byte.
    pub(crate) fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), Fault> {
        if self.takes(byte) { Ok(()) } else { self.fault(name) }
    }

    /// Passes white space, behind which nothing may stand.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.next();
        if self.at == self.text.len() { Ok(()) } else { self.fault("the end") }
    }

    /// Passes white space and a string. Returns where it stands, with its quotes.
    pub(crate) fn string(&mut self) -> Result<Range<usize>, Fault> {
        self.expect(b'"', "a string")?;
        let start = self.at - 1;
        loop {
            self.pass(special_in_string);
            match self.byte() {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return self.fault("the end of a string"),
            }
        }
        self.at += 1;
        self.is_ascii &= self.text[start..self.at].is_ascii();
        Ok(start..self.at)
    }

    /// Passes white space and a value with at most `most_depth` arrays and objects inside of each other, 128 at the
    /// utmost. Returns where it stands.
    pub(crate) fn value(&mut self, most_depth: u32) -> Result<Range<usize>, Fault> {
        self.next();
        let start = self.at;
        let mut nesting = Nesting::default();
        loop {
            match self.next() {
                b'-' | b'0'..=b'9' if self.is_behind_plain_numbers(&nesting) => continue,
                b'-' | b'0'..=b'9' => self.number()?,
                b'"' => {
                    self.string()?;
                }
                open @ (b'[' | b'{') => {
                    if nesting.depth == most_depth {
                        return Err(Fault::TooDeep);
                    }
                    self.at += 1;
                    nesting.open(open == b'{');
                    let close = if open == b'{' { b'}' } else { b']' };
                    if self.next() != close {
                        self.key(&nesting)?;
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return self.fault("a value"),
            }
            // A value ends here, and with it all that it is the last of.
            loop {
                if nesting.depth == 0 {
                    return Ok(start..self.at);
                }
                match (self.next(), nesting.is_in_object()) {
                    (b',', _) => {
                        self.at += 1;
                        self.key(&nesting)?;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        nesting.close();
                    }
                    (_, true) => return self.fault("a comma or }"),
                    (_, false) => return self.fault("a comma or ]"),
                }
            }
        }
    }

    /// Passes the key of a member where one must stand.
    fn key(&mut self, nesting: &Nesting) -> Result<(), Fault> {
        if !nesting.is_in_object() {
            return Ok(());
        }
        self.string()?;
        self.expect(b':', "a colon")
    }

    /// Passes items of an array with their commas, as long as they are plain numbers. Returns whether there were any;
    /// another value must follow then.
    fn is_behind_plain_numbers(&mut self, nesting: &Nesting) -> bool {
        if nesting.depth == 0 || nesting.is_in_object() || self.at < self.not_plain {
            return false;
        }
        let before = self.at;
        let mut numbers = Numbers::new();
        let (blocks, rest) = self.text[before..].as_chunks();
        // What is left over is filled up with NUL, which ends every list.
        let mut last = [0; LENGTH];
        last[..rest.len()].copy_from_slice(rest);
        for (index, block) in blocks.iter().chain([&last]).enumerate() {
            let passed = numbers.pass(block);
            if passed.length > 0 {
                self.at = before + LENGTH * index + passed.length;
            }
            if passed.is_end {
                self.not_plain = before + LENGTH * (index + 1);
                break;
            }
        }
        self.at > before
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.at += usize::from(self.byte() == b'-');
        // Nothing may follow a leading zero, and something must follow a point.
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.pass(other_than_digits);
        if self.at > start { Ok(()) } else { self.fault("a digit") }
    }

    /// Passes a backslash and what belongs to it.
    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let hexadecimal = match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
            b'u' => 4,
            _ => return self.fault("an escape"),
        };
        self.at += 1;
        for _ in 0..hexadecimal {
            if !self.byte().is_ascii_hexdigit() {
                return self.fault("a hexadecimal digit");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(word) {
            return self.fault("a value");
        }
        self.at += word.len();
        Ok(())
    }

    /// Goes to the first byte that `special` marks, or to the end.
    #[inline]
    fn pass(&mut self, special: impl Fn(u64) -> u64) {
        while let Some(bytes) = self.text.get(self.at..).and_then(<[u8]>::first_chunk) {
            let marked = special(u64::from_le_bytes(*bytes)) & MARK;
            if marked != 0 {
                self.at += marked.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while self.at < self.text.len() && special(u64::from(self.byte())) & 0x80 == 0 {
            self.at += 1;
        }
    }

    /// Passes white space, and returns what follows.
    #[inline]
    fn next(&mut self) -> u8 {
        while let b' ' | b'\n' | b'\t' | b'\r' = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// What stands here; NUL at the end, which stands nowhere in JSON.
    #[inline]
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[cold]
    fn fault<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault::Expected(expected, self.at))
    }
}

/// Marks the bytes of a word that are no digits.
#[inline]
fn other_than_digits(word: u64) -> u64 {
    let word = word ^ (0x30 * EACH);
    word | (word & !MARK).wrapping_add(0x76 * EACH)
}

/// Marks what ends a run of characters of a string: a quote, a backslash, a control character. Right for the first
/// byte marked and for those before it; what a difference borrows changes later bytes.
#[inline]
fn special_in_string(word: u64) -> u64 {
    let below = |word: u64, limit: u64| word.wrapping_sub(limit * EACH) & !word;
    let is = |byte: u8| below(word ^ (u64::from(byte) * EACH), 1);
    is(b'"') | is(b'\\') | below(word, 0x20)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn scan(text: &str) -> Result<Range<usize>, Fault> {
        let mut scanner = Scanner::new(text.as_bytes());
        let value = scanner.value(128)?;
        scanner.end()?;
        Ok(value)
    }

    fn is_taken_by_serde(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn faults_name_what_was_expected_and_where() {
        for (text, expected, at) in [
            ("", "a value", 0),
            ("[1,]", "a value", 3),
            ("{\"a\" 1}", "a colon", 5),
            ("{,}", "a string", 1),
            ("[1}", "a comma or ]", 2),
            ("{\"a\":1]", "a comma or }", 6),
            ("1 2", "the end", 2),
            ("-", "a digit", 1),
            ("1.e1", "a digit", 2),
            ("\"12345678\n\"", "the end of a string", 9),
            ("\"\\x\"", "an escape", 2),
            ("\"\\u00g0\"", "a hexadecimal digit", 5),
            ("nul", "a value", 0),
        ] {
            assert_eq!(scan(text), Err(Fault::Expected(expected, at)), "{text}");
            assert!(!is_taken_by_serde(text), "{text}");
        }
    }

    #[test]
    fn every_byte_is_special_where_it_should_be_at_every_place_of_a_word() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let first = |marked: u64| (marked & MARK).trailing_zeros() as usize / 8;
                let word = |filling: u8| {
                    let mut word = [filling; 8];
                    word[place] = byte;
                    // What is behind must not matter.
                    word[place + 1..].fill(0xff);
                    u64::from_le_bytes(word)
                };
                for digit in b'0'..=b'9' {
                    let marked = other_than_digits(word(digit));
                    assert_eq!(first(marked) == place, !byte.is_ascii_digit(), "{byte} at {place}");
                }
                for letter in [b' ', b'a', 0x7f, 0x80, 0xff] {
                    let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let marked = special_in_string(word(letter));
                    assert_eq!(first(marked) == place, is_special, "{byte} at {place} among {letter}");
                }
            }
        }
    }

    /// Any JSON, with white space and escapes as somebody may write them.
    pub(crate) fn json() -> impl Strategy<Value = String> {
        let space = "[ \n\t\r]{0,2}";
        let string = r#""([a-z{}\[\],: é_]{0,9}|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]){0,4}""#;
        let leaf = prop_oneof![
            "null|true|false",
            "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][-+]?[0-9]{1,3})?",
            string
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            let member = (string, space, inner.clone())
                .prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"));
            prop_oneof![
                (proptest::collection::vec(inner, 0..6), space)
                    .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!("{space},")))),
                (proptest::collection::vec(member, 0..6), space).prop_map(|(items, space)| format!(
                    "{space}{{{space}{}{space}}}{space}",
                    items.join(&format!(",{space}"))
                )),
            ]
        })
    }

    /// Long lists of numbers, some of which are none.
    fn numbers() -> impl Strategy<Value = String> {
        let good = "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,9})?";
        let bad = "[-+.e019]{0,4}| {0,2}|null|\\[\\]|1e5|\"1,\"";
        let number = prop_oneof![200 => good, 1 => bad, 1 => " {0,2}1"];
        proptest::collection::vec(number, 0..100).prop_map(|numbers| format!("[{}]", numbers.join(",")))
    }

    proptest! {
        #[test]
        fn lists_of_numbers_are_taken_if_all_of_them_are_numbers(text in numbers(), at in any::<prop::sample::Index>()) {
            prop_assert_eq!(scan(&text).is_ok(), is_taken_by_serde(&text), "{}", text);
            let cut = &text[..at.index(text.len())];
            prop_assert!(scan(cut).is_err(), "{}", cut);
            let object = format!("{{\"a\":{}}}", &text[1..text.len() - 1]);
            prop_assert_eq!(scan(&object).is_ok(), is_taken_by_serde(&object), "{}", object);
        }

        #[test]
        fn all_json_is_taken_from_its_first_byte_to_its_last(text in json()) {
            let space = |c: char| " \n\t\r".contains(c);
            let start = text.len() - text.trim_start_matches(space).len();
            prop_assert_eq!(scan(&text), Ok(start..text.trim_end_matches(space).len()));
        }

        #[test]
        fn a_change_is_taken_only_if_it_leaves_json(
            text in json(),
            place in any::<prop::sample::Index>(),
            change in prop_oneof![
                Just(String::new()),
                "[-+.eE0-9\\[\\]{},:\"\\\\ tfnu\u{0}\u{1f}\u{b}a/]{1,2}"
            ],
            is_added in any::<bool>(),
        ) {
            let characters: Vec<char> = text.chars().collect();
            let place = place.index(characters.len());
            let behind = if is_added { place } else { place + 1 };
            let changed: String =
                characters[..place].iter().copied().chain(change.chars()).chain(characters[behind..].iter().copied()).collect();
            prop_assert_eq!(scan(&changed).is_ok(), is_taken_by_serde(&changed), "{}", changed);
        }

        #[test]
        fn no_text_is_taken_that_is_not_json(text in "[-+.eE019\\[\\]{},:\"\\\\ tfnulrase]{0,12}") {
            prop_assert_eq!(scan(&text).is_ok(), is_taken_by_serde(&text), "{}", text);
        }
    }
}
