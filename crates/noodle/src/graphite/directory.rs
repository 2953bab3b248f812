//! Hosts by the names under which clients know them, and which of them a pattern reaches.

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
    /// Where the pattern ends within the names of hosts, or with them; sorted.
    pub branches: Vec<String>,
    /// Hosts that its first nodes match, with how many nodes these are.
    pub hosts: Vec<(Entry, usize)>,
}

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

    /// All hosts.
    pub fn all(&self) -> impl Iterator<Item = (Entry, usize)> + '_ {
        self.entries.iter().map(|entry| (entry.clone(), nodes(&entry.name)))
    }

    /// What a pattern reaches. Only names that can match are looked at, which are few where it begins with letters.
    pub fn reach(&self, pattern: &Glob) -> Reached {
        let nodes_of_pattern = pattern.nodes();
        let literal = literal(nodes_of_pattern);
        let mut reached = Reached::default();
        // Names that end within the letters, and those that go on behind them.
        let shorter = literal.match_indices('.').map(|(dot, _)| &literal[..dot]);
        for name in shorter {
            self.range(|entry| entry < name, |entry| entry == name).for_each(|entry| {
                reached.add(nodes_of_pattern, entry);
            });
        }
        self.range(|entry| entry < &*literal, |entry| entry.starts_with(&literal)).for_each(|entry| {
            reached.add(nodes_of_pattern, entry);
        });
        reached.sort();
        reached
    }

    fn range(
        &self,
        is_before: impl Fn(&str) -> bool,
        is_within: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = &Entry> {
        let first = self.entries.partition_point(|entry| is_before(&entry.name));
        self.entries[first..].iter().take_while(move |entry| is_within(&entry.name))
    }
}

impl Reached {
    fn add(&mut self, pattern: &[Node], entry: &Entry) {
        let length = nodes(&entry.name);
        let mut pairs = pattern.iter().zip(entry.name.split('.'));
        if !pairs.all(|(node, text)| node.is_match(text.as_bytes())) {
            return;
        }
        if pattern.len() <= length {
            self.branches.push(first(&entry.name, pattern.len()).to_owned());
        } else {
            self.hosts.push((entry.clone(), length));
        }
    }

    /// Entries are sorted, and so are branches most of the time already.
    fn sort(&mut self) {
        self.branches.sort();
        self.branches.dedup();
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
        let reached = directory.reach(&Glob::new(pattern, &Limits::default()).unwrap());
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
            directory.entries.iter().for_each(|entry| all.add(glob.nodes(), entry));
            all.sort();
            let mut reached = directory.reach(&glob);
            reached.hosts.sort_unstable();
            all.hosts.sort_unstable();
            prop_assert_eq!(reached, all);
        }
    }
}
