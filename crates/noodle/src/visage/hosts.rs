//! The part of a path that names hosts: a list with commas, braces and globs, as Visage reads it for `/data/HOSTS`
//! and documents it for series.
//!
//! A comma separates; `{a,b}` stands for either, in the middle of a word too; a word with `*`, `?` or `[` is a
//! pattern that only a storage node can compare with the names of its hosts.

use std::collections::HashSet;

use thiserror::Error;

use super::path::{Fault, check};

/// Braces inside of braces, at most.
const MOST_NESTING: usize = 8;

/// Longest name or pattern in bytes: no file system of Linux has longer names (NAME_MAX), and collectd's have 127.
pub(crate) const MOST_LENGTH: usize = 255;

/// Hosts by name and by pattern, each once, in the order of the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Names, which have an owner.
    pub names: Vec<Vec<u8>>,
    /// Globs, which any target may have something for.
    pub patterns: Vec<Vec<u8>>,
}

/// Why a list of hosts is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostsError {
    /// Nothing but separators.
    #[error("which host? there is none in the list")]
    None,
    /// More than the limit, when all is expanded.
    #[error("more than {most} hosts")]
    TooMany {
        /// The limit.
        most: usize,
    },
    /// One that is longer than any name.
    #[error("a host has more than {MOST_LENGTH} bytes")]
    TooLong,
    /// A brace without its other half, or too many inside of each other.
    #[error("the braces around hosts do not match, or are nested more than {MOST_NESTING} deep")]
    Braces,
    /// Expanded to what is no name.
    #[error("the host {0}")]
    Fault(#[from] Fault),
}

/// Whether a decoded part is the name of one host and nothing else.
pub fn is_plain(part: &[u8]) -> bool {
    !part.iter().any(|byte| b",{}*?[".contains(byte))
}

impl Hosts {
    /// Expands a decoded part to at most `most` names and patterns.
    pub fn expand(part: &[u8], most: usize) -> Result<Self, HostsError> {
        let mut expansion = Expansion { left: part, most, steps: 0 };
        let words = expansion.alternatives(0)?;
        let mut seen = HashSet::new();
        let mut hosts = Self::default();
        for word in words.into_iter().filter(|word| !word.is_empty()) {
            check(&word)?;
            if !seen.insert(word.clone()) {
                continue;
            }
            let list = if is_plain(&word) { &mut hosts.names } else { &mut hosts.patterns };
            list.push(word);
        }
        if seen.is_empty() { Err(HostsError::None) } else { Ok(hosts) }
    }
}

struct Expansion<'a> {
    left: &'a [u8],
    most: usize,
    /// Words that were made or made longer so far.
    steps: usize,
}

impl Expansion<'_> {
    /// The words between commas, up to the brace that closes this level, or to the end.
    fn alternatives(&mut self, nesting: usize) -> Result<Vec<Vec<u8>>, HostsError> {
        let mut words = Vec::new();
        loop {
            words.extend(self.word(nesting)?);
            self.bound(words.len())?;
            match self.left.split_first() {
                Some((b',', left)) => self.left = left,
                Some((_, left)) if nesting > 0 => {
                    self.left = left;
                    return Ok(words);
                }
                None if nesting == 0 => return Ok(words),
                _ => return Err(HostsError::Braces),
            }
        }
    }

    /// What the text up to the next comma or closing brace of this level stands for.
    fn word(&mut self, nesting: usize) -> Result<Vec<Vec<u8>>, HostsError> {
        let mut words = vec![Vec::new()];
        loop {
            let end = self.left.iter().position(|byte| b",{}".contains(byte)).unwrap_or(self.left.len());
            let (text, left) = self.left.split_at(end);
            self.append(&mut words, text)?;
            self.left = left;
            let Some((b'{', left)) = left.split_first() else {
                return Ok(words);
            };
            if nesting == MOST_NESTING {
                return Err(HostsError::Braces);
            }
            self.left = left;
            let inner = self.alternatives(nesting + 1)?;
            if let [end] = &inner[..] {
                self.append(&mut words, end)?;
                continue;
            }
            let joined = words.len().saturating_mul(inner.len());
            self.bound(joined)?;
            self.step(joined)?;
            let join = |word: &Vec<u8>| inner.iter().map(|end| [&word[..], end].concat()).collect::<Vec<_>>();
            words = words.iter().flat_map(join).collect();
            bound_length(&words)?;
        }
    }

    /// Costs nothing where there is nothing to append, or a row of `{}` would go through all words each time.
    fn append(&mut self, words: &mut [Vec<u8>], end: &[u8]) -> Result<(), HostsError> {
        if end.is_empty() {
            return Ok(());
        }
        self.step(words.len())?;
        for word in &mut *words {
            word.extend_from_slice(end);
        }
        bound_length(words)
    }

    /// No list of names that are short enough takes more.
    fn step(&mut self, words: usize) -> Result<(), HostsError> {
        self.steps += words;
        self.bound(self.steps / (MOST_NESTING * MOST_LENGTH))
    }

    fn bound(&self, words: usize) -> Result<(), HostsError> {
        if words > self.most { Err(HostsError::TooMany { most: self.most }) } else { Ok(()) }
    }
}

/// While there are few of them still: a long text in front of braces would be there as often as the braces say.
fn bound_length(words: &[Vec<u8>]) -> Result<(), HostsError> {
    if words.iter().any(|word| word.len() > MOST_LENGTH) { Err(HostsError::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(part: &str) -> Result<(Vec<String>, Vec<String>), HostsError> {
        let text =
            |words: Vec<Vec<u8>>| words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect();
        Hosts::expand(part.as_bytes(), 10).map(|hosts| (text(hosts.names), text(hosts.patterns)))
    }

    #[test]
    fn lists_braces_and_globs() {
        for (part, names, patterns) in [
            ("a", "a", ""),
            ("a,b,a", "a b", ""),
            (",a,,b,", "a b", ""),
            ("{a,b}", "a b", ""),
            ("{a}", "a", ""),
            ("web{1,2}.example.org", "web1.example.org web2.example.org", ""),
            ("{a,b}{1,2},c", "a1 a2 b1 b2 c", ""),
            ("{a,{b,c}d,}e", "ae bde cde e", ""),
            ("*", "", "*"),
            ("web?,db[12],c", "c", "web? db[12]"),
            ("{web,db}*", "", "web* db*"),
        ] {
            let words = |text: &str| text.split_terminator(' ').map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(expand(part), Ok((words(names), words(patterns))), "{part}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for part in ["{a", "a}", "{a,b", "a,b}", "{{a}", &("{".repeat(9) + "a" + &"}".repeat(9))] {
            assert_eq!(expand(part), Err(HostsError::Braces), "{part}");
        }
        for part in [",", "{}", "{,}", ""] {
            assert_eq!(expand(part), Err(HostsError::None), "{part}");
        }
        assert_eq!(expand("{.,a}."), Err(HostsError::Fault(Fault::Dots)));
        assert_eq!(expand("{a,.}"), Err(HostsError::Fault(Fault::Dots)));
    }

    #[test]
    fn expansion_ends_at_the_limit_however_much_is_asked_for() {
        let too_many = Err(HostsError::TooMany { most: 10 });
        assert_eq!(expand("0,1,2,3,4,5,6,7,8,9").unwrap().0.len(), 10);
        assert_eq!(expand("0,1,2,3,4,5,6,7,8,9,10"), too_many);
        assert_eq!(expand(&"{a,b}".repeat(3000)), too_many);
        assert_eq!(expand(&"{a}".repeat(255)).unwrap().0, ["a".repeat(255)]);
        assert_eq!(expand(&"{a}".repeat(256)), Err(HostsError::TooLong));
        assert_eq!(expand(&("a".repeat(256) + &"{b,c}".repeat(3000))), Err(HostsError::TooLong));
    }

    #[test]
    fn braces_that_make_nothing_cost_nothing() {
        let steps = |part: &str, most| {
            let mut expansion = Expansion { left: part.as_bytes(), most, steps: 0 };
            (expansion.alternatives(0).map(|words| words.len()), expansion.steps)
        };
        let many = format!("{{{}a}}", "a,".repeat(999));
        // Each word is made once in the braces and once for the outside.
        assert_eq!(steps(&many, 1000), (Ok(1000), 2000));
        assert_eq!(steps(&format!("{many}{}", "{}".repeat(7000)), 1000), (Ok(1000), 2000));
        assert_eq!(steps(&format!("{many}{}", "{{}{}}".repeat(2000)), 1000), (Ok(1000), 2000));
        // One step inside of the braces, and one for each word in front of them.
        assert_eq!(steps(&format!("{many}{}", "{b}".repeat(254)), 1000), (Ok(1000), 2000 + 254 * 1001));
        assert_eq!(steps(&format!("{many}{}", "{b}".repeat(7000)), 1000).0, Err(HostsError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_bounded_list_or_an_error(part in "[ab.,{}*]{0,60}") {
            if let Ok(hosts) = Hosts::expand(part.as_bytes(), 50) {
                prop_assert!((1..=50).contains(&(hosts.names.len() + hosts.patterns.len())));
                prop_assert!(hosts.names.iter().all(|name| is_plain(name) && check(name).is_ok()));
                prop_assert!(hosts.patterns.iter().all(|pattern| pattern.contains(&b'*')));
            }
            let mut expansion = Expansion { left: part.as_bytes(), most: 50, steps: 0 };
            let _ = expansion.alternatives(0);
            // Each word may be made anew in each of the braces around it, and become longer by each byte.
            prop_assert!(expansion.steps <= 50 * part.len(), "{}", expansion.steps);
        }

        #[test]
        fn a_list_of_names_is_itself(names in proptest::collection::hash_set("[a-z0-9-]{1,20}", 1..20)) {
            let names: Vec<_> = names.into_iter().collect();
            let expanded = Hosts::expand(names.join(",").as_bytes(), 20).unwrap();
            let expected: Vec<_> = names.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(expanded, Hosts { names: expected, patterns: Vec::new() });
        }
    }
}
