//! Hosts by the names under which clients know them, and which of them a pattern reaches.

use std::collections::BTreeSet;
use std::sync::Arc;

use graphite::{Glob, Node};

use super::names::Naming;

/// The name of a host, as collectd has it: bytes, mostly UTF-8.
pub type Host = Arc<[u8]>;

/// All hosts, by name. Several may have one name.
#[derive(Debug, Default)]
pub struct Directory {
    /// In the order of their names.
    entries: Vec<Entry>,
}

/// A host and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Nodes, joined by dots.
    pub name: Arc<str>,
    /// Who has it.
    pub host: Host,
}

/// What a pattern reaches among hosts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Where the pattern ends within the names of hosts, or with them.
    pub branches: BTreeSet<String>,
    /// Hosts that its first nodes match, with how many nodes these are.
    pub hosts: Vec<(Entry, usize)>,
    /// What both take, in bytes.
    pub bytes: usize,
}

/// What a host that is reached takes, until its files are looked at: in lists that grow, and in those made of them.
const EACH_HOST: usize = 4 * size_of::<(Entry, usize)>();

/// What a name in a set takes beside its bytes.
pub(super) const EACH_BRANCH: usize = 2 * size_of::<String>() + 32;

impl Directory {
    /// Of these hosts.
    pub fn new(naming: &Naming, hosts: impl IntoIterator<Item = Host>) -> Self {
        let entry = |host: Host| Entry { name: naming.host(&host).into(), host };
        let mut entries: Vec<_> = hosts.into_iter().map(entry).collect();
        entries.sort_unstable();
        entries.dedup();
        Self { entries }
    }

    /// What it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| 64 + entry.name.len() + entry.host.len()).sum()
    }

    /// All hosts, if they take no more than `room` bytes; else how many they take.
    pub fn all(&self, room: usize) -> Result<Reached, usize> {
        let bytes = self.entries.len() * EACH_HOST;
        if bytes > room {
            return Err(bytes);
        }
        let hosts = self.entries.iter().map(|entry| (entry.clone(), nodes(&entry.name))).collect();
        Ok(Reached { hosts, bytes, ..Reached::default() })
    }

    /// What a pattern reaches, if that takes no more than `room` bytes; else how many it takes.
    pub fn reach(&self, pattern: &Glob, room: usize) -> Result<Reached, usize> {
        let mut reached = Reached::default();
        for entry in self.candidates(pattern).flatten() {
            reached.add(pattern.nodes(), entry, room);
        }
        if reached.bytes > room { Err(reached.bytes) } else { Ok(reached) }
    }

    /// How many names are looked at for a pattern.
    pub fn candidates_of(&self, pattern: &Glob) -> usize {
        self.candidates(pattern).map(<[Entry]>::len).sum()
    }

    /// Only names that can match are looked at, which are few where the pattern begins with letters: those that end within
    /// the letters, and those that go on behind them.
    fn candidates(&self, pattern: &Glob) -> impl Iterator<Item = &[Entry]> {
        let literal = literal(pattern.nodes());
        let dots: Vec<usize> = literal.match_indices('.').map(|(dot, _)| dot).collect();
        let shorter = dots.into_iter().map({
            let literal = literal.clone();
            move |dot| self.range(&literal[..dot], |name, sought| name == sought)
        });
        shorter.chain(std::iter::once(self.range(&literal, |name, sought| name.starts_with(sought))))
    }

    /// Names from the first that is not before this one, as long as they are like it.
    fn range(&self, sought: &str, is_like: impl Fn(&str, &str) -> bool) -> &[Entry] {
        let first = self.entries.partition_point(|entry| *entry.name < *sought);
        let behind = &self.entries[first..];
        &behind[..behind.partition_point(|entry| is_like(&entry.name, sought))]
    }
}

impl Reached {
    /// Behind `room`, bytes are counted, and nothing is taken.
    fn add(&mut self, pattern: &[Node], entry: &Entry, room: usize) {
        let length = nodes(&entry.name);
        let mut pairs = pattern.iter().zip(entry.name.split('.'));
        if !pairs.all(|(node, text)| node.is_match(text.as_bytes())) {
            return;
        }
        if pattern.len() > length {
            self.bytes += EACH_HOST;
            if self.bytes <= room {
                self.hosts.push((entry.clone(), length));
            }
            return;
        }
        let branch = first(&entry.name, pattern.len());
        if self.branches.contains(branch) {
            return;
        }
        self.bytes += branch.len() + EACH_BRANCH;
        if self.bytes <= room {
            self.branches.insert(branch.to_owned());
        }
    }
}

/// How many nodes a name has.
pub(super) fn nodes(name: &str) -> usize {
    1 + name.bytes().filter(|byte| *byte == b'.').count()
}

/// The first nodes of a name.
pub(super) fn first(name: &str, nodes: usize) -> &str {
    name.match_indices('.').nth(nodes.saturating_sub(1)).map_or(name, |(dot, _)| &name[..dot])
}

/// The letters with which whatever matches begins, up to the first that stand for others.
fn literal(pattern: &[Node]) -> String {
    let mut literal = String::new();
    for node in pattern {
        match node.literal() {
            Some(text) => {
                literal.push_str(text);
                literal.push('.');
            }
            None => {
                let end = node.text().find(['*', '?', '[', '{']).unwrap_or(node.text().len());
                literal.push_str(&node.text()[..end]);
                return literal;
            }
        }
    }
    literal.pop();
    literal
}

#[cfg(test)]
mod tests {
    use coco_core::config::NoodleConfig;
    use graphite::Limits;
    use proptest::prelude::*;

    use super::*;

    fn directory(lines: &str, hosts: &[&str]) -> Directory {
        let text = format!("[tiers.a]\ntargets = [\"a:1\"]\n[fetch]\nbind = \":0\"\n[graphite]\n{lines}\n");
        let naming = Naming::new(&NoodleConfig::parse(&text).unwrap().graphite);
        Directory::new(&naming, hosts.iter().map(|host| Host::from(host.as_bytes())))
    }

    fn reach(directory: &Directory, pattern: &str) -> (Vec<String>, Vec<(String, usize)>) {
        let reached = directory.reach(&Glob::new(pattern, &Limits::default()).unwrap(), 1 << 20).unwrap();
        let host =
            |(entry, nodes): &(Entry, usize)| (String::from_utf8_lossy(&entry.host).into_owned(), *nodes);
        (reached.branches.into_iter().collect(), reached.hosts.iter().map(host).collect())
    }

    #[test]
    fn hosts_are_found_by_their_names_and_those_of_one_name_together() {
        let directory = directory("", &["a.b", "a_b", "web1", "web10", "db1"]);
        assert_eq!(
            reach(&directory, "a_b.load"),
            (vec![], vec![("a.b".to_owned(), 1), ("a_b".to_owned(), 1)])
        );
        assert_eq!(reach(&directory, "web1"), (vec!["web1".to_owned()], vec![]));
        assert_eq!(reach(&directory, "web*").0, ["web1", "web10"]);
        assert_eq!(reach(&directory, "{web,db}1.*").1, [("db1".to_owned(), 1), ("web1".to_owned(), 1)]);
        assert_eq!(reach(&directory, "*").0, ["a_b", "db1", "web1", "web10"]);
        assert_eq!(reach(&directory, "nobody.*"), (vec![], vec![]));
    }

    #[test]
    fn hosts_may_have_several_nodes() {
        let directory = directory("prefix = 'c.'\nhost_in_dots = true", &["a.x", "a.x.y", "b.x"]);
        assert_eq!(reach(&directory, "c").0, ["c"]);
        assert_eq!(reach(&directory, "c.*").0, ["c.a", "c.b"]);
        assert_eq!(reach(&directory, "c.a.x"), (vec!["c.a.x".to_owned()], vec![]));
        assert_eq!(reach(&directory, "c.a.x.y"), (vec!["c.a.x.y".to_owned()], vec![("a.x".to_owned(), 3)]));
        assert_eq!(reach(&directory, "c.a.x.y.load").1, [("a.x".to_owned(), 3), ("a.x.y".to_owned(), 4)]);
        assert_eq!(reach(&directory, "c.*.x.*.*").1.len(), 3);
    }

    #[test]
    fn what_takes_more_than_there_is_room_for_is_counted_and_not_taken() {
        let hosts: Vec<_> = (0..1000).map(|number| format!("web{number:03}")).collect();
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let directory = directory("", &hosts);
        for pattern in ["*", "*.load"] {
            let glob = Glob::new(pattern, &Limits::default()).unwrap();
            let needed = directory.reach(&glob, 1000).unwrap_err();
            assert!(needed > 60_000, "{pattern}: {needed}");
            assert_eq!(directory.reach(&glob, needed).unwrap().bytes, needed);
            assert_eq!(directory.candidates_of(&glob), 1000);
        }
        assert_eq!(directory.all(1000).unwrap_err(), 1000 * EACH_HOST);
        let glob = Glob::new("web99*.load", &Limits::default()).unwrap();
        assert_eq!(
            (directory.candidates_of(&glob), directory.reach(&glob, 2000).unwrap().hosts.len()),
            (10, 10)
        );
    }

    proptest! {
        /// Nothing is missed for looking at few names only.
        #[test]
        fn what_is_reached_is_what_looking_at_every_name_reaches(
            hosts in prop::collection::vec("[ab_]{1,2}(\\.[ab]{0,2}){0,2}", 0..12),
            pattern in "[ab*?_]{1,2}(\\.[ab*\\[\\]]{0,3}){0,4}",
        ) {
            let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
            let directory = directory("host_in_dots = true", &hosts);
            let glob = Glob::new(&pattern, &Limits::default()).unwrap();
            let mut all = Reached::default();
            directory.entries.iter().for_each(|entry| all.add(glob.nodes(), entry, usize::MAX));
            let mut reached = directory.reach(&glob, usize::MAX).unwrap();
            reached.hosts.sort_unstable();
            all.hosts.sort_unstable();
            prop_assert_eq!(reached, all);
        }
    }
}
