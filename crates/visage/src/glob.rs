//! Patterns for names, as `Dir.glob` of Ruby reads them (`dir.c`, `File.fnmatch`).
//!
//! | pattern | matches |
//! |---|---|
//! | `*` | any characters, also none; not a dot at the front of a name |
//! | `?` | one character; not a dot at the front |
//! | `[a-z]`, `[^a-z]`, `[!a-z]` | one character of the set, or not of it; not a dot at the front |
//! | `{a,b}` | either; braces are [`expanded`] before anything is matched |
//! | anything else | itself |
//!
//! A character is one of UTF-8, or a byte where there is none. A backslash means nothing: Visage's web server makes a
//! slash of it, and no name holds one.

use std::ops::Range;

use thiserror::Error;

/// The longest pattern that braces may stand for, in bytes: no file system of Linux has longer names (NAME_MAX).
pub const MOST_LENGTH: usize = 255;

/// The most bytes that are made of one pattern, all steps together.
const MOST_BYTES: usize = 1 << 20;

/// Why braces are not expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooMuch {
    /// More alternatives than a request may have.
    #[error("stand for more than {0} patterns")]
    Patterns(usize),
    /// A pattern that is longer than any name.
    #[error("stand for a pattern of more than {MOST_LENGTH} bytes")]
    Long,
    /// Alternatives that are short and few, and yet take so many bytes on the way.
    #[error("stand for more than {MOST_BYTES} bytes of patterns")]
    Bytes,
    /// More patterns with `*`, `?` or `[` than names can be compared with.
    #[error("stand for more than {0} patterns with *, ? or [")]
    Globs(usize),
}

/// The patterns that braces stand for, in their order, at most `most`, each of at most [`MOST_LENGTH`] bytes.
///
/// Braces without their other half stand for themselves.
///
/// # Errors
/// When there are more, or they are longer; before they are made.
pub fn expanded(pattern: &[u8], most: usize) -> Result<Vec<Vec<u8>>, TooMuch> {
    let mut waiting = vec![pattern.to_vec()];
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(pattern) = waiting.pop() {
        let Some((start, end)) = braces(&pattern) else {
            if pattern.len() > MOST_LENGTH {
                return Err(TooMuch::Long);
            }
            found.push(pattern);
            continue;
        };
        // What stands in front of braces stands in all that comes of them.
        if start > MOST_LENGTH {
            return Err(TooMuch::Long);
        }
        let alternatives = alternatives(&pattern[start + 1..end]);
        if found.len() + waiting.len() + alternatives.len() > most {
            return Err(TooMuch::Patterns(most));
        }
        let around = pattern.len() - (end + 1 - start);
        bytes += alternatives.iter().map(|alternative| around + alternative.len()).sum::<usize>();
        if bytes > MOST_BYTES {
            return Err(TooMuch::Bytes);
        }
        // The last goes in first, so that the first comes out first.
        for alternative in alternatives.into_iter().rev() {
            waiting.push([&pattern[..start], alternative, &pattern[end + 1..]].concat());
        }
    }
    Ok(found)
}

/// What a pattern begins with that stands for itself: all of it where it holds no `*`, `?` or `[`.
#[must_use]
pub fn literal(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|byte| b"*?[".contains(byte)).unwrap_or(pattern.len());
    &pattern[..end]
}

/// Whether a pattern is the name of what it stands for.
#[must_use]
pub fn is_literal(pattern: &[u8]) -> bool {
    literal(pattern).len() == pattern.len()
}

/// Where of `names`, which are sorted, those stand that a pattern without braces can match.
#[must_use]
pub fn candidates<N: AsRef<[u8]>>(pattern: &[u8], names: &[N]) -> Range<usize> {
    let front = literal(pattern);
    let first = names.partition_point(|name| name.as_ref() < front);
    let many = names[first..].partition_point(|name| name.as_ref().starts_with(front));
    first..first + many
}

/// The first pair of braces.
fn braces(pattern: &[u8]) -> Option<(usize, usize)> {
    let start = pattern.iter().position(|byte| *byte == b'{')?;
    let mut depth = 0_usize;
    for (index, byte) in pattern.iter().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((start, index));
        }
    }
    None
}

/// What commas part, but for those within further braces.
fn alternatives(text: &[u8]) -> Vec<&[u8]> {
    let mut depth = 0_usize;
    let is_separator = move |byte: &u8| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *byte == b',' && depth == 0
    };
    text.split(is_separator).collect()
}

/// Whether a name matches a pattern without braces.
///
/// It takes no more steps than the lengths of both multiplied.
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut in_name) = (0, 0);
    // Where to go on if it fails: behind the last star, one character further.
    let mut retry: Option<(usize, usize)> = None;
    while in_name < name.len() {
        let step = match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, in_name));
                at += 1;
                continue;
            }
            Some(b'?') => Some((at + 1, in_name + character(&name[in_name..]))),
            Some(b'[') => {
                set(&pattern[at..], &name[in_name..]).map(|(read, taken)| (at + read, in_name + taken))
            }
            Some(byte) if *byte == name[in_name] => Some((at + 1, in_name + 1)),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => (at, in_name) = next,
            (None, Some((behind_star, start))) => {
                let start = start + character(&name[start..]);
                retry = Some((behind_star, start));
                (at, in_name) = (behind_star, start);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How many bytes the first character has.
fn character(text: &[u8]) -> usize {
    let length = match text.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let is_whole = text.get(..length).is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
    if is_whole { length } else { 1 }
}

/// Matches the first character with the set that a pattern begins with: how much of both is used. None where it is not
/// in the set, or the set has no end.
fn set(pattern: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let mut at = 1;
    let is_negated = matches!(pattern.get(at), Some(b'^' | b'!'));
    at += usize::from(is_negated);
    let taken = character(name);
    let wanted = &name[..taken];
    let mut is_in = false;
    while pattern.get(at)? != &b']' {
        let low = &pattern[at..at + character(&pattern[at..])];
        at += low.len();
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|byte| *byte != b']') {
            high = &pattern[at + 1..at + 1 + character(&pattern[at + 1..])];
            at += 1 + high.len();
        }
        // UTF-8 orders as its characters do.
        is_in |= (low..=high).contains(&wanted);
    }
    (is_in != is_negated).then_some((at + 1, taken))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_match(pattern: &str, name: &str) -> bool {
        matches(pattern.as_bytes(), name.as_bytes())
    }

    #[test]
    fn patterns_match_as_in_ruby() {
        for (pattern, name) in [
            ("*", "web1"),
            ("web?", "web1"),
            ("web?", "webü"),
            ("web[12]", "web2"),
            ("web[^12]", "web3"),
            ("web[!1-2]", "web3"),
            ("[a-cx]1", "b1"),
            ("[a-]", "-"),
            ("[ä-ü]", "ö"),
            ("*.example.*", "web1.example.org"),
            ("a*b*c", "aXbYbZc"),
            ("", ""),
            (".*", ".hidden"),
            ("a.b", "a.b"),
            ("a}b", "a}b"),
        ] {
            assert!(is_match(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*", ".hidden"),
            ("?hidden", ".hidden"),
            ("[.]hidden", ".hidden"),
            ("web?", "web"),
            ("web[12]", "web3"),
            ("web[^12]", "web1"),
            ("web[12", "web1"),
            ("[]a]", "]"),
            ("a*b", "abc"),
            ("", "a"),
            ("A", "a"),
        ] {
            assert!(!is_match(pattern, name), "{pattern} {name}");
        }
        assert!(matches(b"latin1-??", b"latin1-\xfc\xe9"));
        assert!(!matches(b"latin1-?", b"latin1-\xfc\xe9"));
    }

    #[test]
    fn braces_are_expanded_in_order_and_within_each_other() {
        let written = |pattern: &str| {
            let patterns = expanded(pattern.as_bytes(), 100).unwrap();
            patterns
                .into_iter()
                .map(|pattern| String::from_utf8(pattern).unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(written("{b,a}{1,2}"), "b1 b2 a1 a2");
        assert_eq!(written("x{a,{b,c}d}y"), "xay xbdy xcdy");
        assert_eq!(written("{a}"), "a");
        assert_eq!(written("{a,}b"), "ab b");
        assert_eq!(written("a{b"), "a{b");
        assert_eq!(written("a}b{c,d}"), "a}bc a}bd");
    }

    #[test]
    fn braces_that_stand_for_too_many_are_refused_before_they_are_made() {
        let many = "{a,b}".repeat(40);
        assert_eq!(expanded(many.as_bytes(), 1000), Err(TooMuch::Patterns(1000)));
        assert_eq!(expanded(b"{a,b,c}", 2), Err(TooMuch::Patterns(2)));
        assert!(expanded(b"{a,b,c}", 3).is_ok());
    }

    /// Ten thousand patterns are not many, but each may be as long as a request.
    #[test]
    fn braces_that_stand_for_much_text_are_refused_before_it_is_made() {
        let ten = "{0,1,2,3,4,5,6,7,8,9}";
        let many = ten.repeat(3);
        assert_eq!(expanded(many.as_bytes(), 1000).map(|patterns| patterns.len()), Ok(1000));
        for long in [format!("{}{many}", "a".repeat(60_000)), format!("{{a}}{}", "a".repeat(256))] {
            assert_eq!(expanded(long.as_bytes(), 10_000), Err(TooMuch::Long));
        }
        let behind = format!("{many}{}", "a".repeat(60_000));
        assert_eq!(expanded(behind.as_bytes(), 10_000), Err(TooMuch::Bytes));
        // Ever the same few bytes, made again for each pair of braces.
        assert_eq!(expanded("{a}".repeat(20_000).as_bytes(), 10_000), Err(TooMuch::Bytes));
        assert!(expanded(format!("{{a}}{}", "a".repeat(254)).as_bytes(), 1).is_ok());
    }

    #[test]
    fn candidates_of_a_pattern_begin_as_it_does() {
        let names = ["a", "web1", "web10", "web2", "x"];
        assert_eq!(candidates(b"web1*", &names), 1..3);
        assert_eq!(candidates(b"*1", &names), 0..5);
        assert_eq!(candidates(b"web", &names), 1..4);
        assert!(candidates(b"y?", &names).is_empty());
        assert!(is_literal(b"web1") && !is_literal(b"web?"));
    }

    /// The same by the definition, which takes exponential time.
    fn model(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => model(rest, name) || !name.is_empty() && model(pattern, &name[1..]),
            (Some(('?', rest)), Some((_, name))) => model(rest, name),
            (Some((a, rest)), Some((b, name))) => a == b && model(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn stars_match_as_by_the_definition(pattern in "[ab?*ü]{0,8}", name in "[abü]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(is_match(&pattern, &name), model(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn any_bytes_are_a_pattern(pattern: Vec<u8>, name: Vec<u8>) {
            let _ = matches(&pattern, &name);
            if let Ok(patterns) = expanded(&pattern, 50) {
                prop_assert!(!patterns.is_empty() && patterns.len() <= 50);
            }
            let names = [name];
            prop_assert!(!matches(&pattern, &names[0]) || candidates(&pattern, &names) == (0..1));
        }
    }
}
