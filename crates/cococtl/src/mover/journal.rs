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
        /// The former owners that it came from: one that was away then is not among them.
        #[serde(default)]
        from: Vec<Node>,
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
        /// The former owners that it was compared with.
        #[serde(default)]
        from: Vec<Node>,
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

/// How far one host is on its way from one node, or several, to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// It is there.
    pub moved: bool,
    /// And was found to be well when values had arrived since.
    pub checked: bool,
    /// Of its files, those with rows in progress that may differ once they are full.
    pub unfinished: u64,
    /// The runs of `verify` since it was moved that found nothing wrong with it, and came to their end.
    pub verified: BTreeSet<u64>,
}

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// By host, where it goes and where it comes from.
    states: BTreeMap<(Vec<u8>, Node, Node), State>,
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
            Entry::Moved { host, from, to, changed, unfinished, checked, .. } => {
                if *changed > 0 {
                    self.of_host(host, to, |state| state.verified.clear());
                }
                for from in from {
                    let state = self.state_from(host, to, from);
                    (state.moved, state.unfinished, state.checked) = (true, *unfinished, *checked);
                }
            }
            Entry::Verified { host, from, to, run } => {
                for from in from {
                    self.state_from(host, to, from).verified.insert(*run);
                }
            }
            Entry::Ended { run } => {
                self.ended.insert(*run);
            }
            Entry::Differs { host, to } => self.of_host(host, to, |state| *state = State::default()),
        }
    }

    fn state_from(&mut self, host: &Text, to: &Node, from: &Node) -> &mut State {
        self.states.entry((host.0.clone(), to.clone(), from.clone())).or_default()
    }

    /// Does something with all that is known of a host at a node, wherever it came from.
    fn of_host(&mut self, host: &Text, to: &Node, act: impl Fn(&mut State)) {
        let first = (host.0.clone(), to.clone(), Node::new());
        let states = self.states.range_mut(first..);
        states.take_while(|(key, _)| (&key.0, &key.1) == (&host.0, to)).for_each(|(_, state)| act(state));
    }

    /// How far a host is that these nodes have: as far as from the one of them from which it is least far.
    pub fn state(&self, host: &[u8], from: &[Node], to: &str) -> State {
        let of = |from: &Node| {
            let key = (host.to_vec(), to.to_owned(), from.clone());
            self.states.get(&key).cloned().unwrap_or_default()
        };
        let joined = from.iter().map(of).reduce(|one, other| State {
            moved: one.moved && other.moved,
            checked: one.checked && other.checked,
            unfinished: one.unfinished.max(other.unfinished),
            verified: &one.verified & &other.verified,
        });
        let mut state = joined.unwrap_or_default();
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

    const ONE: &[&str] = &["s1:1"];

    fn nodes(names: &[&str]) -> Vec<Node> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn moved_from(from: &[&str], changed: u64) -> Entry {
        let (from, to) = (nodes(from), "s2:1".to_owned());
        Entry::Moved { host: host(), from, to, files: 3, changed, unfinished: 1, checked: true }
    }

    fn moved(changed: u64) -> Entry {
        moved_from(ONE, changed)
    }

    fn verified_from(from: &[&str], run: u64) -> Entry {
        Entry::Verified { host: host(), from: nodes(from), to: "s2:1".to_owned(), run }
    }

    fn verified(run: u64) -> Entry {
        verified_from(ONE, run)
    }

    fn ended(run: u64) -> Entry {
        Entry::Ended { run }
    }

    fn read(entries: &[Entry]) -> Journal {
        let text: String = entries.iter().map(line).collect();
        Journal::read(&text, "way").unwrap()
    }

    fn state_from(entries: &[Entry], from: &[&str]) -> State {
        read(entries).state(b"h\xe9", &nodes(from), "s2:1")
    }

    fn state(entries: &[Entry]) -> State {
        state_from(entries, ONE)
    }

    #[test]
    fn a_killed_move_goes_on_where_it_was() {
        let all = [Entry::Way("way".to_owned()), moved(3), verified(1), ended(1)];
        let text: String = all.iter().map(line).collect();
        for end in 0..=text.len() {
            let Some(part) = text.get(..end) else { continue };
            let journal = Journal::read(part, "way").unwrap();
            let whole = part.matches('\n').count();
            let state = journal.state(b"h\xe9", &nodes(ONE), "s2:1");
            assert_eq!((state.moved, state.verified.len()), (whole >= 2, usize::from(whole >= 4)));
        }
    }

    #[test]
    fn runs_of_verify_count_that_came_to_their_end_and_after_the_last_change() {
        let (one, two) = ([verified(1), ended(1)], [verified(2), ended(2)]);
        let runs = |entries: &[&[Entry]]| Vec::from_iter(state(&entries.concat()).verified);
        assert_eq!(runs(&[&[moved(3), verified(1)], &one]), [1]);
        assert_eq!(runs(&[&[moved(3)], &one, &two]), [1, 2]);
        assert_eq!(runs(&[&[moved(3)], &one, &[moved(0)], &two]), [1, 2]);
        assert_eq!(runs(&[&[moved(3)], &one, &[moved(1)], &two]), [2]);
        assert_eq!(runs(&[&[moved(3), verified(1)], &two]), [2], "the first was killed");
        let differs = Entry::Differs { host: host(), to: "s2:1".to_owned() };
        assert_eq!(state(&[moved(3), verified(1), differs]), State::default());
        assert_eq!(read(&[moved(3)]).state(b"h\xe9", &nodes(ONE), "s3:1"), State::default());
    }

    #[test]
    fn what_was_done_without_a_former_owner_is_left_to_be_done_with_it() {
        let (other, both) = (&["s3:1"][..], &["s1:1", "s3:1"][..]);
        let without =
            [moved_from(other, 3), verified_from(other, 1), ended(1), verified_from(other, 2), ended(2)];
        assert!(state_from(&without, other).moved && state_from(&without, other).verified.len() == 2);
        for from in [ONE, both] {
            assert_eq!(
                (state_from(&without, from).moved, state_from(&without, from).verified.len()),
                (false, 0)
            );
        }
        // Once it is back. What it brings was compared by nobody yet.
        let with =
            |changed| [&without[..], &[moved_from(both, changed), verified_from(both, 3), ended(3)]].concat();
        assert_eq!(Vec::from_iter(state_from(&with(0), both).verified), [3]);
        assert_eq!(Vec::from_iter(state_from(&with(0), other).verified), [1, 2, 3]);
        assert_eq!(Vec::from_iter(state_from(&with(1), other).verified), [3]);
        assert!(state_from(&with(1), both).checked);
        // It is away again: that takes nothing back, but what differs does.
        let away = [&with(0)[..], &[moved_from(other, 0)]].concat();
        assert!(state_from(&away, both).moved);
        let differs = Entry::Differs { host: host(), to: "s2:1".to_owned() };
        assert_eq!(state_from(&[&away[..], &[differs]].concat(), both), State::default());
    }

    #[test]
    fn an_entry_that_does_not_say_where_hosts_came_from_counts_for_none() {
        let text = line(&moved(3)).replace("\"from\":[\"s1:1\"],", "");
        assert_ne!(text, line(&moved(3)));
        assert_eq!(Journal::read(&text, "way"), Ok(Journal::default()));
    }

    #[test]
    fn a_journal_of_something_else_is_refused() {
        let other = line(&Entry::Way("other".to_owned()));
        assert!(Journal::read(&other, "way").unwrap_err().to_string().contains("another move (other)"));
        assert!(Journal::read("hello\n", "way").unwrap_err().to_string().starts_with("line 1 "));
        assert_eq!(Journal::read("", "way"), Ok(Journal::default()));
    }
}
