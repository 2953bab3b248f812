//! From patterns to metrics: which files of hosts a pattern means, and which of their data sources.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use coco_core::tier::TargetId;
use graphite::{Found, Node};

use super::directory::{EACH_BRANCH, Entry, first, nodes};
use super::names::Naming;
use crate::fleet::sources::{Kind, Names, Sources};

/// A file of a host, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Nodes, joined by dots.
    pub name: String,
    /// collectd's plugin and its instance.
    pub plugin: Box<[u8]>,
    /// collectd's type and its instance.
    pub instance: Box<[u8]>,
}

/// The files of a host.
pub type Files = Arc<[NamedFile]>;

/// A series that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What a client is shown.
    pub name: String,
    /// Whose.
    pub entry: Entry,
    /// collectd's plugin and its instance.
    pub plugin: Box<[u8]>,
    /// collectd's type and its instance.
    pub instance: Box<[u8]>,
    /// The data source.
    pub source: Box<[u8]>,
}

/// What a pattern means of some hosts.
#[derive(Debug, Default)]
pub struct Meant {
    /// Where it ends before a metric does.
    pub branches: BTreeSet<String>,
    /// Metrics.
    pub leaves: Vec<Leaf>,
    /// Kinds of files whose data sources have to be known first, each with some files of the kind.
    pub unknown: HashMap<Kind, Vec<(Entry, NamedFile)>>,
    /// What the names take, in bytes.
    pub bytes: usize,
}

/// Files of a kind that are asked for its data sources, one after the other.
const MOST_TRIED: usize = 8;

/// What a pattern is held against.
#[derive(Debug)]
pub struct Search<'a> {
    /// How names are made.
    pub naming: &'a Naming,
    /// All nodes of the pattern.
    pub pattern: &'a [Node],
    /// What data sources files have.
    pub sources: &'a Sources,
    /// Whether branches are wanted, too.
    pub wants_branches: bool,
    /// More bytes of names are not taken.
    pub room: usize,
    /// More metrics are not looked for.
    pub most: usize,
}

/// Why not all is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There are more names than there is room for.
    Bytes,
    /// There are more metrics.
    Metrics,
}

impl Search<'_> {
    /// Adds what the pattern means of a host, behind whose name `rest` of it is left.
    pub fn look(
        &self,
        host: &Entry,
        owner: TargetId,
        nodes_of_host: usize,
        files: &[NamedFile],
        meant: &mut Meant,
    ) -> Result<(), Full> {
        let rest = &self.pattern[nodes_of_host..];
        for file in files {
            let length = nodes(&file.name);
            let mut pairs = rest.iter().zip(file.name.split('.'));
            if !pairs.all(|(node, text)| node.is_match(text.as_bytes())) {
                continue;
            }
            if rest.len() < length {
                self.branch(host, first(&file.name, rest.len()), meant)?;
                continue;
            }
            let kind = Kind::new(owner, &file.instance);
            match self.sources.get(&kind) {
                Some(names) => self.look_at_sources(host, file, &names, length, rest, meant)?,
                None => {
                    meant.is_unknown(kind, host, file);
                }
            }
        }
        Ok(())
    }

    /// Adds all metrics of a host.
    pub fn every(
        &self,
        host: &Entry,
        owner: TargetId,
        files: &[NamedFile],
        meant: &mut Meant,
    ) -> Result<(), Full> {
        for file in files {
            let kind = Kind::new(owner, &file.instance);
            let Some(names) = self.sources.get(&kind) else {
                meant.is_unknown(kind, host, file);
                continue;
            };
            for source in names.iter() {
                let name = match self.naming.source(source, names.len()) {
                    Some(node) => format!("{}.{node}", file.name),
                    None => file.name.clone(),
                };
                self.leaf(host, &name, file, source, meant)?;
            }
        }
        Ok(())
    }

    fn look_at_sources(
        &self,
        host: &Entry,
        file: &NamedFile,
        names: &Names,
        length: usize,
        rest: &[Node],
        meant: &mut Meant,
    ) -> Result<(), Full> {
        for source in names.iter() {
            match self.naming.source(source, names.len()) {
                None if rest.len() == length => {
                    self.leaf(host, &file.name, file, source, meant)?;
                }
                None => {}
                Some(node) => {
                    let behind = &rest[length..];
                    let mut pairs = behind.iter().zip(node.split('.'));
                    if !pairs.all(|(node, text)| node.is_match(text.as_bytes())) {
                        continue;
                    }
                    let name = format!("{}.{node}", file.name);
                    if behind.len() < nodes(&node) {
                        self.branch(host, first(&name, rest.len()), meant)?;
                    } else if behind.len() == nodes(&node) {
                        self.leaf(host, &name, file, source, meant)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn branch(&self, host: &Entry, below: &str, meant: &mut Meant) -> Result<(), Full> {
        if self.wants_branches {
            let name = format!("{}.{below}", host.name);
            let bytes = name.len() + EACH_BRANCH;
            if meant.branches.insert(name) {
                meant.bytes += bytes;
            }
        }
        self.check(meant)
    }

    fn leaf(
        &self,
        host: &Entry,
        below: &str,
        file: &NamedFile,
        source: &[u8],
        meant: &mut Meant,
    ) -> Result<(), Full> {
        let name = format!("{}.{below}", host.name);
        meant.bytes +=
            name.len() + size_of::<Leaf>() + file.plugin.len() + file.instance.len() + source.len() + 96;
        meant.leaves.push(Leaf {
            name,
            entry: host.clone(),
            plugin: file.plugin.clone(),
            instance: file.instance.clone(),
            source: source.into(),
        });
        self.check(meant)
    }

    fn check(&self, meant: &Meant) -> Result<(), Full> {
        // Who asks for too many is told so, however little memory there is for them.
        if meant.leaves.len() > self.most {
            return Err(Full::Metrics);
        }
        if meant.bytes > self.room { Err(Full::Bytes) } else { Ok(()) }
    }
}

impl Meant {
    /// One file may be damaged, or have no rows yet: several speak for a kind, of several hosts if there are.
    fn is_unknown(&mut self, kind: Kind, host: &Entry, file: &NamedFile) {
        let files = self.unknown.entry(kind).or_default();
        let of_host = files.iter().rev().take_while(|(known, _)| known == host).count();
        if files.len() < MOST_TRIED && of_host < MOST_TRIED / 2 {
            files.push((host.clone(), file.clone()));
        }
    }

    /// Whether it means nothing.
    pub fn is_empty(&self) -> bool {
        self.branches.is_empty() && self.leaves.is_empty()
    }

    /// As what is found.
    pub fn into_found(self) -> Vec<Found> {
        let branches = self.branches.into_iter().map(|path| Found { path, is_leaf: false });
        let leaves = self.leaves.into_iter().map(|leaf| Found { path: leaf.name, is_leaf: true });
        branches.chain(leaves).collect()
    }
}

#[cfg(test)]
mod tests {
    use coco_core::config::NoodleConfig;
    use graphite::{Glob, Limits};

    use super::super::directory::{Directory, Host};
    use super::*;

    fn found(lines: &str, pattern: &str) -> Vec<(String, bool)> {
        let text = format!("[tiers.a]\ntargets = [\"a:1\"]\n[fetch]\nbind = \":0\"\n[graphite]\n{lines}\n");
        let naming = Naming::new(&NoodleConfig::parse(&text).unwrap().graphite);
        let sources = Sources::new();
        for (instance, names) in
            [("load", &["shortterm", "midterm"][..]), ("memory", &["value"]), ("df_complex", &["value"])]
        {
            let names = names.iter().map(|name| Box::from(name.as_bytes()));
            sources.learn(Kind::new(TargetId::new(0), instance.as_bytes()), names.collect());
        }
        let files: Vec<_> = [("load", "load"), ("memory", "memory-used"), ("df-a.b", "df_complex-free")]
            .iter()
            .map(|(plugin, instance)| NamedFile {
                name: naming.file(plugin.as_bytes(), instance.as_bytes()),
                plugin: plugin.as_bytes().into(),
                instance: instance.as_bytes().into(),
            })
            .collect();
        let directory = Directory::new(&naming, [Host::from(*b"web1.x")]);
        let glob = Glob::new(pattern, &Limits::default()).unwrap();
        let search = Search {
            naming: &naming,
            pattern: glob.nodes(),
            sources: &sources,
            wants_branches: true,
            room: 1 << 20,
            most: 100,
        };
        let reached = directory.reach(&glob, 1 << 20).unwrap();
        let mut meant = Meant { branches: reached.branches, ..Meant::default() };
        for (entry, nodes) in &reached.hosts {
            search.look(entry, TargetId::new(0), *nodes, &files, &mut meant).unwrap();
        }
        assert!(meant.unknown.is_empty());
        let mut found: Vec<_> =
            meant.into_found().into_iter().map(|found| (found.path, found.is_leaf)).collect();
        found.sort();
        found
    }

    fn leaf(name: &str) -> (String, bool) {
        (name.to_owned(), true)
    }

    fn branch(name: &str) -> (String, bool) {
        (name.to_owned(), false)
    }

    #[test]
    fn names_lead_from_hosts_to_data_sources() {
        assert_eq!(found("", "*"), [branch("web1_x")]);
        assert_eq!(
            found("", "web1_x.*"),
            [branch("web1_x.df-a_b"), branch("web1_x.load"), branch("web1_x.memory")]
        );
        assert_eq!(found("", "*.load.*"), [branch("web1_x.load.load")]);
        assert_eq!(
            found("", "*.*.*.{short,mid}term"),
            [leaf("web1_x.load.load.midterm"), leaf("web1_x.load.load.shortterm")]
        );
        assert_eq!(found("", "web1_x.memory.memory-used"), [leaf("web1_x.memory.memory-used")]);
        assert_eq!(found("", "web1_x.memory.memory-used.value"), []);
        assert_eq!(found("", "web1_x.load.load.shortterm.x"), []);
        assert_eq!(found("", "*.df-*.*"), [leaf("web1_x.df-a_b.df_complex-free")]);
    }

    #[test]
    fn names_are_as_long_as_options_make_them() {
        assert_eq!(
            found("always_append_ds = true", "*.memory.memory-used.*"),
            [leaf("web1_x.memory.memory-used.value")]
        );
        assert_eq!(found("always_append_ds = true", "*.memory.*"), [branch("web1_x.memory.memory-used")]);
        assert_eq!(
            found("separate_instances = true", "*.memory.memory.*"),
            [leaf("web1_x.memory.memory.used")]
        );
        assert_eq!(found("separate_instances = true", "*.memory.*"), [branch("web1_x.memory.memory")]);
        assert_eq!(
            found("preserve_separator = true", "web1.x.df-a.*.*"),
            [leaf("web1.x.df-a.b.df_complex-free")]
        );
        assert_eq!(
            found("prefix = 'c.'\npostfix = '.y'", "c.*.*.load.load"),
            [branch("c.web1_x.y.load.load")]
        );
    }
}
