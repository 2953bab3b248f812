//! Python's regular expressions, as far as they can be held against a name in linear time.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::error::Error;
use crate::limits::Limits;

/// A regular expression that a client wrote. Look-around and references to groups are refused: there is no way to
/// bound what they cost.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(super) regex: Regex,
}

impl Pattern {
    pub(crate) fn new(text: &str, limits: &Limits) -> Result<Self, Error> {
        let refused = |reason: String| Error::Pattern { pattern: text.to_owned(), reason };
        if text.len() > limits.pattern_bytes {
            return Err(Error::limit("bytes of a regular expression", limits.pattern_bytes));
        }
        let translated = Translation::of(text).map_err(|reason| refused(reason.to_owned()))?;
        let regex = RegexBuilder::new(&translated)
            .size_limit(limits.regex_bytes)
            .dfa_size_limit(limits.regex_bytes)
            .nest_limit(50)
            .build()
            .map_err(|error| refused(in_one_line(&error)))?;
        Ok(Self { regex })
    }

    /// Whether it matches anywhere.
    pub(crate) fn is_in(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

fn in_one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// The same expression in the words of the regex crate, which reads some characters otherwise.
struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    translated: String,
}

impl<'a> Translation<'a> {
    fn of(text: &'a str) -> Result<String, &'static str> {
        let mut it = Self { rest: text.chars().peekable(), translated: String::with_capacity(text.len()) };
        while let Some(character) = it.rest.next() {
            match character {
                '\\' => it.escape(false)?,
                '[' => it.class()?,
                '{' => it.brace(),
                '}' | ']' => it.literal(character),
                '(' => it.group()?,
                other => it.translated.push(other),
            }
        }
        Ok(it.translated)
    }

    fn literal(&mut self, character: char) {
        let mut buffer = [0; 4];
        self.translated.push_str(&regex::escape(character.encode_utf8(&mut buffer)));
    }

    fn escape(&mut self, in_class: bool) -> Result<(), &'static str> {
        match self.rest.next() {
            None => return Err("a backslash at the end"),
            Some('0') => self.translated.push_str(r"\x00"),
            Some('1'..='9') => return Err("references to groups are not supported"),
            Some('Z') => self.translated.push_str(r"\z"),
            Some('b') if in_class => self.translated.push_str(r"\x08"),
            Some(letter) if letter.is_ascii_alphabetic() => self.translated.extend(['\\', letter]),
            Some(other) => self.literal(other),
        }
        Ok(())
    }

    /// `(?#...)` is a comment, which the crate does not know; look-around gets a reason of its own.
    fn group(&mut self) -> Result<(), &'static str> {
        let ahead: String = self.rest.clone().take(3).collect();
        if ["?=", "?!", "?<=", "?<!"].iter().any(|look| ahead.starts_with(look)) {
            return Err("look-around is not supported");
        }
        if ahead.starts_with("?#") {
            return match self.rest.find(|character| *character == ')') {
                Some(_) => Ok(()),
                None => Err("a comment without end"),
            };
        }
        self.translated.push('(');
        Ok(())
    }

    fn class(&mut self) -> Result<(), &'static str> {
        self.translated.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.translated.push('^');
        }
        if self.rest.next_if_eq(&']').is_some() {
            self.translated.push_str(r"\]");
        }
        loop {
            match self.rest.next() {
                None => return Err("a [ without ]"),
                Some(']') => break,
                Some('\\') => self.escape(true)?,
                Some('-') if self.rest.peek() == Some(&'-') => self.translated.push_str(r"\-"),
                Some(special @ ('[' | '&' | '~')) => self.translated.extend(['\\', special]),
                Some(other) => self.translated.push(other),
            }
        }
        self.translated.push(']');
        Ok(())
    }

    /// A brace repeats only where it reads like that; otherwise it is itself.
    fn brace(&mut self) {
        let inside: String = self.rest.clone().take_while(|character| *character != '}').collect();
        let is_closed = self.rest.clone().nth(inside.chars().count()) == Some('}');
        let (low, high) = inside.split_once(',').unwrap_or((&inside, "0"));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_closed || inside.is_empty() || !is_number(low) || !is_number(high) {
            return self.literal('{');
        }
        self.translated.push('{');
        if low.is_empty() {
            self.translated.push('0');
        }
        self.translated.push_str(&inside);
        self.translated.push('}');
        self.rest.nth(inside.chars().count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_mean_to_python() {
        for (pattern, name, expected) in [
            ("^web", "web-01", true),
            ("(?i)CPU", "a.cpu", true),
            (r"\.cpu$", "a.cpu", true),
            ("{", "a{b", true),
            ("a{,2}b", "aab", true),
            ("{x}", "a{x}", true),
            ("a{2}", "aa", true),
            ("[[]", "[", true),
            ("[]]", "]", true),
            ("[a&&b]", "&", true),
            (r"\<", "<", true),
            ("a(?#nothing)b", "ab", true),
            ("a]", "a]", true),
            (r"[\b]", "b", false),
        ] {
            let found = Pattern::new(pattern, &Limits::default()).map(|pattern| pattern.is_in(name));
            assert_eq!(found.ok(), Some(expected), "{pattern} in {name}");
        }
    }

    #[test]
    fn what_cannot_be_held_is_refused_in_one_line() {
        for pattern in
            ["(", "(?<=a)b", "a(?!b)", r"(a)\1", "*", "[a", r"\", "(?P=x)", "(((a{1000}){1000}){1000})"]
        {
            let error = Pattern::new(pattern, &Limits::default()).unwrap_err().to_string();
            assert!(!error.contains('\n') && error.len() < 300, "{error}");
        }
        assert!(Pattern::new(&"(".repeat(2000), &Limits::default()).is_err());
        assert!(Pattern::new(&"a".repeat(1 << 20), &Limits::default()).is_err());
    }
}
