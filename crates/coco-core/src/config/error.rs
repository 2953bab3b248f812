//! All that is wrong with a file, in the file's order.

use std::fmt;

/// One thing to mend in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none when something is missing that has no place yet.
    pub line: Option<usize>,
    /// Where in the tree of keys, such as `tiers.shortterm.targets[1]`; empty when the text is not even TOML.
    pub key: String,
    /// The expectation, and the text that was found.
    pub message: String,
}

/// Everything that is wrong with a configuration, never empty.
///
/// Displayed as one problem a line: `line 12: tiers.shortterm.targets[1]: expected "host:port", found …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `problems` must not be empty and stand in the file's order.
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty());
        Self(problems)
    }

    /// The problems from the first line on; those without a line come last.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Problem {
    /// A key that is not there, and must be.
    pub(super) fn missing(key: &str) -> Self {
        Self { line: None, key: key.to_owned(), message: "missing".to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// `1 copy`, `2 copies`.
pub(super) fn number_of(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
