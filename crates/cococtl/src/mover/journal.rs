//! What a move has done so far, a line of JSON each: what a killed one goes on by, and what allows files to be removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::way::Node;
use crate::node::protocol::Text;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Above all others: which move it is of.
    Way(String),
    /// All files of a host are at a node, and were found to be as they should.
    Moved {
        /// The name of its directory.
        host: Text,
        /// Where it is now.
        to: Node,
        /// How many files it has.
        files: u64,
        /// How many of them were changed or made.
        changed: u64,
        /// How many have rows in progress that may differ once they are full.
        unfinished: u64,
        /// Whether nothing had to be changed although values had arrived since it was moved.
        checked: bool,
    },
    /// All files of a host were compared once more, and nothing was wrong.
    Verified {
        /// The name of its directory.
        host: Text,
        /// Where it is.
        to: Node,
        /// Which run of `verify` it was: when it began, in Unix seconds with milliseconds.
        run: u64,
    },
    /// A run of `verify` came to its end.
    Ended {
        /// Which.
        run: u64,
    },
    /// Something was wrong.
    Differs {
        /// The name of its directory.
        host: Text,
        /// Where it is.
        to: Node,
    },
    /// The files of a host were removed at a node.
    Removed {
        /// The name of its directory.
        host: Text,
        /// Where it was.
        from: Node,
        /// Files.
        files: u64,
        /// Bytes of them.
        bytes: u64,
    },
}

/// Why a text is no journal of this move.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JournalError {
    /// Not in the form of one.
    #[error("line {line} is no line of a journal: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// Of another one.
    #[error("it is the journal of another move ({found}): name another file, or remove it")]
    Other {
        /// What it is of.
        found: String,
    },
}

/// How far one host is on its way to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// It is there.
    pub moved: bool,
    /// And was found to be well when values had arrived since.
    pub checked: bool,
    /// Of its files, those with rows in progress that may differ once they are full.
    pub unfinished: u64,
    /// The runs of `verify` since it was moved that found nothing wrong with it, and came to their end.
    pub verified: Vec<u64>,
}

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    states: BTreeMap<(Vec<u8>, Node), State>,
    /// The runs of `verify` that came to their end.
    ended: BTreeSet<u64>,
}

impl Journal {
    /// Reads a journal of this way, or none yet. A last line that has no end was being written when somebody was killed.
    pub fn read(text: &str, way: &str) -> Result<Self, JournalError> {
        let mut journal = Self::default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (number, line) in (1..).zip(whole.lines()) {
            // What was torn by an earlier kill, which the next run has ended.
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry: Entry = serde_json::from_str(line)
                .map_err(|problem| JournalError::Line { line: number, reason: problem.to_string() })?;
            match entry {
                Entry::Way(found) if found != way => return Err(JournalError::Other { found }),
                entry => journal.note(&entry),
            }
        }
        Ok(journal)
    }

    /// Takes note of something that was done.
    pub fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Way(_) | Entry::Removed { .. } => {}
            Entry::Moved { host, to, changed, unfinished, checked, .. } => {
                let state = self.states.entry((host.0.clone(), to.clone())).or_default();
                (state.moved, state.unfinished, state.checked) = (true, *unfinished, *checked);
                if *changed > 0 {
                    state.verified.clear();
                }
            }
            Entry::Verified { host, to, run } => {
                let state = self.states.entry((host.0.clone(), to.clone())).or_default();
                if !state.verified.contains(run) {
                    state.verified.push(*run);
                }
            }
            Entry::Ended { run } => {
                self.ended.insert(*run);
            }
            Entry::Differs { host, to } => {
                self.states.remove(&(host.0.clone(), to.clone()));
            }
        }
    }

    /// How far a host is.
    pub fn state(&self, host: &[u8], to: &str) -> State {
        let mut state = self.states.get(&(host.to_vec(), to.to_owned())).cloned().unwrap_or_default();
        state.verified.retain(|run| self.ended.contains(run));
        state
    }
}

/// A line of a journal, with its end.
pub fn line(entry: &Entry) -> String {
    let mut line = serde_json::to_string(entry).expect("it has texts and numbers alone");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Text {
        Text(b"h\xe9".to_vec())
    }

    fn moved(changed: u64) -> Entry {
        Entry::Moved { host: host(), to: "s2:1".to_owned(), files: 3, changed, unfinished: 1, checked: false }
    }

    fn verified(run: u64) -> Entry {
        Entry::Verified { host: host(), to: "s2:1".to_owned(), run }
    }

    fn ended(run: u64) -> Entry {
        Entry::Ended { run }
    }

    fn read(entries: &[Entry]) -> Journal {
        let text: String = entries.iter().map(line).collect();
        Journal::read(&text, "way").unwrap()
    }

    fn state(entries: &[Entry]) -> State {
        read(entries).state(b"h\xe9", "s2:1")
    }

    #[test]
    fn a_killed_move_goes_on_where_it_was() {
        let all = [Entry::Way("way".to_owned()), moved(3), verified(1), ended(1)];
        let text: String = all.iter().map(line).collect();
        for end in 0..=text.len() {
            let Some(part) = text.get(..end) else { continue };
            let journal = Journal::read(part, "way").unwrap();
            let whole = part.matches('\n').count();
            assert_eq!(journal.state(b"h\xe9", "s2:1").moved, whole >= 2);
            assert_eq!(journal.state(b"h\xe9", "s2:1").verified.len(), usize::from(whole >= 4));
        }
    }

    #[test]
    fn runs_of_verify_count_that_came_to_their_end_and_after_the_last_change() {
        let (one, two) = ([verified(1), ended(1)], [verified(2), ended(2)]);
        let runs = |entries: &[&[Entry]]| state(&entries.concat()).verified;
        assert_eq!(runs(&[&[moved(3), verified(1)], &one]), [1]);
        assert_eq!(runs(&[&[moved(3)], &one, &two]), [1, 2]);
        assert_eq!(runs(&[&[moved(3)], &one, &[moved(0)], &two]), [1, 2]);
        assert_eq!(runs(&[&[moved(3)], &one, &[moved(1)], &two]), [2]);
        assert_eq!(runs(&[&[moved(3), verified(1)], &two]), [2], "the first was killed");
        let differs = Entry::Differs { host: host(), to: "s2:1".to_owned() };
        assert_eq!(state(&[moved(3), verified(1), differs]), State::default());
        assert_eq!(read(&[moved(3)]).state(b"h\xe9", "s3:1"), State::default());
    }

    #[test]
    fn a_journal_of_something_else_is_refused() {
        let other = line(&Entry::Way("other".to_owned()));
        assert!(Journal::read(&other, "way").unwrap_err().to_string().contains("another move (other)"));
        assert!(Journal::read("hello\n", "way").unwrap_err().to_string().starts_with("line 1 "));
        assert_eq!(Journal::read("", "way"), Ok(Journal::default()));
    }
}
