//! `re.sub`: replacing all that a pattern matches.

use regex::Captures;

use super::pattern::Pattern;
use crate::error::Error;

/// The second argument of `re.sub`, read for one pattern.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Replacement {
    pub(crate) fn new(text: &str, pattern: &Pattern) -> Result<Self, Error> {
        let mut reader = Reader { rest: text, pieces: Vec::new(), pattern };
        while let Some(position) = reader.rest.find('\\') {
            reader.text(&reader.rest[..position]);
            reader.rest = &reader.rest[position + 1..];
            reader.escape().map_err(|reason| Error::Replacement { replacement: text.to_owned(), reason })?;
        }
        reader.text(reader.rest);
        Ok(Self(reader.pieces))
    }

    /// `name` with every match replaced. A match of nothing right after another match counts, as since Python 3.7.
    /// None if it would be longer than `longest`.
    pub(crate) fn in_name(&self, pattern: &Pattern, name: &str, longest: usize) -> Option<String> {
        let mut replaced = String::with_capacity(name.len());
        let (mut copied, mut at) = (0, 0);
        while at <= name.len()
            && let Some(captures) = pattern.regex.captures_at(name, at)
            && let Some(whole) = captures.get(0)
        {
            replaced.push_str(&name[copied..whole.start()]);
            self.append(&captures, &mut replaced);
            copied = whole.end();
            let next = name[copied..].chars().next().map_or(1, char::len_utf8);
            at = if whole.is_empty() { copied + next } else { copied };
            if replaced.len() > longest {
                return None;
            }
        }
        replaced.push_str(&name[copied..]);
        (replaced.len() <= longest).then_some(replaced)
    }

    fn append(&self, captures: &Captures<'_>, to: &mut String) {
        for piece in &self.0 {
            to.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(number) => captures.get(*number).map_or("", |group| group.as_str()),
            });
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    pieces: Vec<Piece>,
    pattern: &'a Pattern,
}

impl<'a> Reader<'a> {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
    }

    fn take(&mut self, most: usize, is_wanted: impl Fn(char) -> bool) -> &'a str {
        let length = self.rest.chars().take(most).take_while(|character| is_wanted(*character)).count();
        // What is wanted below is ASCII, so that characters are bytes.
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<(), &'static str> {
        let Some(first) = self.rest.chars().next() else { return Err("a backslash at the end") };
        match first {
            'g' => return self.named(),
            '0' => self.octal(3),
            '1'..='9' => {
                let is_octal = self.rest.chars().take(3).filter(char::is_ascii_digit).count() == 3
                    && self.rest.bytes().take(3).all(|digit| (b'0'..b'8').contains(&digit));
                if is_octal {
                    self.octal(3);
                } else {
                    let digits = self.take(2, |character| character.is_ascii_digit());
                    return self.group(digits);
                }
            }
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' => {
                let meant = match first {
                    'a' => "\x07",
                    'b' => "\x08",
                    'f' => "\x0c",
                    'n' => "\n",
                    'r' => "\r",
                    't' => "\t",
                    _ => "\x0b",
                };
                self.rest = &self.rest[1..];
                self.text(meant);
            }
            '\\' => {
                self.rest = &self.rest[1..];
                self.text("\\");
            }
            letter if letter.is_ascii_alphabetic() => return Err("an escape that means nothing"),
            _ => self.text("\\"),
        }
        Ok(())
    }

    fn octal(&mut self, most: usize) {
        let digits = self.take(most, |character| ('0'..'8').contains(&character));
        let code = u32::from_str_radix(digits, 8).unwrap_or_default() & 0xff;
        self.text(char::from_u32(code).unwrap_or_default().encode_utf8(&mut [0; 4]));
    }

    fn named(&mut self) -> Result<(), &'static str> {
        let Some((name, rest)) = self.rest.strip_prefix("g<").and_then(|rest| rest.split_once('>')) else {
            return Err(r"\g without <name>");
        };
        self.rest = rest;
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.group(name);
        }
        let names = self.pattern.regex.capture_names();
        match names.into_iter().position(|known| known == Some(name)) {
            Some(number) => self.pieces.push(Piece::Group(number)),
            None => return Err("a group that the pattern does not have"),
        }
        Ok(())
    }

    fn group(&mut self, digits: &str) -> Result<(), &'static str> {
        match digits.parse() {
            Ok(number) if number < self.pattern.regex.captures_len() => {
                self.pieces.push(Piece::Group(number));
            }
            _ => return Err("a group that the pattern does not have"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn replace(pattern: &str, replacement: &str, name: &str) -> Option<String> {
        let pattern = Pattern::new(pattern, &Limits::default()).ok()?;
        Replacement::new(replacement, &pattern).ok()?.in_name(&pattern, name, 100)
    }

    /// What `re.sub` of Python 3.11 says.
    #[test]
    fn names_are_replaced_as_by_python() {
        for (pattern, replacement, name, expected) in [
            ("(^.*$)", r"\1 A", "a.b", "a.b A"),
            ("(.*)", r"[\1]", "ab", "[ab][]"),
            ("", "-", "ab", "-a-b-"),
            ("x*", "-", "abxd", "-a-b--d-"),
            ("a", r"\0", "a", "\0"),
            ("(a)|(b)", r"<\1\2>", "ab", "<a><b>"),
            ("(?P<n>b)", r"\g<n>\g<1>\g<0>", "abc", "abbbc"),
            ("b", r"\n\.", "abc", "a\n\\.c"),
            ("b", r"\101", "abc", "aAc"),
            ("$", "!", "rämp", "rämp!"),
            ("^", "!", "rämp", "!rämp"),
            ("ä", "", "rämp", "rmp"),
        ] {
            assert_eq!(
                replace(pattern, replacement, name).as_deref(),
                Some(expected),
                "{pattern} {replacement}"
            );
        }
        for (pattern, replacement) in [("a", r"\1"), ("a", r"\q"), ("a", r"\g<x>"), ("a", r"\g"), ("a", "\\")]
        {
            assert_eq!(replace(pattern, replacement, "a"), None, "{replacement}");
        }
    }

    #[test]
    fn a_name_does_not_grow_without_bound() {
        assert_eq!(replace("", "0123456789", "0123456789"), None);
    }
}
