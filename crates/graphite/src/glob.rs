//! Patterns of names: `*`, `?`, `[a-z]`, `[!a]`, `{a,b}`; none of them crosses a dot.

use regex::bytes::{Regex, RegexBuilder};

use crate::error::Error;
use crate::limits::Limits;

/// How deep braces may be nested.
const DEPTH: usize = 8;

/// A pattern, node by node. Names are bytes: some hosts have names that are not UTF-8.
///
/// ```
/// use graphite::{Glob, Limits};
///
/// let glob = Glob::new("{web,db}-*.load.[!l]*", &Limits::default()).unwrap();
/// assert!(glob.is_match(b"web-01.load.midterm"));
/// assert!(!glob.is_match(b"web-01.load.longterm"));
/// assert!(!glob.is_match(b"web-01.cpu.load.midterm"));
/// assert_eq!(glob.nodes()[1].literal(), Some("load"));
/// ```
#[derive(Debug, Clone)]
pub struct Glob {
    nodes: Vec<Node>,
}

/// The pattern of one node.
#[derive(Debug, Clone)]
pub struct Node {
    text: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Literal,
    All,
    Regex(Regex),
}

impl Glob {
    /// Reads a pattern. Braces and brackets that are not closed are themselves.
    pub fn new(pattern: &str, limits: &Limits) -> Result<Self, Error> {
        let refused = || Error::Glob(pattern.chars().take(100).collect());
        if pattern.len() > limits.pattern_bytes {
            return Err(refused());
        }
        let node = |text: &str| {
            let matcher = match text {
                "*" => Matcher::All,
                _ if !text.contains(['*', '?', '[', '{']) => Matcher::Literal,
                _ => Matcher::Regex(compile(text, limits).ok_or_else(refused)?),
            };
            Ok(Node { text: text.to_owned(), matcher })
        };
        let nodes: Result<_, _> = pattern.split('.').map(node).collect();
        Ok(Self { nodes: nodes? })
    }

    /// The nodes, from the first to the last.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether a whole name is one of those that it stands for.
    pub fn is_match(&self, name: &[u8]) -> bool {
        let mut parts = name.split(|byte| *byte == b'.');
        self.nodes.iter().all(|node| parts.next().is_some_and(|part| node.is_match(part)))
            && parts.next().is_none()
    }
}

impl Node {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The only node that it matches, if it is no pattern.
    pub fn literal(&self) -> Option<&str> {
        matches!(self.matcher, Matcher::Literal).then_some(&self.text)
    }

    /// Whether it stands for this node of a name.
    pub fn is_match(&self, node: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Literal => self.text.as_bytes() == node,
            Matcher::All => true,
            Matcher::Regex(regex) => regex.is_match(node),
        }
    }
}

fn compile(text: &str, limits: &Limits) -> Option<Regex> {
    let mut translated = String::from(r"\A(?s-u:");
    translate(text, 0, &mut translated)?;
    translated.push_str(r")\z");
    RegexBuilder::new(&translated).unicode(false).size_limit(limits.regex_bytes).build().ok()
}

/// None if braces are nested too deeply.
fn translate(text: &str, depth: usize, to: &mut String) -> Option<()> {
    if depth > DEPTH {
        return None;
    }
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let behind = &rest[character.len_utf8()..];
        rest = match character {
            '*' => {
                to.push_str(".*?");
                behind.trim_start_matches('*')
            }
            '?' => {
                // One character, be it of several bytes, or a byte that is none.
                to.push_str(r"(?:[\x00-\x7f\x80-\xbf]|[\xc0-\xff][\x80-\xbf]*)");
                behind
            }
            '[' => class(behind, to).unwrap_or_else(|| {
                to.push_str(r"\[");
                behind
            }),
            '{' => alternatives(behind, depth, to)?.unwrap_or_else(|| {
                to.push_str(r"\{");
                behind
            }),
            other => {
                to.push_str(&regex::escape(other.encode_utf8(&mut [0; 4])));
                behind
            }
        };
    }
    Some(())
}

/// `a-z]`, `!a]`: what is behind it, or None if it is not closed.
fn class<'a>(text: &'a str, to: &mut String) -> Option<&'a str> {
    let (is_negated, inside) = match text.strip_prefix('!') {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    // A bracket that comes first is one of the characters.
    let end = inside.char_indices().skip(1).find(|(_, character)| *character == ']')?.0;
    let characters: Vec<_> = inside[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut place = 0;
    while let Some(first) = characters.get(place) {
        let is_range = characters.get(place + 1) == Some(&'-') && place + 2 < characters.len();
        let last = if is_range { characters[place + 2] } else { *first };
        place += if is_range { 3 } else { 1 };
        if *first <= last {
            ranges.push(format!("{}-{}", escaped(*first), escaped(last)));
        }
    }
    let nothing = r"[^\x00-\x{10FFFF}]";
    match (ranges.is_empty(), is_negated) {
        (true, false) => to.push_str(&format!("(?u:{nothing})")),
        (true, true) => to.push_str("(?u:.)"),
        (false, _) => {
            to.push_str(&format!("(?u:[{}{}])", if is_negated { "^" } else { "" }, ranges.concat()));
        }
    }
    Some(&inside[end + 1..])
}

fn escaped(character: char) -> String {
    format!(r"\x{{{:x}}}", u32::from(character))
}

/// `a,b}`: Some(what is behind it), Some(None) if it is not closed, None if it is nested too deeply.
fn alternatives<'a>(text: &'a str, depth: usize, to: &mut String) -> Option<Option<&'a str>> {
    let (mut open, mut begin, mut parts) = (0, 0, Vec::new());
    for (position, character) in text.char_indices() {
        match character {
            '{' => open += 1,
            '}' if open > 0 => open -= 1,
            ',' if open == 0 => {
                parts.push(&text[begin..position]);
                begin = position + 1;
            }
            '}' => {
                parts.push(&text[begin..position]);
                to.push_str("(?:");
                for (place, part) in parts.iter().enumerate() {
                    to.push_str(if place > 0 { "|" } else { "" });
                    translate(part, depth + 1, to)?;
                }
                to.push(')');
                return Some(Some(&text[position + 1..]));
            }
            _ => {}
        }
    }
    Some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_node_by_node() {
        for (pattern, name, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a*", "a.b", false),
            ("*.*", "a.b", true),
            ("r?mp", "ramp", true),
            ("r?mp", "rämp", true),
            ("r?mp", "rmp", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a]", "ä", true),
            ("[c-a]", "b", false),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            ("{a,b}{c,}", "bc", true),
            ("{a,b}{c,}", "b", true),
            ("{a,b{c,d*}}", "bdx", true),
            ("{a,b", "{a,b", true),
            ("a}", "a}", true),
            ("cpu-{0,1}.*", "cpu-1.x", true),
            ("a+b(c)", "a+b(c)", true),
            ("a+*", "aab", false),
            ("", "", true),
            ("a..b", "a..b", true),
        ] {
            let glob = Glob::new(pattern, &Limits::default()).unwrap();
            assert_eq!(glob.is_match(name.as_bytes()), expected, "{pattern} {name}");
        }
        let latin1 = Glob::new("latin1-*.?", &Limits::default()).unwrap();
        assert!(latin1.is_match(b"latin1-\xfc\xe9.\xff"));
    }

    #[test]
    fn hostile_globs_are_refused_or_quick() {
        let limits = Limits::default();
        assert!(Glob::new(&"{a,".repeat(1000), &limits).is_ok_and(|glob| !glob.is_match(b"a")));
        assert!(Glob::new(&format!("{}{}", "{a,".repeat(100), "}".repeat(100)), &limits).is_err());
        assert!(Glob::new(&"*a".repeat(1000), &limits).is_ok_and(|glob| !glob.is_match(&b"a".repeat(999))));
        assert!(Glob::new(&"{a,b}".repeat(800), &limits).is_ok_and(|glob| glob.is_match(&b"a".repeat(800))));
        assert!(Glob::new(&"a".repeat(1 << 16), &limits).is_err());
    }
}
