//! The smallest parts of a target: words, numbers, strings, paths. Each is read at a place, or not.

use super::{Literal, Path};

/// Characters that a path may hold behind a backslash only.
const SYMBOLS: &str = "(){},.'\"\\|";

/// The text of a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) fn peek(self, at: usize) -> Option<char> {
        self.text.get(at..).and_then(|rest| rest.chars().next())
    }

    /// The first place from here on that is no white space.
    pub(super) fn skip(self, at: usize) -> usize {
        let rest = &self.text[at..];
        at + rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len()
    }

    /// Behind this character, if it stands there.
    pub(super) fn symbol(self, at: usize, symbol: char) -> Option<usize> {
        let at = self.skip(at);
        (self.peek(at) == Some(symbol)).then(|| at + symbol.len_utf8())
    }

    /// A name of a function or of a keyword, and where it ends.
    pub(super) fn word(self, at: usize) -> Option<(&'a str, usize)> {
        let at = self.skip(at);
        let rest = &self.text[at..];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let begins = rest.bytes().next().is_some_and(|byte| is_word(byte) && !byte.is_ascii_digit());
        begins.then(|| (&rest[..length], at + length))
    }

    /// `true`, `none` and the like, in any case, where the word ends with them.
    fn keyword(self, at: usize, keyword: &str) -> Option<usize> {
        let end = at + keyword.len();
        let found = self.text.get(at..end)?;
        let goes_on = self.peek(end).is_some_and(|next| next.is_ascii_alphanumeric() || "_$".contains(next));
        (found.eq_ignore_ascii_case(keyword) && !goes_on).then_some(end)
    }

    /// A literal, and where it ends.
    pub(super) fn literal(self, at: usize) -> Option<(Literal, usize)> {
        let at = self.skip(at);
        for (keyword, literal) in [("true", Literal::Boolean(true)), ("false", Literal::Boolean(false))] {
            if let Some(end) = self.keyword(at, keyword) {
                return Some((literal, end));
            }
        }
        if let Some(found) = self.number(at) {
            return Some(found);
        }
        if let Some(end) = self.keyword(at, "none") {
            return Some((Literal::None, end));
        }
        if let Some(found) = self.string(at) {
            return Some(found);
        }
        self.keyword(at, "inf").map(|end| (Literal::Float(f64::INFINITY), end))
    }

    /// `-1`, `1.5`, `1e3`: only where an argument ends with it.
    pub(super) fn number(self, at: usize) -> Option<(Literal, usize)> {
        let at = self.skip(at);
        let digits = |at: usize| {
            let count = self.text.bytes().skip(at).take_while(u8::is_ascii_digit).count();
            (count > 0).then_some(at + count)
        };
        let signed = |at: usize| digits(at + usize::from(self.peek(at) == Some('-')));
        let whole = signed(at)?;
        let broken = if self.peek(whole) == Some('.') { digits(whole + 1) } else { None };
        let mantissa = broken.unwrap_or(whole);
        let has_exponent = matches!(self.peek(mantissa), Some('e' | 'E'));
        if let Some(end) = has_exponent.then(|| signed(mantissa + 1)).flatten()
            && self.ends_argument(end)
        {
            return Some((Literal::Float(self.text[at..end].parse().ok()?), end));
        }
        if let Some(end) = broken
            && self.ends_argument(end)
        {
            return Some((Literal::Float(self.text[at..end].parse().ok()?), end));
        }
        let text = &self.text[at..whole];
        let integer =
            || text.parse().map(Literal::Integer).or_else(|_| text.parse().map(Literal::Float)).ok();
        if self.ends_argument(whole) { integer().map(|literal| (literal, whole)) } else { None }
    }

    fn ends_argument(self, at: usize) -> bool {
        let rest = self.text[at..].trim_start_matches([' ', '\t']);
        rest.is_empty() || rest.starts_with('\n') || matches!(self.peek(self.skip(at)), Some(',' | ')'))
    }

    /// A string in quotes, and where it ends.
    pub(super) fn string(self, at: usize) -> Option<(Literal, usize)> {
        let at = self.skip(at);
        let quote = self.peek(at).filter(|quote| matches!(quote, '"' | '\''))?;
        let end = at + 1 + inside_of_string(&self.text[at + 1..], quote);
        let closed = self.peek(end) == Some(quote);
        closed.then(|| (Literal::Text(self.text[at + 1..end].to_owned()), end + 1))
    }

    /// A path, and where it ends.
    pub(super) fn path(self, at: usize) -> Option<(Path, usize)> {
        let begin = self.skip(at);
        let (mut pattern, mut end) = (String::new(), begin);
        loop {
            let mut element = String::new();
            let Some(behind) = self.element(end, &mut element) else { break };
            pattern.push_str(&element);
            end = behind;
            if self.peek(end) != Some('.') || self.element(end + 1, &mut String::new()).is_none() {
                break;
            }
            pattern.push('.');
            end += 1;
        }
        (end > begin).then(|| (Path { written: self.text[begin..end].to_owned(), pattern }, end))
    }

    /// What stands between two dots.
    fn element(self, at: usize, pattern: &mut String) -> Option<usize> {
        let mut end = at;
        while let Some(behind) = self.plain(end, pattern).or_else(|| self.alternatives(end, pattern)) {
            end = behind;
        }
        (end > at).then_some(end)
    }

    /// Characters that mean nothing here, and escaped ones.
    fn plain(self, at: usize, pattern: &mut String) -> Option<usize> {
        let mut end = at;
        while let Some(character) = self.peek(end) {
            if character == '\\' {
                let Some(escaped) = self.peek(end + 1).filter(|next| SYMBOLS.contains(*next) || *next == '=')
                else {
                    break;
                };
                pattern.push(escaped);
                end += 2;
            } else if character.is_whitespace() || character.is_control() || SYMBOLS.contains(character) {
                break;
            } else {
                pattern.push(character);
                end += character.len_utf8();
            }
        }
        (end > at).then_some(end)
    }

    /// `{a,b}`
    fn alternatives(self, at: usize, pattern: &mut String) -> Option<usize> {
        if self.peek(at) != Some('{') {
            return None;
        }
        let (before, mut end) = (pattern.len(), at);
        loop {
            pattern.push(self.peek(end)?);
            let Some(behind) = self.plain(end + 1, pattern) else { break };
            end = behind;
            match self.peek(end) {
                Some(',') => {}
                Some('}') => {
                    pattern.push('}');
                    return Some(end + 1);
                }
                _ => break,
            }
        }
        pattern.truncate(before);
        None
    }
}

/// How long the inside of a string is. A doubled quote does not end it, nor does one behind a backslash.
fn inside_of_string(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        match character {
            '\n' | '\r' => return position,
            '\\' => match next {
                None => return position,
                Some('x') => {
                    let is_hexadecimal = text[position + 2..].starts_with(|c: char| c.is_ascii_hexdigit());
                    if !is_hexadecimal {
                        return position;
                    }
                    characters.next();
                }
                Some(_) => {
                    characters.next();
                }
            },
            same if same == quote => {
                if next != Some(quote) {
                    return position;
                }
                characters.next();
            }
            _ => {}
        }
    }
    text.len()
}

/// The quotes that this text can stand between.
pub(super) fn quote_of(text: &str) -> char {
    let fits = |quote: char| inside_of_string(&format!("{text}{quote}"), quote) == text.len();
    if fits('"') { '"' } else { '\'' }
}
